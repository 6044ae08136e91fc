/* What is set up before cases can be looked at; see hosting.h. */
#include "hosting.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "path.h"
#include "targets.h"

const struct prf_option prf_hosting_table[] = {
    {PRF_OPT_STRING, 0, "python", NULL, offsetof(struct prf_hosting_options, python),
     .unit = "PYTHON",
     .help = "interpreter of the cases: a path, a name on PATH, a version, a venv"},
    {PRF_OPT_CHOICE, 0, "host", NULL, offsetof(struct prf_hosting_options, host),
     .choices = "embed|python",
     .help =
         "where cases run: in the embedded library, or in the user's own executable"},
    {PRF_OPT_LIST, 0, "plugins", "plugin",
     offsetof(struct prf_hosting_options, plugins), .unit = "MODULES",
     .help = "modules to import first: they may register profilers"},
    {PRF_OPT_STRING, 0, "hash-seed", NULL,
     offsetof(struct prf_hosting_options, hash_seed), .unit = "N",
     .help = "PYTHONHASHSEED of the cases"},
    {PRF_OPT_DURATION, 0, "import-timeout", NULL,
     offsetof(struct prf_hosting_options, import_timeout_ns), .def = "120s",
     .help = "limit for importing a case file; 0: none"},
    PRF_OPTIONS_END,
};

char *
prf_hosting_root(const char *folder)
{
    char *at = prf_path_absolute(folder);
    while (at != NULL) {
        char *git = prf_path_join(at, ".git");
        bool here = git != NULL && prf_path_exists(git);
        free(git);
        if (here) {
            return at;
        }
        char *parent = strcmp(at, "/") == 0 ? NULL : prf_path_dirname(at);
        free(at);
        at = parent;
    }
    return prf_path_absolute(".");
}

/* A path in the file is relative to the file; a bare word is one when it exists there
   (".venv"), else a name for PATH. */
static char *
hosting_config_python(const struct prf_hosting *hosting)
{
    const char *text =
        json_string_value(json_object_get(hosting->python.config, "python"));
    if (text == NULL || text[0] == '/') {
        return text == NULL ? NULL : strdup(text);
    }
    char *folder = prf_path_dirname(hosting->pyproject);
    char *joined = folder == NULL ? NULL : prf_path_join(folder, text);
    free(folder);
    if (joined != NULL && strchr(text, '/') == NULL && !prf_path_exists(joined)) {
        free(joined);
        joined = strdup(text);
    }
    return joined;
}

static int
hosting_ask(struct prf_hosting *hosting, const struct prf_python_choice *choice,
            struct prf_error *err)
{
    free(hosting->chosen);
    hosting->chosen = NULL;
    prf_interpreter_release(&hosting->python);
    int rc = prf_python_choose(choice, &hosting->chosen, &hosting->source, err);
    return rc < 0 ? rc
                  : prf_python_ask(hosting->chosen, hosting->pyproject,
                                   &hosting->python, err);
}

/* The file may name another interpreter than the one that read it. */
static int
hosting_ask_configured(struct prf_hosting *hosting, struct prf_python_choice *choice,
                       struct prf_error *err)
{
    int rc = hosting_ask(hosting, choice, err);
    char *other =
        rc < 0 || choice->asked != NULL ? NULL : hosting_config_python(hosting);
    if (other != NULL) {
        choice->asked = other;
        choice->source = "[tool.pyprofiler] python";
        rc = hosting_ask(hosting, choice, err);
        choice->asked = NULL;
        free(other);
    }
    return rc;
}

int
prf_hosting_configure(struct prf_hosting *hosting,
                      const struct prf_hosting_request *request, struct prf_error *err)
{
    struct prf_python_choice choice = {0};
    bool own_first = false;
    char *own = prf_layout_python(&own_first);
    char *folder = prf_target_folder(request->near == NULL ? "." : request->near);
    int rc =
        prf_config_environment(request->groups, request->layers, request->target, err);
    if (folder == NULL) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (rc < 0) {
        goto out;
    }
    hosting->pyproject = prf_config_find(folder);
    hosting->root = prf_hosting_root(folder);
    choice = (struct prf_python_choice){.asked = request->options->python,
                                        .source = "--python",
                                        .near = folder,
                                        .root = hosting->root,
                                        .own = own,
                                        .own_first = own_first};
    rc = hosting_ask_configured(hosting, &choice, err);
    if (rc == 0 && hosting->python.config != NULL) {
        rc = prf_config_apply(hosting->python.config, hosting->pyproject,
                              prf_cmd_run.groups, request->groups, request->layers,
                              request->target, err);
    }
out:
    free(folder);
    free(own);
    return rc;
}

