/* The options of pictures; see graph_options.h. */
#include "graph_options.h"

#include <jansson.h>

#include "colormap.h"

#define AT(field) offsetof(struct prf_graph_options, field)

const struct prf_option prf_graph_table[] = {
    {PRF_OPT_UINT, 0, "top-k", NULL, AT(top_k), "100", .unit = "N",
     .help = "most functions, those with the most time; 0: all"},
    {PRF_OPT_CHOICE, 0, "units", "time-unit", AT(units), "ms", .choices = "s|ms|us|ns",
     .help = "unit of times"},
    {PRF_OPT_DOUBLE, 0, "min-percent", NULL, AT(min_percent), "0.5", .max = 100,
     .unit = "PERCENT", .help = "leave out what took less of the time"},
    {PRF_OPT_STRING, 0, "font", NULL, AT(font), "Verdana", .unit = "NAME",
     .help = "font of all text"},
    {PRF_OPT_UINT, 0, "font-size", NULL, AT(font_size), "7", .min = 1, .max = 200,
     .unit = "POINTS", .help = "size of text"},
    {PRF_OPT_UINT, 0, "group-font-size", NULL, AT(group_font_size), "10", .min = 1,
     .max = 200, .unit = "POINTS", .help = "size of the names of modules"},
    {PRF_OPT_CHOICE, 0, "colormap", NULL, AT(colormap), "viridis",
     .choices = PRF_COLORMAPS, .help = "from the least to the most time"},
    {PRF_OPT_CHOICE, 0, "color-by", NULL, AT(color_by), "cumulative",
     .choices = "cumulative|own", .help = "the time that a colour shows"},
    {PRF_OPT_CHOICE, 0, "comparator", NULL, AT(comparator), "auto",
     .choices = "auto|greater|lower",
     .help = "white text above (below) half of the time; auto: what reads best"},
    PRF_OPTIONS_END,
};

/* Options of other profilers may share a name and mean something else: what is no value
   for us does not count, unless `err` is given. */
static int
options_take(struct prf_graph_options *out, const char *text, struct prf_error *err)
{
    json_t *object = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const char *name;
    json_t *value;
    int rc = 0;
    json_object_foreach(object, name, value)
    {
        struct prf_error ignored = {0};
        const char *word = json_string_value(value);
        if (word != NULL && prf_options_find(prf_graph_table, name) != NULL &&
            rc == 0) {
            rc =
                prf_options_set(prf_graph_table, name, word, out, err ? err : &ignored);
            rc = err != NULL || rc == PRF_ENOMEM ? rc : 0;
        }
    }
    json_decref(object);
    return rc;
}

int
prf_graph_options_read(struct prf_graph_options *out, const struct prf_result *result,
                       const struct prf_export_options *given, struct prf_error *err)
{
    char top[32];
    int rc = prf_options_defaults(prf_graph_table, out, err);
    if (rc == 0) {
        rc = options_take(out, result->options, NULL);
    }
    if (rc == 0 && given->top_k > 0) {
        snprintf(top, sizeof top, "%zu", given->top_k);
        rc = prf_options_set(prf_graph_table, "top-k", top, out, err);
    }
    if (rc == 0 && given->time_unit != NULL) {
        rc = prf_options_set(prf_graph_table, "units", given->time_unit, out, err);
    }
    if (rc == 0) {
        rc = options_take(out, given->picture, err);
    }
    return rc == PRF_ENOMEM ? prf_fail(err, rc, "out of memory") : rc;
}
