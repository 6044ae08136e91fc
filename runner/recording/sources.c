/* Source lines beside the sites: see sources.h. */
#include "sources.h"

#include <stdlib.h>
#include <string.h>

/* A decimal number and the character after it; NULL: there is none. */
static const char *
sources_number(const char *text, char after, uint32_t *out)
{
    char *end = NULL;
    if (text[0] < '0' || text[0] > '9') {
        return NULL;
    }
    unsigned long value = strtoul(text, &end, 10);
    if (*end != after || value > UINT32_MAX) {
        return NULL;
    }
    *out = (uint32_t)value;
    return end + 1;
}

bool
prf_source_parse(const char *text, uint32_t *id, uint32_t *first_line,
                 const char **lines)
{
    const char *p = sources_number(text, ' ', id);
    p = p ? sources_number(p, '\n', first_line) : NULL;
    *lines = p;
    return p != NULL;
}

const struct prf_source *
prf_source_find(const struct prf_profile *profile, uint32_t code)
{
    for (size_t i = 0; i < profile->n_sources; i++) {
        if (profile->sources[i].code == code) {
            return &profile->sources[i];
        }
    }
    return NULL;
}

const char *
prf_source_line(const struct prf_profile *profile, uint32_t code, uint32_t line,
                size_t *len)
{
    const struct prf_source *source = prf_source_find(profile, code);
    if (source == NULL || line < source->first_line) {
        return NULL;
    }
    const char *text = source->text;
    for (uint32_t i = source->first_line; i < line; i++) {
        const char *end = strchr(text, '\n');
        if (end == NULL) {
            return NULL;
        }
        text = end + 1;
    }
    *len = strcspn(text, "\r\n");
    return *text != '\0' ? text : NULL;
}
