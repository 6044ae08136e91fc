/* pyprofiler import: what a program measured of itself, into the store. The package
   writes a manifest beside the recordings of a session and runs this, so that a process
   that is measured needs neither git nor SQLite. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <pyprofiler/version.h>

#include "command.h"
#include "hosting.h"
#include "machine.h"
#include "measured.h"
#include "path.h"
#include "process.h"
#include "say.h"
#include "select_stored.h"
#include "vcs.h"

#define MANIFEST_SCHEMA "pyprofiler/session/1"

struct import_options {
    char *store;
    struct prf_general_options general;
};

#define AT(field) offsetof(struct import_options, field)

static const struct prf_option import_store[] = {
    {PRF_OPT_STRING, 0, "store", NULL, AT(store), .unit = "FILE",
     .help =
         "where results are kept [.pyprofiler/results.db at the repository's root]"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group import_groups[] = {
    {"store", import_store, 0},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

/* A manifest on its way into the store. */
struct import {
    const char *path; /* of the manifest, or "-" */
    json_t *manifest;
    char *root; /* of the repository, or the folder of the manifest */
    struct prf_run run;
    struct prf_store *store;
    json_t *kept; /* what is printed */
};

/* --- the manifest ---------------------------------------------------------------- */

static int
import_bad(const struct import *im, const char *what, struct prf_error *err)
{
    return prf_fail(err, PRF_EUSAGE, "'%s' is no manifest of a session: %s", im->path,
                    what);
}

static int
import_check_result(const struct import *im, const json_t *result,
                    struct prf_error *err)
{
    const char *recording = json_string_value(json_object_get(result, "recording"));
    const json_t *options = json_object_get(result, "options");
    if (json_string_value(json_object_get(result, "profiler")) == NULL ||
        recording == NULL || (options != NULL && !json_is_object(options))) {
        return import_bad(
            im, "a result needs 'profiler', 'recording' and an object 'options'", err);
    }
    return access(recording, R_OK) == 0
               ? 0
               : prf_fail(err, PRF_ENOTFOUND, "cannot read the recording '%s': %s",
                          recording, strerror(errno));
}

/* All is looked at before anything is stored. */
static int
import_check(const struct import *im, struct prf_error *err)
{
    const char *schema = json_string_value(json_object_get(im->manifest, "schema"));
    const char *status = json_string_value(json_object_get(im->manifest, "status"));
    const json_t *results = json_object_get(im->manifest, "results");
    if (schema == NULL || strcmp(schema, MANIFEST_SCHEMA) != 0) {
        return import_bad(im, "its 'schema' is not '" MANIFEST_SCHEMA "'", err);
    }
    if (json_string_value(json_object_get(im->manifest, "case")) == NULL) {
        return import_bad(im, "it has no 'case'", err);
    }
    if (status == NULL || prf_status_parse(status) < 0) {
        return import_bad(im, "its 'status' is not ok, failed, crashed, ...", err);
    }
    if (!json_is_array(results) || json_array_size(results) == 0) {
        return import_bad(im, "it has no 'results'", err);
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(results); i++) {
        rc = import_check_result(im, json_array_get(results, i), err);
    }
    return rc;
}

static int
import_load(struct import *im, struct prf_error *err)
{
    json_error_t why;
    bool standard_input = strcmp(im->path, "-") == 0;
    if (!standard_input && access(im->path, R_OK) != 0) {
        return prf_fail(err, PRF_ENOTFOUND, "cannot read '%s': %s", im->path,
                        strerror(errno));
    }
    im->manifest =
        standard_input ? json_loadf(stdin, 0, &why) : json_load_file(im->path, 0, &why);
    if (im->manifest == NULL) {
        return import_bad(im, why.text, err);
    }
    return import_check(im, err);
}

/* --- the run --------------------------------------------------------------------- */

/* A text of the manifest, in the run's arena; NULL: it has none. */
static const char *
import_text(struct prf_arena *arena, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? NULL : prf_arena_strdup(arena, text);
}

