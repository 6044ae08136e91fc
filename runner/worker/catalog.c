/* Which profilers there are, for people and for the runner; see catalog.h. */
#include "catalog.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define OUT_OF_TREE_MAX 32

struct out_of_tree {
    const struct prf_backend *backend; /* NULL: could not be loaded */
    char path[256];
    char why[256];
};

static struct out_of_tree out_of_tree[OUT_OF_TREE_MAX];
static size_t n_out_of_tree;

static void
catalog_load_one(const char *path)
{
    if (n_out_of_tree == OUT_OF_TREE_MAX) {
        return;
    }
    struct out_of_tree *o = &out_of_tree[n_out_of_tree++];
    strncpy(o->path, path, sizeof o->path - 1);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct prf_backend *be = library ? dlsym(library, PRF_BACKEND_SYMBOL) : NULL;
    if (be == NULL) {
        strncpy(o->why, dlerror(), sizeof o->why - 1);
    } else if (be->abi != PRF_BACKEND_ABI) {
        strcpy(o->why,
               "it was built for another version of pyprofiler: build it again");
    } else {
        o->backend = be;
    }
}

/* Backends from outside call functions of this plugin (sink.h, error.h). The launcher,
   and Python when we are its extension module, have loaded it with its symbols hidden.
 */
static void
catalog_publish_ourselves(void)
{
    Dl_info ours;
    if (dladdr((const void *)prf_catalog_load, &ours) != 0) {
        dlopen(ours.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
    }
}

void
prf_catalog_load(void)
{
    static bool loaded; /* a worker's sessions ask again */
    const char *list = loaded ? NULL : getenv("PYPROFILER_PLUGINS");
    loaded = true;
    if (list != NULL) {
        catalog_publish_ourselves();
    }
    char *copy = list == NULL ? NULL : strdup(list), *rest = copy;
    for (char *path; n_out_of_tree < OUT_OF_TREE_MAX && rest != NULL &&
                     (path = strsep(&rest, ":")) != NULL;) {
        if (*path != '\0') {
            catalog_load_one(path);
        }
    }
    free(copy);
}

static bool
catalog_is_named(const struct prf_backend *be, const char *name)
{
    if (strcmp(be->name, name) == 0) {
        return true;
    }
    for (size_t i = 0; be->aliases != NULL && be->aliases[i] != NULL; i++) {
        if (strcmp(be->aliases[i], name) == 0) {
            return true;
        }
    }
    return false;
}

const struct prf_backend *
prf_catalog_find(const char *name)
{
    for (size_t i = 0; prf_backends[i] != NULL; i++) {
        if (catalog_is_named(prf_backends[i], name)) {
            return prf_backends[i];
        }
    }
    for (size_t i = 0; i < n_out_of_tree; i++) {
        const struct prf_backend *be = out_of_tree[i].backend;
        if (be != NULL && catalog_is_named(be, name)) {
            return be;
        }
    }
    return NULL;
}

static json_t *
catalog_text(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

/* "a|b|c" as an array. */
static json_t *
catalog_words(const char *list)
{
    json_t *words = json_array();
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, "|");
        json_array_append_new(words, json_stringn(list, len));
        list += len + (list[len] == '|');
    }
    return words;
}

static const char *
catalog_type_name(enum prf_opt_type type)
{
    static const char *const names[] = {
        [PRF_OPT_FLAG] = "flag",     [PRF_OPT_INT] = "int",
        [PRF_OPT_UINT] = "uint",     [PRF_OPT_DOUBLE] = "double",
        [PRF_OPT_STRING] = "string", [PRF_OPT_CHOICE] = "choice",
        [PRF_OPT_LIST] = "list",     [PRF_OPT_DURATION] = "duration",
        [PRF_OPT_SIZE] = "size",     [PRF_OPT_COUNT] = "count",
    };
    return names[type];
}

