/* The command line over option tables; see args.h. getopt_long cannot do it: tables
   come at run time from the worker, and more than one is searched. */
#include "args.h"

#include <stdio.h>
#include <string.h>

#include "suggest.h"

#define ARGS_NAME_MAX 64

struct args_match {
    const struct prf_option *option;
    const struct prf_option_group *group;
    bool negated;
    bool shortened;
};

/* A name of one letter is found only where it is the whole name: "--n" is not "-n". */
static const struct prf_option *
args_named(const struct prf_option *options, const char *name)
{
    if (name[0] == '\0' || name[1] != '\0') {
        return prf_options_find(options, name);
    }
    const struct prf_option *o = options;
    while (o->type != PRF_OPT_END && strcmp(o->name, name) != 0) {
        o++;
    }
    return o->type != PRF_OPT_END ? o : NULL;
}

const struct prf_option *
prf_groups_find(const struct prf_option_group *groups, const char *name,
                const struct prf_option_group **group)
{
    for (const struct prf_option_group *g = groups; g->title != NULL; g++) {
        const struct prf_option *o = args_named(g->options, name);
        if (o != NULL) {
            *group = g;
            return o;
        }
    }
    return NULL;
}

static bool
args_short(const struct prf_option_group *groups, char name, struct args_match *out)
{
    for (const struct prf_option_group *g = groups; g->title != NULL; g++) {
        for (const struct prf_option *o = g->options; o->type != PRF_OPT_END; o++) {
            if (o->short_name == name) {
                *out = (struct args_match){.option = o, .group = g};
                return true;
            }
        }
    }
    return false;
}

/* "no-x" for the flag x. */
static bool
args_negated(const struct prf_option_group *groups, const char *name,
             struct args_match *out)
{
    if (strncmp(name, "no-", 3) != 0 && strncmp(name, "no_", 3) != 0) {
        return false;
    }
    out->option = prf_groups_find(groups, name + 3, &out->group);
    out->negated = true;
    return out->option != NULL && out->option->type == PRF_OPT_FLAG;
}

static bool
args_begins(const char *name, const char *beginning)
{
    for (; *beginning != '\0'; name++, beginning++) {
        if ((*name == '_' ? '-' : *name) != (*beginning == '_' ? '-' : *beginning)) {
            return false;
        }
    }
    return true;
}

/* Options whose name begins so. A hidden one is only found by its whole name. */
static int
args_prefixed(const struct prf_option_group *groups, const char *name,
              struct args_match *out, const char **other)
{
    int n = 0;
    for (const struct prf_option_group *g = groups; g->title != NULL; g++) {
        for (const struct prf_option *o = g->options; o->type != PRF_OPT_END; o++) {
            if ((o->flags & PRF_OPT_HIDDEN) || !args_begins(o->name, name)) {
                continue;
            }
            if (n == 0) {
                *out = (struct args_match){.option = o, .group = g};
            } else if (n == 1) {
                *other = o->name;
            }
            n++;
        }
    }
    return n;
}

const char *
prf_groups_suggest(const struct prf_option_group *groups, const char *name)
{
    const char *names[256];
    size_t n = 0;
    for (const struct prf_option_group *g = groups; g->title != NULL; g++) {
        for (const struct prf_option *o = g->options; o->type != PRF_OPT_END; o++) {
            if (!(o->flags & PRF_OPT_HIDDEN) && n < 256) {
                names[n++] = o->name;
            }
        }
    }
    return prf_suggest(name, names, n);
}

static int
args_find_long(const struct prf_option_group *groups, const char *name,
               struct args_match *out, struct prf_error *err)
{
    const char *other = NULL;
    *out = (struct args_match){0};
    out->option = prf_groups_find(groups, name, &out->group);
    if (out->option != NULL || args_negated(groups, name, out)) {
        return 0;
    }
    int n = args_prefixed(groups, name, out, &other);
    if (n == 1) {
        out->negated = false;
        out->shortened = true;
        return 0;
    }
    if (n > 1) {
        return prf_fail(err, PRF_EUSAGE, "'--%s' can be '--%s' or '--%s'", name,
                        out->option->name, other);
    }
    const char *near = prf_groups_suggest(groups, name);
    if (near != NULL) {
        return prf_fail(err, PRF_EUSAGE, "unknown option '--%s', did you mean '--%s'?",
                        name, near);
    }
    return prf_fail(err, PRF_EUSAGE, "unknown option '--%s'; see --help", name);
}

static bool
args_takes_value(const struct prf_option *o)
{
    return o->type != PRF_OPT_FLAG && o->type != PRF_OPT_COUNT &&
           !(o->flags & PRF_OPT_OPTIONAL);
}

