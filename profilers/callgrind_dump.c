/* Reading callgrind's files; see callgrind_dump.h. */
#include "callgrind_dump.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "path.h"

/* Where the reading is. */
struct place {
    struct prf_callgrind_dump *dump;
    const char *object, *function;               /* whose costs come */
    const char *called_object, *called_function; /* of the next "calls=" */
    bool is_call;    /* the next cost line is what a call took, its callees included */
    bool saw_total;  /* "totals:" */
    bool line_ended; /* the line has its '\n' */
    size_t capacity;
};

static struct prf_callgrind_function *
dump_add(struct place *at, const char *object, const char *name)
{
    struct prf_callgrind_dump *d = at->dump;
    if (d->n_functions == at->capacity) {
        size_t capacity = at->capacity == 0 ? 1024 : 2 * at->capacity;
        struct prf_callgrind_function *more =
            realloc(d->functions, capacity * sizeof *more);
        if (more == NULL) {
            return NULL;
        }
        d->functions = more;
        at->capacity = capacity;
    }
    struct prf_callgrind_function *f = &d->functions[d->n_functions++];
    *f = (struct prf_callgrind_function){.name = name, .object = object};
    return f;
}

static void
dump_take_events(struct prf_callgrind_dump *d, char *words)
{
    for (char *word; (word = strsep(&words, " ")) != NULL &&
                     d->n_events < PRF_CALLGRIND_EVENTS_MAX;) {
        if (*word != '\0') {
            d->events[d->n_events++] = word;
        }
    }
}

/* The last line of a file; only one that is whole counts: a number per event and the
   end of the line. */
static void
dump_take_totals(struct place *at, const char *numbers)
{
    char *end = (char *)numbers;
    at->saw_total = at->dump->n_events > 0 && at->line_ended;
    for (size_t i = 0; i < at->dump->n_events; i++) {
        const char *start = end;
        errno = 0;
        int64_t total = strtoll(start, &end, 10);
        at->saw_total &= end != start && errno == 0 && total >= 0;
        at->dump->totals[i] = total;
    }
}

/* "+3 120 7": a position, then a number per event (those at the end may be missing). */
static int
dump_take_cost(struct place *at, const char *line)
{
    if (at->is_call) {
        at->is_call = false;
        return 0;
    }
    const char *number = strchr(line, ' ');
    struct prf_callgrind_function *f = dump_add(at, at->object, at->function);
    if (f == NULL) {
        return -1;
    }
    f->own = number == NULL ? 0 : strtoll(number, NULL, 10);
    return 0;
}

static int
dump_take_calls(struct place *at, const char *number)
{
    const char *object = at->called_object == NULL ? at->object : at->called_object;
    struct prf_callgrind_function *f = dump_add(at, object, at->called_function);
    if (f == NULL) {
        return -1;
    }
    f->calls = strtoll(number, NULL, 10);
    at->called_object = NULL; /* the next call is into our own, unless it is said */
    at->is_call = true;
    return 0;
}

/* The text after `key`, or NULL when the line does not start so. */
static char *
dump_after(char *line, const char *key)
{
    size_t n = strlen(key);
    return strncmp(line, key, n) == 0 ? line + n : NULL;
}

static int
dump_take_line(struct place *at, char *line)
{
    char *rest;
    if ((*line >= '0' && *line <= '9') || *line == '+' || *line == '-' ||
        *line == '*') {
        return dump_take_cost(at, line);
    }
    if ((rest = dump_after(line, "fn=")) != NULL) {
        at->function = rest;
    } else if ((rest = dump_after(line, "ob=")) != NULL) {
        at->object = rest;
    } else if ((rest = dump_after(line, "cfn=")) != NULL) {
        at->called_function = rest;
    } else if ((rest = dump_after(line, "cob=")) != NULL) {
        at->called_object = rest;
    } else if ((rest = dump_after(line, "calls=")) != NULL) {
        return dump_take_calls(at, rest);
    } else if ((rest = dump_after(line, "events:")) != NULL) {
        dump_take_events(at->dump, rest);
    } else if ((rest = dump_after(line, "totals:")) != NULL) {
        dump_take_totals(at, rest);
    }
    return 0;
}

static int
dump_by_name(const void *a, const void *b)
{
    const struct prf_callgrind_function *f = a, *g = b;
    int order = strcmp(f->name, g->name);
    return order != 0 ? order : strcmp(f->object, g->object);
}

static int
dump_by_cost(const void *a, const void *b)
{
    const struct prf_callgrind_function *f = a, *g = b;
    return f->own != g->own ? (f->own < g->own ? 1 : -1) : dump_by_name(a, b);
}

/* Numbers of a damaged file may be too large: the sum is wrong then, not undefined. */
static int64_t
dump_sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* One entry per function. */
static void
dump_merge(struct prf_callgrind_dump *d)
{
    size_t n = 0;
    if (d->n_functions == 0) {
        return;
    }
    qsort(d->functions, d->n_functions, sizeof *d->functions, dump_by_name);
    for (size_t i = 1; i < d->n_functions; i++) {
        struct prf_callgrind_function *f = &d->functions[i], *to = &d->functions[n];
        if (dump_by_name(f, to) == 0) {
            to->own = dump_sum(to->own, f->own);
            to->calls = dump_sum(to->calls, f->calls);
        } else {
            d->functions[++n] = *f;
        }
    }
    d->n_functions = n + 1;
    qsort(d->functions, d->n_functions, sizeof *d->functions, dump_by_cost);
}

int
prf_callgrind_dump_read(struct prf_callgrind_dump *dump, const char *path,
                        struct prf_error *err)
{
    struct place at = {
        .dump = dump, .object = "", .function = "???", .called_function = "???"};
    *dump = (struct prf_callgrind_dump){0};
    int rc = prf_file_read(path, &dump->text, &(size_t){0}, err);
    char *rest = dump->text;
    for (char *line; rc == 0 && (line = strsep(&rest, "\n")) != NULL;) {
        at.line_ended = rest != NULL;
        if (dump_take_line(&at, line) < 0) {
            rc = prf_fail(err, PRF_ENOMEM, "out of memory");
        }
    }
    if (rc == 0 && !at.saw_total) {
        rc = prf_fail(err, PRF_ECORRUPT, "callgrind's file '%s' has no totals", path);
    }
    if (rc == 0) {
        dump_merge(dump);
    }
    return rc;
}

int64_t
prf_callgrind_dump_total(const struct prf_callgrind_dump *dump, const char *event)
{
    for (size_t i = 0; i < dump->n_events; i++) {
        if (strcmp(dump->events[i], event) == 0) {
            return dump->totals[i];
        }
    }
    return 0;
}

void
prf_callgrind_dump_release(struct prf_callgrind_dump *dump)
{
    free(dump->text);
    free(dump->functions);
    *dump = (struct prf_callgrind_dump){0};
}
