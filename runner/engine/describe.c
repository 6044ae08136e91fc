/* Messages of a worker as structs; see describe.h. */
#include "describe.h"

#include <stdlib.h>
#include <string.h>

#include "strbuf.h"
#include "suggest.h"

static const char *
describe_text(struct prf_arena *arena, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? NULL : prf_arena_strdup(arena, text);
}

static const char *
describe_text_or(struct prf_arena *arena, const json_t *object, const char *key,
                 const char *other)
{
    const char *text = describe_text(arena, object, key);
    return text == NULL ? other : text;
}

/* An array of strings, ended by NULL. */
static const char **
describe_words(struct prf_arena *arena, const json_t *array)
{
    size_t n = json_array_size(array), k = 0;
    const char **words = prf_arena_alloc(arena, (n + 1) * sizeof *words);
    for (size_t i = 0; words != NULL && i < n; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text != NULL) {
            words[k++] = prf_arena_strdup(arena, text);
        }
    }
    return words;
}

/* The strings of an array as "a|b|c", NULL when there are none. */
static const char *
describe_joined(struct prf_arena *arena, const json_t *array)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        prf_strbuf_addf(&sb, "%s%s", i > 0 ? "|" : "", text == NULL ? "" : text);
    }
    const char *joined =
        sb.len == 0 ? NULL : prf_arena_strdup(arena, prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
    return joined;
}

static int
describe_type(const char *name)
{
    static const struct {
        const char *name;
        enum prf_opt_type type;
    } types[] = {
        {"flag", PRF_OPT_FLAG},     {"int", PRF_OPT_INT},
        {"uint", PRF_OPT_UINT},     {"double", PRF_OPT_DOUBLE},
        {"string", PRF_OPT_STRING}, {"choice", PRF_OPT_CHOICE},
        {"list", PRF_OPT_LIST},     {"duration", PRF_OPT_DURATION},
        {"size", PRF_OPT_SIZE},     {"count", PRF_OPT_COUNT},
    };
    for (size_t i = 0; name != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, name) == 0) {
            return (int)types[i].type;
        }
    }
    return -1;
}

static int
describe_option(struct prf_arena *arena, const json_t *object, struct prf_option *out,
                struct prf_error *err)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    const char *short_name = json_string_value(json_object_get(object, "short"));
    int kind = describe_type(type);
    const char *name = describe_text(arena, object, "name");
    if (kind < 0 || name == NULL) {
        return prf_fail(err, PRF_EPROTOCOL,
                        "the worker described an option of type '%s'",
                        type == NULL ? "" : type);
    }
    unsigned flags =
        json_is_true(json_object_get(object, "hidden")) ? PRF_OPT_HIDDEN : 0u;
    if (json_is_true(json_object_get(object, "optional"))) {
        flags |= PRF_OPT_OPTIONAL;
    }
    if (json_is_true(json_object_get(object, "output"))) {
        flags |= PRF_OPT_OUTPUT;
    }
    *out = (struct prf_option){
        .type = (enum prf_opt_type)kind,
        .short_name = short_name == NULL ? '\0' : short_name[0],
        .name = name,
        .aliases = describe_joined(arena, json_object_get(object, "aliases")),
        .def = describe_text(arena, object, "default"),
        .min = json_number_value(json_object_get(object, "min")),
        .max = json_number_value(json_object_get(object, "max")),
        .unit = describe_text(arena, object, "unit"),
        .choices = describe_joined(arena, json_object_get(object, "choices")),
        .implied = describe_text(arena, object, "implied"),
        .help = describe_text_or(arena, object, "help", ""),
        .flags = flags,
    };
    return 0;
}

static int
describe_options(struct prf_arena *arena, const json_t *array, struct prf_option **out,
                 struct prf_error *err)
{
    size_t n = json_array_size(array);
    struct prf_option *table = prf_arena_alloc(arena, (n + 1) * sizeof *table);
    if (table == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        int rc = describe_option(arena, json_array_get(array, i), &table[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    *out = table; /* the arena's zeros are PRF_OPT_END */
    return 0;
}

static bool
describe_has(const json_t *array, const char *word)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text != NULL && strcmp(text, word) == 0) {
            return true;
        }
    }
    return false;
}

static void
describe_metrics(struct prf_arena *arena, const json_t *array, struct prf_profiler *out)
{
    size_t n = json_array_size(array);
    out->metrics = prf_arena_alloc(arena, (n + 1) * sizeof *out->metrics);
    for (size_t i = 0; out->metrics != NULL && i < n; i++) {
        const json_t *object = json_array_get(array, i);
        out->metrics[out->n_metrics++] = (struct prf_profiler_metric){
            .name = describe_text_or(arena, object, "name", ""),
            .unit = describe_text_or(arena, object, "unit", ""),
            .scope = describe_text_or(arena, object, "scope", ""),
            .better = describe_text_or(arena, object, "better", ""),
            .help = describe_text_or(arena, object, "help", ""),
        };
    }
}

