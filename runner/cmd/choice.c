/* The profilers of a run; see choice.h. */
#include "choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#define CHOICE_MAX 32
#define CHOICE_DEFAULT "stopwatch"

static int
choice_fail_unknown(const char *name, const struct prf_profilers *known,
                    struct prf_error *err)
{
    const char *near = prf_profilers_suggest(known, name);
    if (near != NULL) {
        return prf_fail(err, PRF_EUSAGE, "unknown profiler '%s', did you mean '%s'?",
                        name, near);
    }
    return prf_fail(
        err, PRF_EUSAGE,
        "'%s' is no profiler, and no file or module; see pyprofiler profilers", name);
}

static int
choice_add(struct prf_choice *choice, const char *name,
           const struct prf_choice_request *request, struct prf_error *err)
{
    const struct prf_profiler *p = prf_profilers_find(request->known, name);
    if (p == NULL && request->lenient) {
        choice->unknown = true;
        return 0;
    }
    if (p == NULL) {
        return choice_fail_unknown(name, request->known, err);
    }
    if (!p->available) {
        return prf_fail(err, PRF_EUNAVAILABLE, "profiler '%s' cannot work here: %s",
                        p->name, p->why == NULL ? "it does not say why" : p->why);
    }
    for (size_t i = 0; i < choice->n; i++) {
        if (choice->items[i] == p) {
            return 0;
        }
    }
    if (choice->n == CHOICE_MAX) {
        return prf_fail(err, PRF_EUSAGE, "more than %d profilers", CHOICE_MAX);
    }
    choice->options[choice->n] = json_object();
    choice->items[choice->n++] = p;
    return 0;
}

static int
choice_add_names(struct prf_choice *choice, const struct prf_choice_request *request,
                 struct prf_error *err)
{
    const char *word = request->words->profilers;
    const char *standard =
        request->standard == NULL ? CHOICE_DEFAULT : request->standard;
    int rc = 0;
    for (word = word == NULL ? standard : word; rc == 0 && *word != '\0';) {
        char name[128];
        size_t n = strcspn(word, ",");
        snprintf(name, sizeof name, "%.*s",
                 (int)(n < sizeof name ? n : sizeof name - 1), word);
        rc = n == 0 ? 0 : choice_add(choice, name, request, err);
        word += n + (word[n] == ',');
        if (choice->unknown) {
            break;
        }
    }
    return rc;
}

static json_t *
choice_words(const char *text)
{
    json_t *array = json_array();
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        if (n > 0) {
            json_array_append_new(array, json_stringn(text, n));
        }
        text += n + (text[n] == ',');
    }
    return array;
}

/* Put one value into the object that the worker gets. */
static int
choice_set(json_t *options, const struct prf_option *o, const char *text,
           struct prf_error *err)
{
    json_t *before = json_object_get(options, o->name);
    int rc = prf_option_check(o, text, err);
    if (rc < 0) {
        return rc;
    }
    if (text == NULL && (o->flags & PRF_OPT_OPTIONAL)) {
        text = o->implied;
    }
    if (o->type == PRF_OPT_COUNT) {
        char buf[24];
        long long n = before == NULL ? 0 : strtoll(json_string_value(before), NULL, 10);
        snprintf(buf, sizeof buf, "%lld", n + (text == NULL ? 1 : strtoll(text, NULL, 10)));
        json_object_set_new(options, o->name, json_string(buf));
    } else if (o->type == PRF_OPT_LIST) {
        json_t *words = choice_words(text == NULL ? "" : text);
        if (before != NULL) {
            json_array_extend(before, words);
            json_decref(words);
        } else {
            json_object_set_new(options, o->name, words);
        }
    } else if (json_object_set_new(options, o->name,
                                   json_string(text == NULL ? "true" : text)) < 0) {
        return prf_fail(err, PRF_EUSAGE, "--%s: the value is not UTF-8 text", o->name);
    }
    return 0;
}

static int
choice_set_config(json_t *options, const struct prf_option *o, const json_t *value,
                  struct prf_error *err)
{
    char buf[64];
    int rc = 0;
    if (json_is_array(value) && o->type == PRF_OPT_LIST) {
        for (size_t i = 0; rc == 0 && i < json_array_size(value); i++) {
            rc = choice_set_config(options, o, json_array_get(value, i), err);
        }
        return rc;
    }
    const char *text = prf_config_text(value, buf, sizeof buf);
    if (text == NULL) {
        return prf_fail(err, PRF_EUSAGE, "'%s' takes another kind of value", o->name);
    }
    return choice_set(options, o, text, err);
}