static int64_t
import_number(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

static int
import_describe(struct import *im, struct prf_error *err)
{
    struct prf_run *run = &im->run;
    struct prf_arena *arena = &run->arena;
    const json_t *python = json_object_get(im->manifest, "python");
    run->started_ns = import_number(im->manifest, "started_ns", prf_wall_ns());
    run->duration_ns = import_number(im->manifest, "duration_ns", 0);
    run->id = prf_run_new_id(arena, run->started_ns);
    run->tool_version = PRF_VERSION;
    run->command = import_text(arena, im->manifest, "command");
    run->python = (struct prf_python){
        .version = import_text(arena, python, "version"),
        .executable = import_text(arena, python, "executable"),
        .implementation = import_text(arena, python, "implementation"),
        .host = import_text(arena, python, "host"),
        .flags = import_text(arena, python, "flags"),
    };
    int rc = run->id == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                             : prf_machine_describe(arena, &run->machine, err);
    return rc < 0 ? rc : prf_vcs_describe(im->root, arena, &run->commit, err);
}

/* The node id with its path relative to the root, as all have it. */
static const char *
import_case_id(const struct import *im, struct prf_result *result)
{
    const char *id = json_string_value(json_object_get(im->manifest, "case"));
    const char *rest = strstr(id, "::");
    rest = rest == NULL ? id + strlen(id) : rest;
    char *path = strndup(id, (size_t)(rest - id));
    char *relative =
        path == NULL || path[0] != '/' ? NULL : prf_path_relative(path, im->root);
    const char *text =
        prf_result_text(result, "%s%s", relative == NULL ? path : relative, rest);
    free(relative);
    free(path);
    return text;
}

static void
import_fill(const struct import *im, const json_t *from, struct prf_result *r)
{
    struct prf_arena *arena = &r->arena;
    const json_t *options = json_object_get(from, "options");
    char *text =
        options == NULL ? NULL : json_dumps(options, JSON_COMPACT | JSON_SORT_KEYS);
    r->id = prf_result_new_id(arena);
    r->run_id = im->run.id;
    r->case_id = import_case_id(im, r);
    r->case_file = import_text(arena, im->manifest, "file");
    r->case_hash = import_text(arena, im->manifest, "hash");
    r->case_line = (int)import_number(im->manifest, "line", 0);
    r->profiler = import_text(arena, from, "profiler");
    r->options = prf_result_text(r, "%s", text == NULL ? "{}" : text);
    r->status = (enum prf_status)prf_status_parse(
        json_string_value(json_object_get(im->manifest, "status")));
    r->reason = import_text(arena, im->manifest, "reason");
    r->traceback = import_text(arena, im->manifest, "traceback");
    r->started_ns = im->run.started_ns;
    r->duration_ns = im->run.duration_ns;
    free(text);
}

static int
import_result(struct import *im, const json_t *from, struct prf_error *err)
{
    struct prf_measured m = {0};
    prf_measured_read(&m, json_string_value(json_object_get(from, "recording")));
    import_fill(im, from, &m.result);
    int rc = m.result.id == NULL || m.result.case_id == NULL
                 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                 : prf_store_add_result(im->store, &m.result, err);
    if (rc == 0) {
        json_array_append_new(
            json_object_get(im->kept, "results"),
            json_pack("{ss ss}", "profiler", m.result.profiler, "id", m.result.id));
    }
    prf_measured_release(&m);
    return rc;
}

static int
import_open_store(struct import *im, const char *asked, struct prf_error *err)
{
    char *path = prf_stored_path(asked, im->root);
    int rc = path == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                          : prf_store_open(path, PRF_STORE_WRITE, &im->store, err);
    im->kept = json_pack("{ss ss? s[]}", "run", im->run.id, "store", path, "results");
    free(path);
    return rc;
}

static int
import_keep(struct import *im, const char *store, struct prf_error *err)
{
    const json_t *results = json_object_get(im->manifest, "results");
    int rc = import_describe(im, err);
    rc = rc < 0 ? rc : import_open_store(im, store, err);
    rc = rc < 0 ? rc : prf_store_add_run(im->store, &im->run, err);
    for (size_t i = 0; rc == 0 && i < json_array_size(results); i++) {
        rc = import_result(im, json_array_get(results, i), err);
    }
    return rc < 0
               ? rc
               : prf_store_finish_run(im->store, im->run.id, im->run.duration_ns, err);
}

/* --- the command ----------------------------------------------------------------- */

/* Configuration and repository are those of the folder that the manifest names. */
static int
import_go_there(struct import *im, struct prf_error *err)
{
    const char *folder = json_string_value(json_object_get(im->manifest, "root"));
    if (folder != NULL && chdir(folder) < 0) {
        return prf_fail(err, PRF_ENOTFOUND, "cannot enter 'root' of '%s', '%s': %s",
                        im->path, folder, strerror(errno));
    }
    im->root = prf_hosting_root(".");
    return im->root == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}

/* A path of the command line is relative to where the command was given. */
static int
import_fix_store(struct import_options *o, struct prf_error *err)
{
    char *absolute = o->store == NULL ? NULL : prf_path_absolute(o->store);
    if (o->store != NULL && absolute == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    free(o->store);
    o->store = absolute;
    return 0;
}

static int
import_main(const struct prf_command *self, int argc, char **argv)
{
    struct import_options o = {0};
    struct prf_layers layers = {0};
    struct prf_error err = {0};
    struct import im = {0};
    const char *words[1] = {NULL};
    int rc = prf_groups_defaults(self->groups, &o, &err);
    if (rc == 0) {
        rc = prf_args_parse(argc, argv, self->groups, &layers, &o, words, 1, &err);
    }
    if (rc >= 0 && o.general.help) {
        prf_say_help(stdout, self, "pyprofiler import");
        prf_groups_release(self->groups, &o);
        return PRF_EXIT_OK;
    }
    im.path = words[0];
    if (rc >= 0 && im.path == NULL) {
        rc = prf_fail(&err, PRF_EUSAGE, "give a manifest, or '-'; see --help");
    }
    rc = rc < 0 ? rc : import_load(&im, &err);
    rc = rc < 0 ? rc : import_fix_store(&o, &err);
    rc = rc < 0 ? rc : import_go_there(&im, &err);
    rc = rc < 0 ? rc : prf_hosting_configure_store(self->groups, &layers, &o, &err);
    rc = rc < 0 ? rc : import_keep(&im, o.store, &err);
    if (rc == 0) {
        json_dumpf(im.kept, stdout, JSON_COMPACT);
        putchar('\n');
    }
    prf_store_close(im.store);
    prf_run_release(&im.run);
    json_decref(im.kept);
    json_decref(im.manifest);
    free(im.root);
    prf_groups_release(self->groups, &o);
    return rc < 0 ? prf_say_error(&err) : PRF_EXIT_OK;
}

const struct prf_command prf_cmd_import = {
    .name = "import",
    .summary = "take in what a program measured of itself",
    .usage = "[OPTIONS] MANIFEST",
    .about =
        "Stores the recordings of a session that the package made (with "
        "pyprofiler.profile()) as one run, with the commit and the machine of now. The "
        "package calls it at the end of a session; by hand it takes in what a session "
        "left behind that could not.",
    .groups = import_groups,
    .run = import_main,
};
