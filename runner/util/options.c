/* Option tables: values from text, defaults, checks. See <pyprofiler/options.h>. */
#include <pyprofiler/options.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suggest.h"

/* A parsed value before it is stored. */
union option_value {
    bool flag;
    int64_t integer;
    uint64_t natural;
    double real;
};

struct unit {
    const char *name;
    double factor;
};

static const struct unit duration_units[] = {
    {"", 1e9},  {"ns", 1.0}, {"us", 1e3},   {"µs", 1e3},   {"ms", 1e6},
    {"s", 1e9}, {"m", 60e9}, {"min", 60e9}, {"h", 3600e9},
};

static const struct unit size_units[] = {
    {"", 1.0},           {"B", 1.0},      {"kB", 1e3},        {"KB", 1e3},
    {"MB", 1e6},         {"GB", 1e9},     {"K", 1024.0},      {"M", 1048576.0},
    {"G", 1073741824.0}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0},
};

#define N_OF(array) (sizeof(array) / sizeof *(array))

/* Does word[0..len) equal `name`, '_' and '-' being the same? */
static bool
option_same(const char *word, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++) {
        char a = word[i] == '_' ? '-' : word[i];
        char b = name[i] == '_' ? '-' : name[i];
        if (a != b || b == '\0') {
            return false;
        }
    }
    return name[len] == '\0';
}

/* Is `name` one of the words of `list` ("a|b|c")? */
static bool
option_in_words(const char *list, const char *name)
{
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, "|");
        if (option_same(list, len, name)) {
            return true;
        }
        list += len + (list[len] == '|');
    }
    return false;
}

const struct prf_option *
prf_options_find(const struct prf_option *table, const char *name)
{
    for (const struct prf_option *o = table; o->type != PRF_OPT_END; o++) {
        bool is_short =
            o->short_name != 0 && name[0] == o->short_name && name[1] == '\0';
        if (is_short || option_same(name, strlen(name), o->name) ||
            option_in_words(o->aliases, name)) {
            return o;
        }
    }
    return NULL;
}

static int
option_fail_range(const struct prf_option *o, const char *text, struct prf_error *err)
{
    return prf_fail(err, PRF_EUSAGE, "--%s takes a value from %g to %g, not '%s'",
                    o->name, o->min, o->max, text);
}

static int
option_check_range(const struct prf_option *o, const char *text, double value,
                   struct prf_error *err)
{
    bool limited = o->min != 0.0 || o->max != 0.0;
    if (limited && (value < o->min || value > o->max)) {
        return option_fail_range(o, text, err);
    }
    return 0;
}

static int
option_parse_flag(const struct prf_option *o, const char *text, bool *out,
                  struct prf_error *err)
{
    static const char yes[] = "true|yes|on|1";
    static const char no[] = "false|no|off|0";
    if (text == NULL || option_in_words(yes, text)) {
        *out = true;
        return 0;
    }
    if (option_in_words(no, text)) {
        *out = false;
        return 0;
    }
    return prf_fail(err, PRF_EUSAGE, "--%s is on or off, not '%s'", o->name, text);
}

static int
option_parse_integer(const struct prf_option *o, const char *text, int64_t *out,
                     struct prf_error *err)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno == ERANGE) {
        return prf_fail(err, PRF_EUSAGE, "--%s takes a whole number, not '%s'", o->name,
                        text);
    }
    *out = value;
    return option_check_range(o, text, (double)value, err);
}

static int
option_parse_natural(const struct prf_option *o, const char *text, uint64_t *out,
                     struct prf_error *err)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || errno == ERANGE || strchr(text, '-') != NULL) {
        return prf_fail(err, PRF_EUSAGE,
                        "--%s takes a whole number that is not negative, "
                        "not '%s'",
                        o->name, text);
    }
    *out = value;
    return option_check_range(o, text, (double)value, err);
}

/* A number and one of the units; `what` describes the form for the error. */
static int
option_parse_scaled(const struct prf_option *o, const char *text,
                    const struct unit *units, size_t n_units, const char *what,
                    double *out, struct prf_error *err)
{
    char *end;
    double value = strtod(text, &end);
    if (end != text && isfinite(value) && value >= 0.0) {
        while (*end == ' ') {
            end++;
        }
        for (size_t i = 0; i < n_units; i++) {
            if (strcmp(end, units[i].name) == 0 && value * units[i].factor < 9e18) {
                *out = value * units[i].factor;
                return 0;
            }
        }
    }
    return prf_fail(err, PRF_EUSAGE, "--%s takes %s, not '%s'", o->name, what, text);
}

static int
option_parse_real(const struct prf_option *o, const char *text, double *out,
                  struct prf_error *err)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) {
        return prf_fail(err, PRF_EUSAGE, "--%s takes a number, not '%s'", o->name,
                        text);
    }
    *out = value;
    return option_check_range(o, text, value, err);
}

static int
option_check_choice(const struct prf_option *o, const char *text, struct prf_error *err)
{
    if (o->choices == NULL || option_in_words(o->choices, text)) {
        return 0;
    }
    return prf_fail(err, PRF_EUSAGE, "--%s takes one of %s, not '%s'", o->name,
                    o->choices, text);
}