static json_t *
catalog_option(const struct prf_option *o)
{
    const char name[2] = {o->short_name, '\0'};
    json_t *j = json_object();
    json_object_set_new(j, "type", json_string(catalog_type_name(o->type)));
    json_object_set_new(j, "name", json_string(o->name));
    json_object_set_new(j, "short", o->short_name ? json_string(name) : json_null());
    json_object_set_new(j, "aliases", catalog_words(o->aliases));
    json_object_set_new(j, "default", catalog_text(o->def));
    json_object_set_new(j, "min", json_real(o->min));
    json_object_set_new(j, "max", json_real(o->max));
    json_object_set_new(j, "unit", catalog_text(o->unit));
    json_object_set_new(j, "choices", catalog_words(o->choices));
    json_object_set_new(j, "implied", catalog_text(o->implied));
    json_object_set_new(j, "help", catalog_text(o->help));
    json_object_set_new(j, "hidden", json_boolean(o->flags & PRF_OPT_HIDDEN));
    json_object_set_new(j, "optional", json_boolean(o->flags & PRF_OPT_OPTIONAL));
    json_object_set_new(j, "output", json_boolean(o->flags & PRF_OPT_OUTPUT));
    return j;
}

static json_t *
catalog_metric(const struct prf_metric *m)
{
    static const char *const scopes[] = {
        [PRF_SCOPE_RESULT] = "result", [PRF_SCOPE_NODE] = "node",
        [PRF_SCOPE_SITE] = "site",     [PRF_SCOPE_EDGE] = "edge",
        [PRF_SCOPE_SERIES] = "series",
    };
    static const char *const betters[] = {
        [PRF_BETTER_NONE] = "none",
        [PRF_BETTER_LESS] = "less",
        [PRF_BETTER_MORE] = "more",
    };
    static const char *const folds[] = {
        [PRF_FOLD_NONE] = "none",
        [PRF_FOLD_CALLS] = "calls",
        [PRF_FOLD_COST] = "cost",
    };
    return json_pack("{ss ss ss ss ss ss*}", "name", m->name, "unit", m->unit, "scope",
                     scopes[m->scope], "better", betters[m->better], "fold",
                     folds[m->fold], "help", m->help);
}

static json_t *
catalog_caps(uint32_t caps)
{
    static const struct {
        uint32_t cap;
        const char *name;
    } names[] = {
        {PRF_CAP_ROUNDS, "rounds"},
        {PRF_CAP_INTERPOSE, "interpose"},
        {PRF_CAP_EXCLUSIVE, "exclusive"},
        {PRF_CAP_VALGRIND, "valgrind"},
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (caps & names[i].cap) {
            json_array_append_new(list, json_string(names[i].name));
        }
    }
    return list;
}

static json_t *
catalog_backend(const struct prf_backend *be)
{
    struct prf_error why = {0};
    bool available = be->probe == NULL || be->probe(&why) == 0;
    json_t *aliases = json_array(), *metrics = json_array(), *options = json_array();
    for (size_t i = 0; be->aliases != NULL && be->aliases[i] != NULL; i++) {
        json_array_append_new(aliases, json_string(be->aliases[i]));
    }
    for (const struct prf_metric *m = be->metrics; m->name != NULL; m++) {
        json_array_append_new(metrics, catalog_metric(m));
    }
    for (const struct prf_option *o = be->options; o->type != PRF_OPT_END; o++) {
        json_array_append_new(options, catalog_option(o));
    }
    return json_pack("{ss so ss sb so so sb so so}", "name", be->name, "aliases",
                     aliases, "summary", be->summary, "available", available, "why",
                     catalog_text(available ? NULL : why.text), "caps",
                     catalog_caps(be->caps), "registered", 0, "metrics", metrics,
                     "options", options);
}

static json_t *
catalog_broken(const struct out_of_tree *o)
{
    const char *slash = strrchr(o->path, '/');
    return json_pack("{ss s[] ss sb ss s[] sb s[] s[]}", "name",
                     slash == NULL ? o->path : slash + 1, "aliases", "summary",
                     "a plugin that could not be loaded", "available", 0, "why", o->why,
                     "caps", "registered", 0, "metrics", "options");
}

json_t *
prf_catalog_describe(void)
{
    json_t *list = json_array();
    for (size_t i = 0; prf_backends[i] != NULL; i++) {
        json_array_append_new(list, catalog_backend(prf_backends[i]));
    }
    for (size_t i = 0; i < n_out_of_tree; i++) {
        const struct out_of_tree *o = &out_of_tree[i];
        json_array_append_new(list, o->backend ? catalog_backend(o->backend)
                                               : catalog_broken(o));
    }
    return list;
}
