/* pyprofiler init: a project gets its first case, and make profile. What is there is
   never changed, only added to. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "config.h"
#include "init_project.h"
#include "init_templates.h"
#include "init_write.h"
#include "path.h"
#include "say.h"
#include "strbuf.h"

#define FRAGMENT "profiling/pyprofiler.mk"
#define INCLUDE "-include " FRAGMENT "\n"
#define WORKFLOW ".github/workflows/profile.yml"

struct init_options {
    bool github, force, dry_run;
    char *python;
    struct prf_general_options general;
};

#define AT(field) offsetof(struct init_options, field)

static const struct prf_option init_table[] = {
    {PRF_OPT_FLAG, 0, "github", NULL, AT(github),
     .help = "a workflow too, that compares each pull request with its base"},
    {PRF_OPT_FLAG, 'f', "force", NULL, AT(force),
     .help = "write our own files again; others are never overwritten"},
    {PRF_OPT_FLAG, 'n', "dry-run", NULL, AT(dry_run),
     .help = "say what would be done, and do nothing"},
    PRF_OPTIONS_END,
};

static const struct prf_option init_python[] = {
    {PRF_OPT_STRING, 0, "python", NULL, AT(python), .unit = "PYTHON",
     .help = "reads the project; as for run"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group init_groups[] = {
    {"what to write", init_table, 0},
    {"interpreter", init_python, 0},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

struct init {
    struct prf_init_project project;
    struct prf_init_writer writer;
    struct prf_error *err;
};

static int
init_out_of_memory(const struct init *in)
{
    return prf_fail(in->err, PRF_ENOMEM, "out of memory");
}

/* --- the case -------------------------------------------------------------------- */

struct init_word {
    const char *name, *value; /* "{PACKAGE}" */
};

/* The template with its words replaced; ends with an empty word. */
static void
init_fill(struct prf_strbuf *out, const char *template, const struct init_word *words)
{
    while (*template != '\0') {
        const struct init_word *w = words;
        while (w->name != NULL && strncmp(template, w->name, strlen(w->name)) != 0) {
            w++;
        }
        if (w->name == NULL) {
            prf_strbuf_addc(out, *template ++);
        } else {
            prf_strbuf_adds(out, w->value);
            template += strlen(w->name);
        }
    }
}

/* A case in a comment: a call of what was found in the package. */
static void
init_example(const struct prf_init_project *p, struct prf_strbuf *out)
{
    size_t i;
    json_t *name;
    if (p->function == NULL) {
        prf_strbuf_adds(out, "#     def profile_something(self):\n"
                             "#         self.module  # and call something of it\n");
        return;
    }
    prf_strbuf_addf(out, "#     def profile_%s(self):\n#         self.module.%s(",
                    p->function, p->function);
    json_array_foreach(p->arguments, i, name)
    {
        prf_strbuf_addf(out, "%s%s", i > 0 ? ", " : "", json_string_value(name));
    }
    prf_strbuf_adds(out, i > 0 ? ")  # with values for these\n" : ")\n");
}

static int
init_case(const struct init *in)
{
    const struct prf_init_project *p = &in->project;
    struct prf_strbuf path = PRF_STRBUF_INIT;
    struct prf_strbuf example = PRF_STRBUF_INIT;
    struct prf_strbuf text = PRF_STRBUF_INIT;
    struct prf_strbuf name = PRF_STRBUF_INIT;
    const struct init_word src[] = {{"{SRC}", p->in_src ? " / \"src\"" : ""}, {0}};
    if (!p->compiled) { /* else only an installed one can be imported */
        init_fill(&path, prf_init_case_path, src);
    }
    init_example(p, &example);
    const struct init_word words[] = {
        {"{PACKAGE}", p->package},
        {"{MODULE}", p->module == NULL ? p->package : p->module},
        {"{PATH}", prf_strbuf_text(&path)},
        {"{EXAMPLE}", prf_strbuf_text(&example)},
        {0},
    };
    init_fill(&text, prf_init_case, words);
    prf_strbuf_addf(&name, "profiling/profile_%s.py", p->package);
    int rc = path.failed || example.failed || text.failed || name.failed
                 ? init_out_of_memory(in)
                 : prf_init_write_file(&in->writer, name.data, text.data, in->err);
    prf_strbuf_release(&path);
    prf_strbuf_release(&example);
    prf_strbuf_release(&text);
    prf_strbuf_release(&name);
    return rc;
}

/* --- the Makefile ---------------------------------------------------------------- */

/* The one that make reads. */
static const char *
init_makefile(const char *root)
{
    static const char *const names[] = {"GNUmakefile", "makefile", "Makefile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = prf_path_join(root, names[i]);
        bool there = path != NULL && prf_path_exists(path);
        free(path);
        if (there) {
            return names[i];
        }
    }
    return "Makefile";
}

/* Does the line "a b: c" make `target`? "a := b" makes nothing. */
static bool
init_line_makes(const char *line, size_t len, const char *target)
{
    const char *colon = memchr(line, ':', len);
    if (len == 0 || *line == '\t' || *line == '#' || colon == NULL ||
        colon[strspn(colon, ":")] == '=' ||
        memchr(line, '=', (size_t)(colon - line)) != NULL) {
        return false;
    }
    size_t wanted = strlen(target);
    for (const char *at = line; at < colon;) {
        size_t word = strcspn(at, " \t:");
        if (word == wanted && strncmp(at, target, word) == 0) {
            return true;
        }
        at += word + 1;
    }
    return false;
}

static bool
init_makes(const char *makefile, const char *target)
{
    size_t len;
    for (; *makefile != '\0'; makefile += len + (makefile[len] == '\n')) {
        len = strcspn(makefile, "\n");
        if (init_line_makes(makefile, len, target)) {
            return true;
        }
    }
    return false;
}

