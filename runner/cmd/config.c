/* Configuration; see config.h. */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "path.h"
#include "strbuf.h"

/* Starting an interpreter's toml parser is not free: only for a file with our table. */
static bool
config_mentions_us(const char *path)
{
    char *text = NULL;
    struct prf_error ignored = {0};
    bool found = prf_file_read(path, &text, NULL, &ignored) == 0 &&
                 strstr(text, "pyprofiler") != NULL && strstr(text, "tool") != NULL;
    free(text);
    return found;
}

char *
prf_config_find(const char *folder)
{
    char *at = strdup(folder);
    char *found = NULL;
    while (at != NULL && found == NULL) {
        char *path = prf_path_join(at, "pyproject.toml");
        bool here = path != NULL && prf_path_exists(path);
        bool last = here || strcmp(at, "/") == 0;
        if (here && config_mentions_us(path)) {
            found = path;
            path = NULL;
        }
        free(path);
        char *parent = last ? NULL : prf_path_dirname(at);
        free(at);
        at = parent;
    }
    free(at);
    return found;
}

const char *
prf_config_text(const json_t *value, char *buf, size_t size)
{
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    if (json_is_boolean(value)) {
        return json_is_true(value) ? "true" : "false";
    }
    if (json_is_integer(value)) {
        snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return buf;
    }
    if (json_is_real(value)) {
        snprintf(buf, size, "%.17g", json_real_value(value));
        return buf;
    }
    return NULL;
}

static int
config_set_one(const json_t *value, const struct prf_option_group *group,
               const struct prf_option *option, struct prf_layers *layers, void *target,
               struct prf_error *err)
{
    char buf[64];
    const char *text = prf_config_text(value, buf, sizeof buf);
    if (text == NULL) {
        return prf_fail(err, PRF_EUSAGE, "'%s' takes another kind of value",
                        option->name);
    }
    return prf_layers_set(layers, PRF_LAYER_FILE, group, option, text, target, err);
}

static int
config_set(const json_t *value, const struct prf_option_group *group,
           const struct prf_option *option, struct prf_layers *layers, void *target,
           struct prf_error *err)
{
    if (!json_is_array(value) || option->type != PRF_OPT_LIST) {
        return config_set_one(value, group, option, layers, target, err);
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
        rc = config_set_one(json_array_get(value, i), group, option, layers, target,
                            err);
    }
    return rc;
}

/* The same failure, said of the file. */
static int
config_fail_in(const char *where, const struct prf_error *why, struct prf_error *err)
{
    return prf_fail(err, why->code, "%s: %s", where, why->text);
}

static int
config_fail_unknown(const char *path, const char *key,
                    const struct prf_option_group *known, struct prf_error *err)
{
    const char *near = prf_groups_suggest(known, key);
    for (size_t i = 0; near == NULL && prf_commands[i] != NULL; i++) {
        const struct prf_option_group *groups = prf_commands[i]->groups;
        near = groups == NULL ? NULL : prf_groups_suggest(groups, key);
    }
    if (near != NULL) {
        return prf_fail(
            err, PRF_EUSAGE,
            "'%s': unknown key '%s' in [tool.pyprofiler], did you mean '%s'?", path,
            key, near);
    }
    return prf_fail(err, PRF_EUSAGE, "'%s': unknown key '%s' in [tool.pyprofiler]",
                    path, key);
}

/* Keys are the options of all commands, and the targets of those that measure. */
static bool
config_is_of_a_command(const char *key)
{
    const struct prf_option_group *group;
    bool found = strcmp(key, "targets") == 0;
    for (size_t i = 0; !found && prf_commands[i] != NULL; i++) {
        found = prf_commands[i]->groups != NULL &&
                prf_groups_find(prf_commands[i]->groups, key, &group) != NULL;
    }
    return found;
}

int
prf_config_apply(const json_t *table, const char *path,
                 const struct prf_option_group *known,
                 const struct prf_option_group *groups, struct prf_layers *layers,
                 void *target, struct prf_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value)
    {
        const struct prf_option_group *group = NULL;
        struct prf_error why = {0};
        if (json_is_object(value) || strcmp(key, "gate") == 0) {
            continue;
        }
        if (prf_groups_find(known, key, &group) == NULL &&
            !config_is_of_a_command(key)) {
            return config_fail_unknown(path, key, known, err);
        }
        const struct prf_option *option = prf_groups_find(groups, key, &group);
        if (option != NULL &&
            config_set(value, group, option, layers, target, &why) < 0) {
            return config_fail_in(path, &why, err);
        }
    }
    return 0;
}

int
prf_config_check_profilers(const json_t *table, const char *path,
                           const struct prf_profilers *profilers, struct prf_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value)
    {
        if (!json_is_object(value) || strcmp(key, "gate") == 0 ||
            prf_profilers_find(profilers, key) != NULL) {
            continue;
        }
        const char *near = prf_profilers_suggest(profilers, key);
        if (near != NULL) {
            return prf_fail(
                err, PRF_EUSAGE,
                "'%s': [tool.pyprofiler.%s] is no profiler, did you mean '%s'?", path,
                key, near);
        }
    }
    return 0;
}

static const char *
config_variable(const struct prf_option *option, char *name, size_t size)
{
    size_t n = (size_t)snprintf(name, size, "PYPROFILER_%s", option->name);
    for (size_t i = 0; i < n && i < size && name[i] != '\0'; i++) {
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    }
    return getenv(name);
}

int
prf_config_environment(const struct prf_option_group *groups, struct prf_layers *layers,
                       void *target, struct prf_error *err)
{
    for (const struct prf_option_group *g = groups; g->title != NULL; g++) {
        for (const struct prf_option *o = g->options; o->type != PRF_OPT_END; o++) {
            char name[96];
            struct prf_error why = {0};
            const char *text = config_variable(o, name, sizeof name);
            /* PYPROFILER_PLUGINS are shared objects, for the worker */
            if (text == NULL || *text == '\0' || strcmp(o->name, "plugins") == 0) {
                continue;
            }
            if (prf_layers_set(layers, PRF_LAYER_ENVIRONMENT, g, o, text, target,
                               &why) < 0) {
                return config_fail_in(name, &why, err);
            }
        }
    }
    return 0;
}
