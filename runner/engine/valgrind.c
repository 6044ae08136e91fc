/* A worker under callgrind; see valgrind.h. */
#include "valgrind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pyprofiler/backend.h>

#include "path.h"
#include "strbuf.h"

#define WORDS_MAX 256

/* What a case may need to be found and to run; everything else of the environment moves
   the count (by up to 357 ppm) without a reason to be seen. */
static const char *const valgrind_kept[] = {
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONNOUSERSITE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUTF8",
    "PYPROFILER_PLUGINS",
    "VALGRIND_LIB",
};

/* The simulated caches are those of no machine, so that all machines agree. */
static const char *const valgrind_caches[] = {
    "--cache-sim=yes",
    "--I1=32768,8,64",
    "--D1=32768,8,64",
    "--LL=8388608,16,64",
};

static const char *const valgrind_words[] = {
    "--tool=callgrind",
    "--command-line-only=yes", /* no .valgrindrc of a folder */
    "-q",
    "--vgdb=no",
    "--instr-atstart=no",
    "--trace-children=no",
    "--child-silent-after-fork=yes",
    "--main-stacksize=16777216", /* whatever the limit is here */
    "--dump-line=no",
    "--compress-strings=no",
};

/* Words in an array that ends with NULL. */
struct words {
    struct prf_arena *arena;
    const char **items;
    size_t n;
    bool failed;
};

static void
words_add(struct words *w, const char *text)
{
    const char *copy = prf_arena_strdup(w->arena, text);
    if (copy == NULL || w->n + 1 >= WORDS_MAX) {
        w->failed = true;
        return;
    }
    w->items[w->n++] = copy;
}

static void
words_add_pair(struct words *w, const char *name, const char *value)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_strbuf_addf(&sb, "%s=%s", name, value);
    w->failed |= sb.failed;
    words_add(w, prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
}

static void
words_add_all(struct words *w, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        words_add(w, list[i]);
    }
}

static void
words_add_terminated(struct words *w, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++) {
        words_add(w, *list);
    }
}

static struct words
words_begin(struct prf_arena *arena)
{
    struct words w = {.arena = arena,
                      .items = prf_arena_alloc(arena, WORDS_MAX * sizeof *w.items)};
    w.failed = w.items == NULL;
    return w;
}

/* ---- */

static int
valgrind_make_folder(struct prf_valgrind *v, struct prf_scratch *scratch,
                     struct prf_error *err)
{
    if (asprintf(&v->folder, "%s/%06u.cg", scratch->folder, scratch->n++) < 0) {
        v->folder = NULL;
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (mkdir(v->folder, 0700) < 0) {
        return prf_fail(err, PRF_EIO, "cannot make '%s': %s", v->folder,
                        strerror(errno));
    }
    return 0;
}

/* The program itself where "valgrind" is Debian's script around it: a shell would add
   the current folder to the environment. */
static char *
valgrind_find(void)
{
    char *program = prf_path_find_program("valgrind");
    char *inner = NULL;
    if (program != NULL && asprintf(&inner, "%s.bin", program) >= 0 &&
        access(inner, X_OK) == 0) {
        free(program);
        return inner;
    }
    free(inner);
    return program;
}

static void
valgrind_command(struct prf_valgrind *v, const struct prf_supervision *sv,
                 const char *program, bool cache, struct words *w)
{
    char out[4096];
    snprintf(out, sizeof out, "--callgrind-out-file=%s/out.%%p", v->folder);
    words_add_terminated(w, sv->worker.wrapper);
    words_add(w, program);
    words_add_all(w, valgrind_words, sizeof valgrind_words / sizeof *valgrind_words);
    words_add(w, out);
    if (sv->worker.foreground) { /* standard error is a script's own */
        snprintf(out, sizeof out, "--log-file=%s/log.%%p", v->folder);
        words_add(w, out);
    }
    if (cache) {
        words_add_all(w, valgrind_caches,
                      sizeof valgrind_caches / sizeof *valgrind_caches);
    }
}

static bool
valgrind_sets(const char *const *list, const char *name)
{
    size_t n = strlen(name);
    for (; list != NULL && *list != NULL; list++) {
        if (strncmp(*list, name, n) == 0 && (*list)[n] == '=') {
            return true;
        }
    }
    return false;
}

static void
valgrind_keep(struct words *w, const struct prf_supervision *sv, const char *name)
{
    const char *value = getenv(name);
    if (value != NULL && !valgrind_sets(sv->worker.environment, name)) {
        words_add_pair(w, name, value);
    }
}

static void
valgrind_environment(struct prf_valgrind *v, const struct prf_supervision *sv,
                     const json_t *more, struct words *w)
{
    char out[4096];
    size_t i;
    const json_t *name;
    snprintf(out, sizeof out, "%s/out", v->folder);
    words_add_pair(w, "PYTHONHASHSEED", sv->hash_seed == NULL ? "0" : sv->hash_seed);
    words_add_pair(w, PRF_VALGRIND_OUT, out);
    for (i = 0; i < sizeof valgrind_kept / sizeof *valgrind_kept; i++) {
        valgrind_keep(w, sv, valgrind_kept[i]);
    }
    json_array_foreach((json_t *)more, i, name)
    {
        valgrind_keep(w, sv, json_string_value(name));
    }
    words_add_terminated(w, sv->worker.environment);
}

int
prf_valgrind_prepare(struct prf_valgrind *valgrind, const struct prf_supervision *sv,
                     const json_t *options, struct prf_error *err)
{
    char *program = valgrind_find();
    const char *cache = json_string_value(json_object_get(options, "cache"));
    struct words command = words_begin(&valgrind->arena);
    struct words environment = words_begin(&valgrind->arena);
    int rc = 0;
    if (program == NULL) {
        rc = prf_fail(err, PRF_EUNAVAILABLE,
                      "valgrind is not on PATH (Debian: apt install valgrind)");
        goto out;
    }
    rc = valgrind_make_folder(valgrind, sv->scratch, err);
    if (rc < 0) {
        goto out;
    }
    if (!command.failed && !environment.failed) {
        valgrind_command(valgrind, sv, program,
                         cache != NULL && strcmp(cache, "true") == 0, &command);
        valgrind_environment(valgrind, sv, json_object_get(options, "keep-env"),
                             &environment);
    }
    valgrind->wrapper = command.items;
    valgrind->environment = environment.items;
    if (command.failed || environment.failed) {
        rc = prf_fail(err, PRF_ENOMEM, "out of memory");
    }
out:
    free(program);
    return rc;
}

void
prf_valgrind_apply(const struct prf_valgrind *valgrind, struct prf_worker_setup *setup)
{
    setup->wrapper = valgrind->wrapper;
    setup->environment = valgrind->environment;
    setup->bare = true;
}

void
prf_valgrind_release(struct prf_valgrind *valgrind)
{
    if (valgrind->folder != NULL) {
        prf_path_remove_tree(valgrind->folder);
        free(valgrind->folder);
    }
    prf_arena_release(&valgrind->arena);
    *valgrind = (struct prf_valgrind){0};
}
