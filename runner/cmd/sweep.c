/* pyprofiler sweep: measure the cases of today at many commits. What is stored already
   is not measured again, so that a sweep that was ended goes on. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "interrupt.h"
#include "measuring.h"
#include "sides.h"
#include "strbuf.h"
#include "vcs.h"

#define SWEEP_WORDS_MAX 64
#define AT(field) offsetof(struct sweep_options, field)

struct sweep_options {
    uint64_t steps, runs;
    bool first_parent, again;
    char *store;
    struct prf_measuring_options measuring;
    struct prf_general_options general;
};

static const struct prf_option sweep_table[] = {
    {PRF_OPT_UINT, 0, "steps", NULL, AT(steps), .unit = "N",
     .help = "at most so many commits, evenly spread over the range"},
    {PRF_OPT_FLAG, 0, "first-parent", NULL, AT(first_parent),
     .help = "follow only the first parent of merges"},
    {PRF_OPT_UINT, 0, "runs", NULL, AT(runs), .def = "3", .unit = "N", .min = 1,
     .max = 1000, .help = "processes of each case at each commit"},
    {PRF_OPT_FLAG, 0, "again", NULL, AT(again),
     .help = "measure also what is stored already, or could not be built"},
    PRF_OPTIONS_END,
};

static const struct prf_option sweep_store[] = {
    {PRF_OPT_STRING, 0, "store", NULL, AT(store), .unit = "FILE",
     .help =
         "where results are kept [.pyprofiler/results.db at the repository's root]"},
    PRF_OPTIONS_END,
};

static const struct prf_option_group sweep_groups[] = {
    {"range", sweep_table, 0},
    {"sides that are measured", prf_measuring_table, AT(measuring)},
    {"store", sweep_store, 0},
    {"general", prf_general_table, AT(general)},
    {NULL},
};

/* One of the commits or kept trees. */
struct sweep_stop {
    struct prf_revision revision; /* of a kept tree: of the commit it is based on */
    const char *word;             /* of a kept tree, or NULL */
    const char *tree;
};

struct sweep {
    struct sweep_options options;
    struct prf_layers layers;
    struct prf_measuring_words words;
    struct prf_arena arena;
    struct prf_sides sides; /* of the word that was looked at last */
    struct sweep_stop *stops;
    size_t n;
    struct prf_measure_side *today; /* the work tree, for which cases there are */
    struct prf_progress progress;
    size_t n_measured, n_stored, n_unmeasurable;
    bool interrupted;
    bool up_to_date; /* nothing is NEW */
};

/* --- which commits
 * --------------------------------------------------------------------- */