/* The values of [tool.pyprofiler.NAME]. */
static int
choice_take_table(const struct prf_choice_request *request, const json_t *table,
                  const struct prf_profiler *p, json_t *options, struct prf_error *err)
{
    const struct prf_option_group group[] = {{.title = "", .options = p->options},
                                             {NULL}};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)table, key, value)
    {
        struct prf_error why = {0};
        const struct prf_option *o = prf_options_find(p->options, key);
        const char *near = prf_groups_suggest(group, key);
        if (o == NULL) {
            prf_fail(&why, PRF_EUSAGE, "unknown key '%s'%s%s%s", key,
                     near == NULL ? "" : ", did you mean '", near == NULL ? "" : near,
                     near == NULL ? "" : "'?");
        } else {
            choice_set_config(options, o, value, &why);
        }
        if (why.code != 0) {
            return prf_fail(err, why.code, "'%s': [tool.pyprofiler.%s]: %s",
                            request->config_path, p->name, why.text);
        }
    }
    return 0;
}

static int
choice_take_config(struct prf_choice *choice, const struct prf_choice_request *request,
                   struct prf_error *err)
{
    const char *key;
    json_t *value;
    int rc = 0;
    json_object_foreach((json_t *)request->config, key, value)
    {
        const struct prf_profiler *p = prf_profilers_find(request->known, key);
        for (size_t i = 0; rc == 0 && json_is_object(value) && i < choice->n; i++) {
            if (choice->items[i] == p) {
                rc = choice_take_table(request, value, p, choice->options[i], err);
            }
        }
    }
    return rc;
}

/* The command line replaces what the file gave; its own repetitions add up. */
static int
choice_set_command(struct prf_choice *choice, json_t *const *given,
                   const struct prf_arg *arg, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < choice->n; i++) {
        const struct prf_option *o =
            prf_options_find(choice->items[i]->options, arg->option->name);
        if (o != NULL) {
            rc = choice_set(given[i], o, arg->text, err);
        }
    }
    return rc;
}

static int
choice_fail_word(const char *word, const struct prf_choice_request *request,
                 struct prf_error *err)
{
    if (prf_words_is_profiler(word, request->known)) {
        return prf_fail(
            err, PRF_EUSAGE,
            "unexpected word '%s': several profilers are joined by a comma, "
            "'%s,%s'",
            word, request->words->profilers, word);
    }
    return prf_fail(err, PRF_EUSAGE,
                    "unexpected word '%s' after the profiler; targets come before it",
                    word);
}

static int
choice_read_tail(struct prf_choice *choice, const struct prf_choice_request *request,
                 json_t *const *given, struct prf_error *err)
{
    struct prf_option_group groups[CHOICE_MAX + 16] = {{NULL}};
    struct prf_args args = request->words->tail;
    struct prf_arg arg;
    size_t n = 0;
    int rc;
    for (; n < choice->n; n++) {
        groups[n] = (struct prf_option_group){"", choice->items[n]->options, 0};
    }
    for (const struct prf_option_group *g = request->groups; g->title != NULL; g++) {
        groups[n++] = *g;
    }
    while ((rc = prf_args_next(&args, groups, &arg, err)) > 0) {
        if (rc == PRF_ARG_WORD) {
            rc = choice_fail_word(arg.word, request, err);
        } else if (arg.group < groups + choice->n) {
            rc = choice_set_command(choice, given, &arg, err);
        } else {
            choice->help |= strcmp(arg.option->name, "help") == 0;
            rc = prf_layers_set(request->layers, request->layer, arg.group, arg.option,
                                arg.text, request->target, err);
        }
        if (rc < 0) {
            break;
        }
    }
    return rc;
}

int
prf_choice_make(struct prf_choice *choice, const struct prf_choice_request *request,
                struct prf_error *err)
{
    json_t *given[CHOICE_MAX] = {NULL};
    *choice = (struct prf_choice){
        .items = calloc(CHOICE_MAX, sizeof *choice->items),
        .options = calloc(CHOICE_MAX, sizeof *choice->options),
    };
    int rc = choice->items == NULL || choice->options == NULL
                 ? prf_fail(err, PRF_ENOMEM, "out of memory")
                 : choice_add_names(choice, request, err);
    if (rc < 0 || choice->unknown) {
        goto out;
    }
    for (size_t i = 0; i < choice->n; i++) {
        given[i] = json_object();
    }
    rc = choice_take_config(choice, request, err);
    if (rc == 0) {
        rc = choice_read_tail(choice, request, given, err);
    }
    for (size_t i = 0; i < choice->n; i++) {
        json_object_update(choice->options[i], given[i]);
        json_decref(given[i]);
    }
out:
    if (rc < 0) {
        prf_choice_release(choice);
    }
    return rc;
}

void
prf_choice_release(struct prf_choice *choice)
{
    for (size_t i = 0; choice->options != NULL && i < choice->n; i++) {
        json_decref(choice->options[i]);
    }
    free(choice->items);
    free(choice->options);
    *choice = (struct prf_choice){0};
}