static bool
hosting_mentions(const char *path, const char *word)
{
    char *text = NULL;
    struct prf_error ignored = {0};
    bool found =
        prf_file_read(path, &text, NULL, &ignored) == 0 && strstr(text, word) != NULL;
    free(text);
    return found;
}

/* `word`: that the file must have to be worth asking an interpreter; NULL: none. */
static int
hosting_configure_word(const struct prf_hosting_request *request, const char *word,
                       json_t **table, char **path, struct prf_error *err)
{
    struct prf_hosting hosting = {0};
    char *folder = prf_path_absolute(".");
    char *pyproject = folder == NULL ? NULL : prf_config_find(folder);
    int rc =
        prf_config_environment(request->groups, request->layers, request->target, err);
    if (rc == 0 && pyproject != NULL &&
        (word == NULL || hosting_mentions(pyproject, word))) {
        rc = prf_hosting_configure(&hosting, request, err);
    }
    if (rc == 0 && table != NULL && hosting.python.config != NULL) {
        *table = json_incref(hosting.python.config);
        *path = hosting.pyproject;
        hosting.pyproject = NULL;
    }
    free(pyproject);
    free(folder);
    prf_hosting_release(&hosting);
    return rc;
}

int
prf_hosting_configure_table(const struct prf_option_group *groups,
                            struct prf_layers *layers, void *target, json_t **table,
                            char **path, struct prf_error *err)
{
    struct prf_hosting_options none = {0};
    struct prf_hosting_request request = {
        .groups = groups, .layers = layers, .target = target, .options = &none};
    return hosting_configure_word(&request, NULL, table, path, err);
}

int
prf_hosting_configure_store(const struct prf_option_group *groups,
                            struct prf_layers *layers, void *target,
                            struct prf_error *err)
{
    struct prf_hosting_options none = {0};
    struct prf_hosting_request request = {
        .groups = groups, .layers = layers, .target = target, .options = &none};
    return hosting_configure_word(&request, "store", NULL, NULL, err);
}

static int
hosting_choose_host(struct prf_hosting *hosting,
                    const struct prf_hosting_options *options, struct prf_error *err)
{
    const struct prf_interpreter *py = &hosting->python;
    bool asked_embed = options->host != NULL && strcmp(options->host, "embed") == 0;
    bool asked_python = options->host != NULL && !asked_embed;
    hosting->host =
        asked_python || py->libpython == NULL ? PRF_HOST_PYTHON : PRF_HOST_EMBED;
    if (!asked_embed || py->libpython != NULL) {
        return 0;
    }
    if (strstr(py->soname, ".so") == NULL) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "'%s' was built without a shared libpython, so it cannot be "
                        "embedded; use --host=python",
                        py->executable);
    }
    return prf_fail(
        err, PRF_EUNAVAILABLE,
        "'%s' of '%s' is not installed (Debian: apt install libpython3.%d); or "
        "use --host=python",
        py->soname, py->executable, py->minor);
}

int
prf_hosting_prepare(struct prf_hosting *hosting,
                    const struct prf_hosting_options *options, struct prf_error *err)
{
    const struct prf_interpreter *py = &hosting->python;
    int rc = prf_layout_find(&hosting->layout, err);
    if (rc < 0) {
        return rc;
    }
    hosting->plugin = prf_layout_plugin(&hosting->layout, py->minor);
    if (hosting->plugin == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    rc = prf_python_check(py, hosting->plugin, prf_layout_built(), err);
    if (rc == 0) {
        rc = hosting_choose_host(hosting, options, err);
    }
    if (rc == 0 && hosting->host == PRF_HOST_EMBED &&
        !prf_path_exists(hosting->layout.worker)) {
        rc = prf_fail(err, PRF_EUNAVAILABLE,
                      "the worker '%s' does not exist; is the installation whole?",
                      hosting->layout.worker);
    }
    if (rc == 0) {
        rc = prf_scratch_open(&hosting->scratch, err);
    }
    hosting->sv = (struct prf_supervision){
        .worker = {.host = hosting->host,
                   .launcher = hosting->layout.worker,
                   .libpython = py->libpython,
                   .python = py->executable,
                   .plugin = hosting->plugin},
        .executable = py->executable,
        .package_dir = hosting->layout.package_dir,
        .hash_seed = options->hash_seed,
        .scratch = &hosting->scratch,
        .import_timeout_ns = options->import_timeout_ns,
        .plugins = &options->plugins,
    };
    return rc;
}

void
prf_hosting_release(struct prf_hosting *hosting)
{
    prf_scratch_close(&hosting->scratch);
    prf_interpreter_release(&hosting->python);
    prf_layout_release(&hosting->layout);
    free(hosting->chosen);
    free(hosting->plugin);
    free(hosting->pyproject);
    free(hosting->root);
    *hosting = (struct prf_hosting){0};
}