static int
sweep_add(struct sweep *s, const struct sweep_stop *stop, struct prf_error *err)
{
    struct sweep_stop *more = realloc(s->stops, (s->n + 1) * sizeof *more);
    if (more == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    s->stops = more;
    s->stops[s->n++] = *stop;
    return 0;
}

static int
sweep_has_results(struct sweep *s, const char *commit, bool *out, struct prf_error *err)
{
    const struct prf_side_query query = {
        .kind = PRF_SIDE_COMMIT, .id = commit, .n_newest = 1, .n_looked = 1};
    struct prf_side_results found = {0};
    int rc = prf_store_side(s->words.store, &query, &found, err);
    *out = rc == 0 && found.n > 0;
    prf_side_results_release(&found);
    return rc;
}

/* Which commits of the range a word in capitals means. */
enum sweep_filter { SWEEP_ALL, SWEEP_NEW, SWEEP_EXISTING };

static int
sweep_add_range(struct sweep *s, const char *spec, unsigned flags,
                enum sweep_filter filter, struct prf_error *err)
{
    struct prf_revisions found = {0};
    flags |= s->options.first_parent ? PRF_RANGE_FIRST_PARENT : 0u;
    int rc = prf_vcs_range(s->words.setup.root, spec, flags, &s->arena, &found, err);
    size_t first = 0;
    for (size_t i = found.n; rc == 0 && filter == SWEEP_NEW && i-- > 0;) {
        bool there;
        rc = sweep_has_results(s, found.items[i].id, &there, err);
        first = i + 1;
        if (there) {
            break;
        }
        first = i == 0 ? found.n - 1 : 0; /* nothing was ever measured: the newest */
    }
    s->up_to_date |= filter == SWEEP_NEW && first == found.n && found.n > 0;
    for (size_t i = first; rc == 0 && i < found.n; i++) {
        bool wanted = true;
        if (filter == SWEEP_EXISTING) {
            rc = sweep_has_results(s, found.items[i].id, &wanted, err);
        }
        if (rc == 0 && wanted) {
            const struct sweep_stop stop = {.revision = found.items[i],
                                            .tree = found.items[i].tree};
            rc = sweep_add(s, &stop, err);
        }
    }
    return rc;
}

static bool
sweep_may_be_tree(const char *word)
{
    size_t n = strlen(word);
    return strncmp(word, "wip", 3) == 0 ||
           (n >= 4 && n <= 40 && strspn(word, "0123456789abcdef") == n);
}

/* A kept dirty tree: 1, added; 0: another word. */
static int
sweep_add_tree(struct sweep *s, const char *word, struct prf_error *err)
{
    const struct prf_sides_words words = {
        .base = word, .folder = s->words.setup.root, .without_results = true};
    struct prf_error why = {0};
    if (!sweep_may_be_tree(word)) {
        return 0;
    }
    prf_sides_release(&s->sides);
    int rc = prf_sides_resolve(s->words.store, &words, &s->sides, &why);
    if (rc < 0 || s->sides.base.kind != PRF_SIDE_TREE) {
        return rc < 0 && strncmp(word, "wip", 3) == 0
                   ? prf_fail(err, rc, "%s", why.text)
                   : 0;
    }
    const struct prf_side *side = &s->sides.base;
    struct sweep_stop stop = {
        .word = prf_arena_strdup(&s->arena, word),
        .tree = prf_arena_strdup(&s->arena, side->tree),
        .revision = {.id = side->commit == NULL
                               ? NULL
                               : prf_arena_strdup(&s->arena, side->commit),
                     .summary = "work tree with changes",
                     .time = side->time}};
    rc = sweep_add(s, &stop, err);
    return rc < 0 ? rc : 1;
}

static int
sweep_add_word(struct sweep *s, const char *word, struct prf_strbuf *range,
               struct prf_error *err)
{
    static const struct {
        const char *word;
        unsigned flags;
        enum sweep_filter filter;
    } capitals[] = {{"NEW", 0, SWEEP_NEW},
                    {"ALL", 0, SWEEP_ALL},
                    {"EXISTING", 0, SWEEP_EXISTING},
                    {"TAGS", PRF_RANGE_TAGS, SWEEP_ALL}};
    for (size_t i = 0; i < sizeof capitals / sizeof *capitals; i++) {
        if (strcmp(word, capitals[i].word) == 0) {
            return sweep_add_range(s, "HEAD", capitals[i].flags, capitals[i].filter,
                                   err);
        }
    }
    int rc = sweep_add_tree(s, word, err);
    if (rc == 0) {
        prf_strbuf_addf(range, "%s%s", range->len > 0 ? " " : "", word);
    }
    return rc < 0 ? rc : 0;
}

/* At most `steps` of them, the ends included. */
static void
sweep_thin(struct sweep *s)
{
    size_t steps = (size_t)s->options.steps;
    if (steps == 0 || s->n <= steps) {
        return;
    }
    for (size_t i = 0; i < steps; i++) {
        size_t at =
            steps == 1 ? s->n - 1 : (i * (s->n - 1) + (steps - 1) / 2) / (steps - 1);
        s->stops[i] = s->stops[at];
    }
    s->n = steps;
}

/* The newest, the oldest, then always the middle of what is between: wherever it ends,
   the range is covered evenly. Breadth first over the intervals. */
static int
sweep_order(struct sweep *s, struct prf_error *err)
{
    size_t n = s->n, made = 0, head = 0, tail = 0;
    struct sweep_stop *out = calloc(n + 1, sizeof *out);
    size_t(*queue)[2] = calloc(2 * n + 2, sizeof *queue);
    if (out == NULL || queue == NULL) {
        free(out);
        free(queue);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    out[made++] = s->stops[n - 1];
    if (n > 1) {
        out[made++] = s->stops[0];
        queue[tail][0] = 0;
        queue[tail++][1] = n - 1;
    }
    while (head < tail) {
        size_t low = queue[head][0], high = queue[head][1];
        size_t middle = low + (high - low) / 2;
        head++;
        if (high - low < 2) {
            continue;
        }
        out[made++] = s->stops[middle];
        queue[tail][0] = middle; /* the newer half first */
        queue[tail++][1] = high;
        queue[tail][0] = low;
        queue[tail++][1] = middle;
    }
    free(queue);
    free(s->stops);
    s->stops = out;
    return 0;
}

static int
sweep_find_stops(struct sweep *s, const char *const *words, int n,
                 struct prf_error *err)
{
    struct prf_strbuf range = PRF_STRBUF_INIT;
    int rc = 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        rc = sweep_add_word(s, words[i], &range, err);
    }
    if (rc == 0 && range.len > 0) {
        rc = sweep_add_range(s, range.data, 0, SWEEP_ALL, err);
    }
    prf_strbuf_release(&range);
    if (rc == 0 && s->n > 0) {
        sweep_thin(s);
        rc = sweep_order(s, err);
    }
    return rc;
}

/* --- what is stored
 * --------------------------------------------------------------------- */

static bool
sweep_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Measured on this machine, in this Python. */
static bool
sweep_is_like(const struct prf_run *a, const struct prf_run *b)
{
    return sweep_same(a->machine.fingerprint, b->machine.fingerprint) &&
           sweep_same(a->python.version, b->python.version) &&
           sweep_same(a->python.implementation, b->python.implementation) &&
           sweep_same(a->python.host, b->python.host) &&
           sweep_same(a->python.flags, b->python.flags);
}

static size_t
sweep_count(const struct sweep *s, const struct prf_side_results *stored,
            const struct prf_measure_item *item)
{
    size_t n = 0;
    for (size_t i = 0; i < stored->n; i++) {
        const struct prf_side_result *r = &stored->items[i];
        if (strcmp(r->case_id, item->case_id) == 0 &&
            strcmp(r->profiler, item->profiler) == 0 &&
            sweep_same(r->options, item->options_text) &&
            sweep_is_like(r->run, &s->words.run->run)) {
            /* what could not be measured is not tried again */
            n += r->status == PRF_STATUS_OK ? 1 : (size_t)s->options.runs;
        }
    }
    return n;
}

/* How many processes of the item are missing. */
static size_t
sweep_missing(const struct sweep *s, const struct prf_side_results *stored,
              const struct prf_measure_item *item)
{
    size_t runs = (size_t)s->options.runs;
    size_t n = s->options.again ? 0 : sweep_count(s, stored, item);
    return item->skip != NULL || n >= runs ? 0 : runs - n;
}

static int
sweep_read_stored(struct sweep *s, const struct sweep_stop *stop,
                  struct prf_side_results *out, struct prf_error *err)
{
    const struct prf_side_query query = {
        .kind = stop->word != NULL ? PRF_SIDE_TREE : PRF_SIDE_COMMIT,
        .id = stop->word != NULL ? stop->tree : stop->revision.id};
    return prf_store_side(s->words.store, &query, out, err);
}

/* All that today's cases would give is there: the tree need not be checked out. */
static bool
sweep_is_stored(const struct sweep *s, const struct prf_side_results *stored)
{
    for (size_t i = 0; i < s->today->n_items; i++) {
        if (sweep_missing(s, stored, &s->today->items[i]) > 0) {
            return false;
        }
    }
    return s->today->n_items > 0 && s->today->n_failures == 0;
}

/* --- measuring a commit
 * ----------------------------------------------------------------- */

static void
sweep_say(struct sweep *s, const struct sweep_stop *stop, const char *what)
{
    char date[16] = "";
    time_t seconds = (time_t)stop->revision.time;
    struct tm tm;
    if (seconds > 0 && gmtime_r(&seconds, &tm) != NULL) {
        strftime(date, sizeof date, "%Y-%m-%d", &tm);
    }
    prf_progress_clear(&s->progress);
    printf("%.10s  %-10s  %s  (%s)\n",
           stop->word != NULL ? stop->tree : stop->revision.id, date, what,
           stop->revision.summary == NULL ? "" : stop->revision.summary);
    fflush(stdout);
}

/* Nothing of it can be measured: kept for each case of today, with why. */
static int
sweep_note_all(struct sweep *s, struct prf_measure_side *side,
               const struct prf_side_results *stored, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->today->n_items; i++) {
        const struct prf_measure_item *item = &s->today->items[i];
        const char *why = NULL;
        if (sweep_missing(s, stored, item) > 0 &&
            prf_measure_find(side, item->case_id, item->profiler, &why) == NULL) {
            rc = prf_measure_note(side, item, PRF_STATUS_ERROR, why, err);
        }
    }
    return rc;
}