static int
args_value(struct prf_args *args, const struct args_match *m, struct prf_arg *out,
           struct prf_error *err)
{
    if (out->text == NULL && args_takes_value(m->option)) {
        if (args->at >= args->argc) {
            return prf_fail(err, PRF_EUSAGE, "--%s needs a value", m->option->name);
        }
        out->text = args->argv[args->at++];
    }
    if (m->negated) {
        if (out->text != NULL) {
            return prf_fail(err, PRF_EUSAGE, "--no-%s takes no value", m->option->name);
        }
        out->text = "false";
    }
    out->option = m->option;
    out->group = m->group;
    return PRF_ARG_OPTION;
}

static int
args_long(struct prf_args *args, const struct prf_option_group *groups, const char *arg,
          struct prf_arg *out, struct prf_error *err)
{
    char name[ARGS_NAME_MAX];
    struct args_match m;
    size_t n = strcspn(arg, "=");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1),
             arg);
    int rc = args_find_long(groups, name, &m, err);
    if (rc < 0) {
        return rc;
    }
    out->text = arg[n] == '=' ? arg + n + 1 : NULL;
    out->shortened = m.shortened;
    return args_value(args, &m, out, err);
}

static int
args_cluster(struct prf_args *args, const struct prf_option_group *groups,
             struct prf_arg *out, struct prf_error *err)
{
    struct args_match m = {0};
    char name = *args->cluster++;
    const char *rest = *args->cluster == '\0' ? NULL : args->cluster;
    args->cluster = rest;
    if (!args_short(groups, name, &m)) {
        args->cluster = NULL;
        return prf_fail(err, PRF_EUSAGE, "unknown option '-%c'; see --help", name);
    }
    if (rest != NULL && args_takes_value(m.option)) {
        out->text = rest + (*rest == '=');
        args->cluster = NULL;
    }
    return args_value(args, &m, out, err);
}

int
prf_args_next(struct prf_args *args, const struct prf_option_group *groups,
              struct prf_arg *out, struct prf_error *err)
{
    *out = (struct prf_arg){0};
    if (args->cluster != NULL) {
        return args_cluster(args, groups, out, err);
    }
    if (args->at >= args->argc) {
        return PRF_ARG_END;
    }
    const char *arg = args->argv[args->at++];
    if (args->words_only || arg[0] != '-' || arg[1] == '\0') {
        out->word = arg;
        return PRF_ARG_WORD;
    }
    if (strcmp(arg, "--") == 0) {
        args->words_only = true;
        return prf_args_next(args, groups, out, err);
    }
    if (arg[1] == '-') {
        return args_long(args, groups, arg + 2, out, err);
    }
    args->cluster = arg + 1;
    return args_cluster(args, groups, out, err);
}

/* An accumulating option starts anew when a higher layer speaks. */
static void
layers_reset(const struct prf_option_group *group, const struct prf_option *option,
             void *target)
{
    char *field = (char *)target + group->offset + option->offset;
    if (option->type == PRF_OPT_LIST) {
        prf_strlist_release((struct prf_strlist *)(void *)field);
    } else if (option->type == PRF_OPT_COUNT) {
        *(int64_t *)(void *)field = 0;
    }
}

int
prf_layers_set(struct prf_layers *layers, int layer,
               const struct prf_option_group *group, const struct prf_option *option,
               const char *text, void *target, struct prf_error *err)
{
    size_t i = 0;
    while (i < layers->n && layers->set[i].option != option) {
        i++;
    }
    int before = i < layers->n ? layers->set[i].layer : 0;
    if (before > layer) {
        return prf_option_check(option, text, err);
    }
    if (before < layer) {
        layers_reset(group, option, target);
    }
    if (i < sizeof layers->set / sizeof *layers->set) {
        layers->set[i].option = option;
        layers->set[i].layer = layer;
        layers->n += i == layers->n;
    }
    return prf_options_set(group->options, option->name, text,
                           (char *)target + group->offset, err);
}

int
prf_groups_defaults(const struct prf_option_group *groups, void *target,
                    struct prf_error *err)
{
    int rc = 0;
    for (const struct prf_option_group *g = groups; rc == 0 && g->title != NULL; g++) {
        rc = prf_options_defaults(g->options, (char *)target + g->offset, err);
    }
    return rc;
}

void
prf_groups_release(const struct prf_option_group *groups, void *target)
{
    for (const struct prf_option_group *g = groups; g->title != NULL; g++) {
        prf_options_release(g->options, (char *)target + g->offset);
    }
}

int
prf_args_parse(int argc, char **argv, const struct prf_option_group *groups,
               struct prf_layers *layers, void *target, const char **words,
               int max_words, struct prf_error *err)
{
    struct prf_args args = {.argc = argc, .argv = argv, .at = 1};
    struct prf_arg arg;
    int n = 0, rc;
    while ((rc = prf_args_next(&args, groups, &arg, err)) > 0) {
        if (rc == PRF_ARG_OPTION) {
            rc = prf_layers_set(layers, PRF_LAYER_COMMAND, arg.group, arg.option,
                                arg.text, target, err);
        } else if (n == max_words) {
            rc =
                prf_fail(err, PRF_EUSAGE, "unexpected word '%s'; see --help", arg.word);
        } else {
            words[n++] = arg.word;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc < 0 ? rc : n;
}