/* A line of its own: a comment may speak of the file too. */
static bool
init_includes(const char *makefile)
{
    size_t len;
    for (; *makefile != '\0'; makefile += len + (makefile[len] == '\n')) {
        len = strcspn(makefile, "\n");
        const char *found = memmem(makefile, len, FRAGMENT, strlen(FRAGMENT));
        if (found != NULL && *makefile != '#' && *makefile != '\t' &&
            memmem(makefile, (size_t)(found - makefile), "include", 7) != NULL) {
            return true;
        }
    }
    return false;
}

static int
init_fragment(const struct init *in, const char *name, const char *makefile)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    prf_strbuf_adds(&text, prf_init_make_head);
    for (const struct prf_init_target *t = prf_init_targets; t->name != NULL; t++) {
        if (init_makes(makefile, t->name)) {
            prf_init_say(&in->writer, "left out: %s has a target '%s' of its own", name,
                         t->name);
        } else {
            prf_strbuf_adds(&text, t->text);
        }
    }
    int rc = text.failed
                 ? init_out_of_memory(in)
                 : prf_init_write_file(&in->writer, FRAGMENT, text.data, in->err);
    prf_strbuf_release(&text);
    return rc;
}

static int
init_make(const struct init *in)
{
    const char *name = init_makefile(in->project.root);
    char *path = prf_path_join(in->project.root, name);
    char *text = NULL;
    int rc =
        path == NULL ? init_out_of_memory(in) : prf_file_read(path, &text, NULL, NULL);
    const char *makefile = text == NULL ? "" : text;
    if (rc < 0 && rc != PRF_ENOTFOUND) {
        rc = prf_fail(in->err, PRF_EIO, "cannot read '%s'", path);
    } else {
        rc = init_fragment(in, name, makefile);
    }
    if (rc == 0 && init_includes(makefile)) {
        prf_init_say(&in->writer, "there already: '%s' in %s", FRAGMENT, name);
    } else if (rc == 0) {
        rc = prf_init_append(&in->writer, name, INCLUDE, "'-include " FRAGMENT "'",
                             in->err);
    }
    free(text);
    free(path);
    return rc;
}

/* --- all of it ------------------------------------------------------------------- */

static int
init_configure(const struct init *in)
{
    if (in->project.has_table) {
        prf_init_say(&in->writer, "there already: [tool.pyprofiler] in pyproject.toml");
        return 0;
    }
    return prf_init_append(&in->writer, "pyproject.toml",
                           in->project.compiled ? prf_init_table_compiled
                                                : prf_init_table,
                           "[tool.pyprofiler]", in->err);
}

static int
init_go(struct init *in, bool github)
{
    int rc = 0;
    in->writer.root = in->project.root;
    if (in->project.toml_error != NULL) {
        return prf_fail(in->err, PRF_EUSAGE,
                        "cannot add [tool.pyprofiler] to '%s/pyproject.toml': %s",
                        in->project.root, in->project.toml_error);
    }
    if ((rc = init_case(in)) == 0 && (rc = init_configure(in)) == 0 &&
        (rc = init_make(in)) == 0 && github) {
        rc = prf_init_write_file(&in->writer, WORKFLOW, prf_init_workflow, in->err);
    }
    if (rc == 0 && !in->project.in_repository) {
        prf_init_say(&in->writer,
                     "'%s' is in no git repository: results will have no "
                     "commit, and nothing to compare with",
                     in->project.root);
    }
    if (rc == 0 && (in->writer.flags & PRF_INIT_DRY_RUN) == 0) {
        prf_init_say(&in->writer, "next: make profile");
    }
    return rc;
}

static unsigned
init_flags(const struct init_options *o)
{
    return (o->force ? PRF_INIT_FORCE : 0u) | (o->dry_run ? PRF_INIT_DRY_RUN : 0u) |
           (o->general.quiet > 0 ? PRF_INIT_QUIET : 0u);
}

static int
init_main(const struct prf_command *self, int argc, char **argv)
{
    struct init_options o = {0};
    struct prf_layers layers = {0};
    struct prf_error err = {0};
    struct init in = {.err = &err};
    const char *words[1] = {NULL};
    int rc = prf_groups_defaults(self->groups, &o, &err);
    if (rc == 0) {
        rc = prf_args_parse(argc, argv, self->groups, &layers, &o, words, 1, &err);
    }
    if (rc >= 0 && o.general.help) {
        prf_say_help(stdout, self, "pyprofiler init");
        rc = 0;
    } else if (rc >= 0) {
        static const struct prf_option_group only_python[] = {
            {"interpreter", init_python, 0}, {NULL}};
        in.writer.flags = init_flags(&o);
        rc = prf_config_environment(only_python, &layers, &o, &err);
        rc = rc < 0 ? rc
                    : prf_init_project_find(words[0] == NULL ? "." : words[0], o.python,
                                            &in.project, &err);
        rc = rc < 0 ? rc : init_go(&in, o.github);
    }
    prf_init_project_release(&in.project);
    prf_groups_release(self->groups, &o);
    return rc < 0 ? prf_say_error(&err) : PRF_EXIT_OK;
}

const struct prf_command prf_cmd_init = {
    .name = "init",
    .summary = "a first case, and make profile, for a project",
    .usage = "[OPTIONS] [FOLDER]",
    .about =
        "Writes profiling/ with a first case for the package of the project in FOLDER "
        "(the current folder), a table [tool.pyprofiler] in pyproject.toml, and the "
        "targets profile, profile-compare and profile-gate for its Makefile. Looks at "
        "the project without running any of it, and changes nothing that is there.",
    .groups = init_groups,
    .run = init_main,
};