static int
sweep_measure_item(struct sweep *s, struct prf_measure_side *side,
                   const struct prf_measure_item *item, size_t *n_good,
                   struct prf_error *err)
{
    struct prf_measured m = {0};
    prf_progress_show(&s->progress, item->case_id);
    int rc = prf_measure_run(side, item, &m, err);
    *n_good += rc == 0 && m.result.status == PRF_STATUS_OK;
    prf_measured_release(&m);
    return rc;
}

/* Round by round over the cases, so that drift meets all of them. */
static int
sweep_measure_side(struct sweep *s, struct prf_measure_side *side,
                   const struct prf_side_results *stored, size_t *n_good,
                   struct prf_error *err)
{
    int rc = sweep_note_all(s, side, stored, err);
    for (size_t round = 0; rc == 0 && round < s->options.runs; round++) {
        for (size_t i = 0; rc == 0 && i < side->n_items; i++) {
            if (round < sweep_missing(s, stored, &side->items[i])) {
                rc = sweep_measure_item(s, side, &side->items[i], n_good, err);
            }
            if (rc == 0 && prf_interrupt_count() > 0) {
                rc = prf_fail(err, PRF_EINTERRUPTED, "interrupted");
            }
        }
    }
    return rc;
}

static int
sweep_finish_stop(struct sweep *s, const struct sweep_stop *stop,
                  const struct prf_measure_side *side, size_t n_good,
                  struct prf_error *err)
{
    char *what = NULL;
    int n;
    if (side->unbuildable != NULL) {
        n = asprintf(&what, "cannot be measured: %s", side->unbuildable);
        s->n_unmeasurable++;
    } else if (n_good == 0) {
        n = asprintf(&what, "no case could be measured%s%s",
                     side->n_failures > 0 ? ": " : "",
                     side->n_failures > 0 ? side->failures[0].reason : "");
        s->n_unmeasurable++;
    } else {
        n = asprintf(&what, "measured: %zu result%s", n_good, n_good == 1 ? "" : "s");
        s->n_measured++;
    }
    if (n < 0) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    sweep_say(s, stop, what);
    free(what);
    return 0;
}