static int
describe_profiler(struct prf_arena *arena, const json_t *object,
                  struct prf_profiler *out, struct prf_error *err)
{
    out->name = describe_text(arena, object, "name");
    if (out->name == NULL) {
        return prf_fail(err, PRF_EPROTOCOL,
                        "the worker described a profiler without name");
    }
    out->aliases = describe_words(arena, json_object_get(object, "aliases"));
    out->summary = describe_text_or(arena, object, "summary", "");
    out->why = describe_text(arena, object, "why");
    out->available = !json_is_false(json_object_get(object, "available"));
    out->registered = json_is_true(json_object_get(object, "registered"));
    out->exclusive = describe_has(json_object_get(object, "caps"), "exclusive");
    out->valgrind = describe_has(json_object_get(object, "caps"), "valgrind");
    if (out->aliases == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    describe_metrics(arena, json_object_get(object, "metrics"), out);
    return describe_options(arena, json_object_get(object, "options"), &out->options,
                            err);
}

int
prf_profilers_add(struct prf_profilers *profilers, const json_t *backends,
                  struct prf_error *err)
{
    struct prf_arena *arena = &profilers->arena;
    size_t more = json_array_size(backends);
    struct prf_profiler **items =
        prf_arena_alloc(arena, (profilers->n + more + 1) * sizeof *items);
    if (items == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (profilers->n > 0) {
        memcpy(items, profilers->items, profilers->n * sizeof *items);
    }
    profilers->items = items;
    for (size_t i = 0; i < more; i++) {
        struct prf_profiler *p = prf_arena_alloc(arena, sizeof *p);
        int rc = p == NULL
                     ? prf_fail(err, PRF_ENOMEM, "out of memory")
                     : describe_profiler(arena, json_array_get(backends, i), p, err);
        if (rc < 0) {
            return rc;
        }
        size_t at = 0;
        while (at < profilers->n && strcmp(items[at]->name, p->name) != 0) {
            at++;
        }
        items[at] = p;
        profilers->n += at == profilers->n;
    }
    return 0;
}

void
prf_profilers_release(struct prf_profilers *profilers)
{
    struct prf_arena arena = profilers->arena;
    prf_arena_release(&arena);
    *profilers = (struct prf_profilers){0};
}

bool
prf_name_same(const char *a, const char *b)
{
    for (; *a != '\0' || *b != '\0'; a++, b++) {
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b)) {
            return false;
        }
    }
    return true;
}

const struct prf_profiler *
prf_profilers_find(const struct prf_profilers *profilers, const char *name)
{
    for (size_t i = 0; i < profilers->n; i++) {
        const struct prf_profiler *p = profilers->items[i];
        if (prf_name_same(p->name, name)) {
            return p;
        }
        for (const char **alias = p->aliases; *alias != NULL; alias++) {
            if (prf_name_same(*alias, name)) {
                return p;
            }
        }
    }
    return NULL;
}

const char *
prf_profilers_suggest(const struct prf_profilers *profilers, const char *name)
{
    const char *names[128];
    size_t n = 0;
    for (size_t i = 0; i < profilers->n; i++) {
        const struct prf_profiler *p = profilers->items[i];
        if (n < 128) {
            names[n++] = p->name;
        }
        for (const char **alias = p->aliases; *alias != NULL && n < 128; alias++) {
            names[n++] = *alias;
        }
    }
    return prf_suggest(name, names, n);
}

/* An object as text, NULL for anything else. */
static const char *
describe_json(struct prf_arena *arena, const json_t *object)
{
    char *dumped = json_is_object(object) ? json_dumps(object, JSON_COMPACT) : NULL;
    const char *text = dumped == NULL ? NULL : prf_arena_strdup(arena, dumped);
    free(dumped);
    return text;
}

static int
describe_case(struct prf_arena *arena, const json_t *object, struct prf_case *out,
              struct prf_error *err)
{
    const json_t *accept = json_object_get(object, "accept");
    *out = (struct prf_case){
        .id = describe_text(arena, object, "id"),
        .class_name = describe_text(arena, object, "class"),
        .method = describe_text(arena, object, "method"),
        .params = describe_text(arena, object, "params"),
        .file = describe_text_or(arena, object, "file", ""),
        .line = (int)json_integer_value(json_object_get(object, "line")),
        .hash = describe_text(arena, object, "hash"),
        .doc = describe_text(arena, object, "doc"),
        .skip = describe_text(arena, object, "skip"),
        .accept = json_is_array(accept) ? describe_words(arena, accept) : NULL,
        .reject = describe_words(arena, json_object_get(object, "reject")),
        .budget = describe_json(arena, json_object_get(object, "budget")),
        .async = json_is_true(json_object_get(object, "async")),
    };
    if (out->id == NULL || out->class_name == NULL || out->method == NULL) {
        return prf_fail(err, PRF_EPROTOCOL, "the worker described a case without id");
    }
    return out->reject == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

int
prf_case_file_parse(const json_t *message, struct prf_case_file *out,
                    struct prf_error *err)
{
    const json_t *cases = json_object_get(message, "cases");
    struct prf_arena *arena = &out->arena;
    *out = (struct prf_case_file){0};
    out->cases =
        prf_arena_alloc(arena, (json_array_size(cases) + 1) * sizeof *out->cases);
    out->warnings = describe_words(arena, json_object_get(message, "warnings"));
    out->file = describe_text_or(arena, message, "file", "");
    out->module = describe_text(arena, message, "module");
    out->n_threads = (int)json_integer_value(json_object_get(message, "threads"));
    int rc = 0;
    if (out->cases == NULL || out->warnings == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(cases); i++) {
        rc = describe_case(arena, json_array_get(cases, i), &out->cases[i], err);
        out->n += rc == 0;
    }
    if (rc < 0) {
        prf_case_file_release(out);
    }
    return rc;
}

void
prf_case_file_release(struct prf_case_file *file)
{
    struct prf_arena arena = file->arena;
    prf_arena_release(&arena);
    *file = (struct prf_case_file){0};
}
