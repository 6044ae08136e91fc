/* See init_project.h. */
#include "init_project.h"

#include <stdlib.h>
#include <string.h>

#include "init_templates.h"
#include "path.h"
#include "python.h"
#include "strbuf.h"
#include "vcs.h"

static bool
project_has(const char *folder, const char *name)
{
    char *path = prf_path_join(folder, name);
    bool found = path != NULL && prf_path_exists(path);
    free(path);
    return found;
}

/* The nearest folder at or above with one of these files, else the folder itself. */
static char *
project_root(const char *folder)
{
    static const char *const marks[] = {"pyproject.toml", "setup.cfg", "setup.py",
                                        ".git"};
    char *start = prf_path_absolute(folder);
    char *at = start == NULL ? NULL : strdup(start);
    while (at != NULL) {
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
            if (project_has(at, marks[i])) {
                free(start);
                return at;
            }
        }
        char *up = prf_path_dirname(at);
        bool top = up == NULL || strcmp(up, at) == 0;
        free(at);
        at = top ? NULL : up;
        if (top) {
            free(up);
        }
    }
    return start;
}

static int
project_ask(struct prf_init_project *p, const char *python, struct prf_error *err)
{
    struct prf_strbuf answer = PRF_STRBUF_INIT;
    struct prf_python_choice choice = {
        .asked = python, .source = "--python", .near = p->root, .root = p->root};
    char *chosen = NULL;
    const char *source = NULL;
    int rc = prf_python_choose(&choice, &chosen, &source, err);
    if (rc == 0) {
        rc = prf_python_run(chosen, prf_init_look, p->root, &answer, err);
    }
    if (rc == 0) {
        p->found = json_loads(prf_strbuf_text(&answer), 0, NULL);
        if (p->found == NULL) {
            rc = prf_fail(err, PRF_EUNAVAILABLE,
                          "'%s' cannot look at the project: %.200s", chosen,
                          prf_strbuf_text(&answer));
        }
    }
    prf_strbuf_release(&answer);
    free(chosen);
    return rc;
}

static void
project_take(struct prf_init_project *p)
{
    json_t *example = json_object_get(p->found, "example");
    p->package = json_string_value(json_object_get(p->found, "package"));
    p->toml_error = json_string_value(json_object_get(p->found, "error"));
    p->has_table = json_is_true(json_object_get(p->found, "table"));
    p->in_src = json_is_true(json_object_get(p->found, "src"));
    p->compiled = json_is_true(json_object_get(p->found, "compiled"));
    p->module = json_string_value(json_object_get(example, "module"));
    p->function = json_string_value(json_object_get(example, "function"));
    p->arguments = json_object_get(example, "arguments");
}

static int
project_look_for_repository(struct prf_init_project *p, struct prf_error *err)
{
    struct prf_arena arena = {0};
    struct prf_commit commit;
    int rc = prf_vcs_describe(p->root, &arena, &commit, err);
    p->in_repository = rc == 0 && commit.root != NULL;
    prf_arena_release(&arena);
    return rc;
}

int
prf_init_project_find(const char *folder, const char *python,
                      struct prf_init_project *out, struct prf_error *err)
{
    *out = (struct prf_init_project){0};
    if (!prf_path_is_dir(folder)) {
        return prf_fail(err, PRF_ENOTFOUND, "'%s' is no folder", folder);
    }
    out->root = project_root(folder);
    if (out->root == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    int rc = project_ask(out, python, err);
    if (rc < 0) {
        return rc;
    }
    project_take(out);
    if (out->package == NULL) {
        return prf_fail(err, PRF_ENOTFOUND,
                        "no Python package or module in '%s' or its src folder",
                        out->root);
    }
    return project_look_for_repository(out, err);
}

void
prf_init_project_release(struct prf_init_project *project)
{
    json_decref(project->found);
    free(project->root);
    *project = (struct prf_init_project){0};
}