static int
sweep_stop_at(struct sweep *s, const struct sweep_stop *stop, struct prf_error *err)
{
    struct prf_side_results stored = {0};
    struct prf_measure_side *side = NULL;
    char name[16];
    size_t n_good = 0;
    snprintf(name, sizeof name, "%.10s",
             stop->word != NULL ? stop->tree : stop->revision.id);
    const struct prf_measure_request request = {.name = name,
                                                .commit = stop->revision.id,
                                                .tree = stop->tree,
                                                .dirty = stop->word != NULL,
                                                .author_time = stop->revision.time};
    int rc = sweep_read_stored(s, stop, &stored, err);
    if (rc == 0 && sweep_is_stored(s, &stored)) {
        s->n_stored++;
        sweep_say(s, stop, "stored");
        goto out;
    }
    if (rc == 0) {
        prf_progress_show(&s->progress, name);
        rc = prf_measuring_side(&s->words, &request, &side, err);
    }
    if (rc == 0) {
        rc = sweep_measure_side(s, side, &stored, &n_good, err);
    }
    if (rc == 0) {
        rc = sweep_finish_stop(s, stop, side, n_good, err);
    }
out:
    prf_measure_close(side);
    prf_side_results_release(&stored);
    return rc;
}

/* --- the command
 * ------------------------------------------------------------------------ */

static void
sweep_begin_progress(struct sweep *s)
{
    struct prf_style style = prf_say_style(&s->options.general, stderr);
    const char *term = getenv("TERM");
    bool live = isatty(STDERR_FILENO) && (term == NULL || strcmp(term, "dumb") != 0);
    /* a line for each commit is on standard output already */
    prf_progress_init(&s->progress,
                      live && s->options.general.quiet == 0 ? stderr : NULL, live,
                      style.width);
    prf_progress_expect(&s->progress, s->n);
}

static int
sweep_begin(struct sweep *s, int argc, char **argv, int n_ours, struct prf_error *err)
{
    const struct prf_measuring_request request = {
        .argc = n_ours < argc ? argc - n_ours - 1 : 0,
        .argv = argv + n_ours + 1,
        .whole_argc = argc,
        .whole_argv = argv,
        .groups = sweep_groups,
        .layers = &s->layers,
        .target = &s->options,
        .options = &s->options.measuring,
        .store = s->options.store,
        .max_trees = 0,
    };
    const struct prf_measure_request today = {.name = "the work tree"};
    int rc = prf_measuring_begin(&s->words, &request, err);
    return rc != 0 ? rc : prf_measuring_side(&s->words, &today, &s->today, err);
}