/* Text to value; strings and lists have nothing to convert. */
static int
option_parse(const struct prf_option *o, const char *text, union option_value *v,
             struct prf_error *err)
{
    if (text == NULL && (o->flags & PRF_OPT_OPTIONAL)) {
        text = o->implied;
    }
    if (text == NULL && o->type != PRF_OPT_FLAG && o->type != PRF_OPT_COUNT) {
        return prf_fail(err, PRF_EUSAGE, "--%s needs a value", o->name);
    }
    double scaled = 0.0;
    int rc = 0;
    switch (o->type) {
    case PRF_OPT_FLAG:
        return option_parse_flag(o, text, &v->flag, err);
    case PRF_OPT_COUNT:
        v->integer = 1;
        return text == NULL ? 0 : option_parse_integer(o, text, &v->integer, err);
    case PRF_OPT_INT:
        return option_parse_integer(o, text, &v->integer, err);
    case PRF_OPT_UINT:
        return option_parse_natural(o, text, &v->natural, err);
    case PRF_OPT_DOUBLE:
        return option_parse_real(o, text, &v->real, err);
    case PRF_OPT_CHOICE:
        return option_check_choice(o, text, err);
    case PRF_OPT_DURATION:
        rc = option_parse_scaled(o, text, duration_units, N_OF(duration_units),
                                 "a time such as 2, 1.5s or 200ms", &scaled, err);
        v->integer = (int64_t)llround(scaled);
        return rc < 0 ? rc : option_check_range(o, text, scaled / 1e9, err);
    case PRF_OPT_SIZE:
        rc = option_parse_scaled(o, text, size_units, N_OF(size_units),
                                 "a size such as 4096, 64MB or 1GiB", &scaled, err);
        v->natural = (uint64_t)scaled;
        return rc < 0 ? rc : option_check_range(o, text, scaled, err);
    case PRF_OPT_LIST:
        return text[strspn(text, ",")] != '\0'
                   ? 0
                   : prf_fail(err, PRF_EUSAGE, "--%s needs a value, not '%s'", o->name,
                              text);
    case PRF_OPT_STRING:
    case PRF_OPT_END:
        break;
    }
    return 0;
}

int
prf_option_check(const struct prf_option *option, const char *text,
                 struct prf_error *err)
{
    union option_value ignored;
    return option_parse(option, text, &ignored, err);
}

int
prf_strlist_add(struct prf_strlist *list, const char *text)
{
    char **items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (items == NULL) {
        return PRF_ENOMEM;
    }
    list->items = items;
    items[list->n] = strdup(text);
    if (items[list->n] == NULL) {
        return PRF_ENOMEM;
    }
    list->n++;
    return 0;
}

void
prf_strlist_release(struct prf_strlist *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct prf_strlist){0};
}

static int
option_add_words(struct prf_strlist *list, const char *text)
{
    int rc = 0;
    char *copy = strdup(text);
    if (copy == NULL) {
        return PRF_ENOMEM;
    }
    char *rest = copy;
    for (char *word; rc == 0 && (word = strsep(&rest, ",")) != NULL;) {
        if (*word != '\0') {
            rc = prf_strlist_add(list, word);
        }
    }
    free(copy);
    return rc;
}

static int
option_store_text(char **field, const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return PRF_ENOMEM;
    }
    free(*field);
    *field = copy;
    return 0;
}

static int
option_store(const struct prf_option *o, const char *text, void *target,
             struct prf_error *err)
{
    void *field = (char *)target + o->offset;
    union option_value v = {0};
    int rc = option_parse(o, text, &v, err);
    if (rc < 0) {
        return rc;
    }
    switch (o->type) {
    case PRF_OPT_FLAG:
        *(bool *)field = v.flag;
        break;
    case PRF_OPT_COUNT:
        *(int64_t *)field += v.integer;
        break;
    case PRF_OPT_INT:
    case PRF_OPT_DURATION:
        *(int64_t *)field = v.integer;
        break;
    case PRF_OPT_UINT:
    case PRF_OPT_SIZE:
        *(uint64_t *)field = v.natural;
        break;
    case PRF_OPT_DOUBLE:
        *(double *)field = v.real;
        break;
    case PRF_OPT_STRING:
    case PRF_OPT_CHOICE:
        rc = option_store_text(field, text == NULL ? o->implied : text);
        break;
    case PRF_OPT_LIST:
        rc = option_add_words(field, text == NULL ? o->implied : text);
        break;
    case PRF_OPT_END:
        break;
    }
    return rc < 0 ? prf_fail(err, rc, "out of memory") : 0;
}

int
prf_options_defaults(const struct prf_option *table, void *target,
                     struct prf_error *err)
{
    for (const struct prf_option *o = table; o->type != PRF_OPT_END; o++) {
        if (o->def != NULL) {
            int rc = option_store(o, o->def, target, err);
            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

static int
option_fail_unknown(const struct prf_option *table, const char *name,
                    struct prf_error *err)
{
    const char *names[128];
    size_t n = 0;
    for (const struct prf_option *o = table; o->type != PRF_OPT_END && n < N_OF(names);
         o++) {
        if (!(o->flags & PRF_OPT_HIDDEN)) {
            names[n++] = o->name;
        }
    }
    const char *near = prf_suggest(name, names, n);
    if (near != NULL) {
        return prf_fail(err, PRF_EUSAGE, "unknown option '--%s', did you mean '--%s'?",
                        name, near);
    }
    return prf_fail(err, PRF_EUSAGE, "unknown option '--%s'", name);
}

int
prf_options_set(const struct prf_option *table, const char *name, const char *text,
                void *target, struct prf_error *err)
{
    const struct prf_option *o = prf_options_find(table, name);
    if (o == NULL) {
        return option_fail_unknown(table, name, err);
    }
    return option_store(o, text, target, err);
}

void
prf_options_release(const struct prf_option *table, void *target)
{
    for (const struct prf_option *o = table; o->type != PRF_OPT_END; o++) {
        void *field = (char *)target + o->offset;
        if (o->type == PRF_OPT_STRING || o->type == PRF_OPT_CHOICE) {
            free(*(char **)field);
            *(char **)field = NULL;
        } else if (o->type == PRF_OPT_LIST) {
            prf_strlist_release(field);
        }
    }
}