static int
sweep_go(struct sweep *s, const char *const *words, int n, struct prf_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < s->today->n_failures; i++) {
        const struct prf_measure_failure *f = &s->today->failures[i];
        if (f->usage) {
            return prf_fail(err, PRF_EUSAGE, "%s", f->reason);
        }
        prf_say_warning("%s: in the work tree: %s", f->node, f->reason);
    }
    rc = sweep_find_stops(s, words, n, err);
    sweep_begin_progress(s);
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        rc = sweep_stop_at(s, &s->stops[i], err);
        s->progress.n_done++;
    }
    prf_progress_clear(&s->progress);
    s->interrupted = rc == PRF_EINTERRUPTED;
    if (s->interrupted) {
        prf_error_clear(err);
        fprintf(
            stderr,
            "pyprofiler: interrupted after %zu of %zu commits: the same command goes "
            "on where it stopped\n",
            s->n_measured + s->n_stored + s->n_unmeasurable, s->n);
        rc = 0;
    }
    return rc;
}

static int
sweep_exit(const struct sweep *s)
{
    if (s->interrupted) {
        return PRF_EXIT_INTERRUPTED;
    }
    if (s->n == 0 && s->up_to_date) {
        fputs("pyprofiler: nothing is new: the newest commit has results\n", stderr);
        return PRF_EXIT_OK;
    }
    if (s->n == 0) {
        fputs("pyprofiler: no commit is in that range\n", stderr);
        return PRF_EXIT_NOTHING;
    }
    if (s->today->n_items == 0 && s->today->n_failures == 0) {
        fputs("pyprofiler: no case was selected\n", stderr);
        return PRF_EXIT_NOTHING;
    }
    return s->n_measured + s->n_stored == 0 ? PRF_EXIT_FAILED : PRF_EXIT_OK;
}

static void
sweep_release(struct sweep *s)
{
    prf_measure_close(s->today);
    prf_measuring_end(&s->words);
    prf_sides_release(&s->sides);
    free(s->stops);
    prf_arena_release(&s->arena);
    prf_groups_release(sweep_groups, &s->options);
}

static int
sweep_main(const struct prf_command *self, int argc, char **argv)
{
    struct sweep s = {0};
    struct prf_error err = {0};
    const char *words[SWEEP_WORDS_MAX] = {NULL};
    int n_ours = 1, code = PRF_EXIT_OK;
    while (n_ours < argc && strcmp(argv[n_ours], "--") != 0) {
        n_ours++;
    }
    int rc = prf_groups_defaults(self->groups, &s.options, &err);
    int n = rc < 0 ? rc
                   : prf_args_parse(n_ours, argv, self->groups, &s.layers, &s.options,
                                    words, SWEEP_WORDS_MAX, &err);
    rc = n < 0 ? n : 0;
    if (rc == 0 && s.options.general.help) {
        prf_say_help(stdout, self, "pyprofiler sweep");
        sweep_release(&s);
        return PRF_EXIT_OK;
    }
    if (rc == 0 && n == 0) {
        rc = prf_fail(&err, PRF_EUSAGE,
                      "which commits? give a range as git takes it, NEW, ALL, EXISTING "
                      "or TAGS; see --help");
    }
    if (rc == 0) {
        rc = sweep_begin(&s, argc, argv, n_ours, &err);
    }
    if (rc == 0) {
        rc = sweep_go(&s, words, n, &err);
        code = sweep_exit(&s);
    }
    code = rc < 0 ? prf_say_error(&err) : code;
    sweep_release(&s);
    return code;
}

const struct prf_command prf_cmd_sweep = {
    .name = "sweep",
    .summary = "measure the cases of today at many commits",
    .usage = "[OPTIONS] RANGE... [-- WORDS OF run]",
    .about =
        "Checks out each commit of the range into a temporary folder, lays the cases "
        "of "
        "the work tree over it and measures them. RANGE is what git rev-list takes, "
        "NEW "
        "(since the newest commit with results), ALL, EXISTING (commits with results), "
        "TAGS, or a kept work tree (wip, wip~N). What is stored is not measured again: "
        "a sweep that was ended goes on when it is given again.",
    .groups = sweep_groups,
    .run = sweep_main,
};
