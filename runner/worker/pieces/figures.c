/* Figures of the calls of pieces: what FunctionStats and the reports tell. With the
   GIL, for the exceptions. */
#include "figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantiles.h"

int
prf_piece_durations_of(const struct prf_view *s, struct prf_piece_durations *d)
{
    size_t n = s->calls == NULL ? 0 : (size_t)s->n_calls;
    d->at = calloc(s->n_pieces + 2u, sizeof *d->at);
    d->ticks = malloc((n + 1) * sizeof *d->ticks);
    if (d->at == NULL || d->ticks == NULL) {
        prf_piece_durations_release(d);
        PyErr_NoMemory();
        return -1;
    }
    /* Counted two places on, filled one place on: then at[i] is where i begins. */
    for (size_t i = 0; i < n; i++) {
        d->at[s->nodes[s->calls[i].node].piece + 2]++;
    }
    for (uint32_t i = 2; i < s->n_pieces + 2; i++) {
        d->at[i] += d->at[i - 1];
    }
    for (size_t i = 0; i < n; i++) {
        d->ticks[d->at[s->nodes[s->calls[i].node].piece + 1]++] = s->calls[i].duration;
    }
    return 0;
}

void
prf_piece_durations_release(struct prf_piece_durations *d)
{
    free(d->ticks);
    free(d->at);
    *d = (struct prf_piece_durations){0};
}

struct prf_piece_figures
prf_piece_figures_exact(const struct prf_view_piece *piece)
{
    double n = (double)piece->n_calls;
    double deviation = piece->n_calls > 1 ? sqrt(piece->m2 / (n - 1)) : 0;
    return (struct prf_piece_figures){
        .total = prf_pieces_seconds((double)piece->total),
        .own = prf_pieces_seconds((double)piece->own),
        .waiting = prf_pieces_seconds((double)prf_view_waiting(piece)),
        .mean = piece->n_calls > 0 ? prf_pieces_seconds(piece->mean) : 0,
        .min = prf_pieces_seconds((double)piece->min),
        .max = prf_pieces_seconds((double)piece->max),
        .stddev = prf_pieces_seconds(deviation),
    };
}

void
prf_piece_buckets_add(const uint32_t *buckets, uint64_t *counts)
{
    for (uint32_t i = 0; buckets != NULL && i < PRF_PIECE_BUCKETS; i++) {
        counts[i] += buckets[i];
    }
}

static struct prf_quantile_buckets
figures_buckets(const uint64_t *counts, double min, double max)
{
    struct prf_quantile_buckets b = {.counts = counts, .min = min, .max = max};
    for (uint32_t i = 0; i < PRF_PIECE_BUCKETS; i++) {
        b.n += counts[i];
    }
    return b;
}

double
prf_piece_sample_quantile(const struct prf_piece_sample *s, double percent)
{
    if (s->sorted != NULL && (s->n_kept == s->n_calls || s->buckets == NULL)) {
        return prf_pieces_seconds(
            prf_quantile_of_sorted(s->sorted, (size_t)s->n_kept, percent));
    }
    if (s->buckets == NULL) {
        return 0;
    }
    struct prf_quantile_buckets b = figures_buckets(s->buckets, s->min, s->max);
    return prf_quantile_of_buckets(&b, percent);
}

/* Quantiles of one piece, which sorts its durations in place. */
static void
figures_add_quantiles(const struct prf_view_piece *piece, uint64_t *ticks,
                      uint64_t *room, size_t n, struct prf_piece_figures *figures)
{
    uint64_t counts[PRF_PIECE_BUCKETS] = {0};
    struct prf_piece_sample s = {.n_calls = piece->n_calls,
                                 .n_kept = n,
                                 .sorted = ticks,
                                 .min = figures->min,
                                 .max = figures->max};
    prf_quantiles_sort(ticks, room, n);
    prf_piece_buckets_add(piece->buckets, counts);
    s.buckets = piece->buckets == NULL ? NULL : counts;
    figures->median = prf_piece_sample_quantile(&s, 50);
    figures->p95 = prf_piece_sample_quantile(&s, 95);
    figures->p99 = prf_piece_sample_quantile(&s, 99);
}

static uint64_t *
figures_room(const struct prf_view *s)
{
    uint64_t *room = malloc(((size_t)s->n_calls + 1) * sizeof *room);
    if (room == NULL) {
        PyErr_NoMemory();
    }
    return room;
}

struct prf_piece_figures *
prf_piece_figures_of(const struct prf_view *s)
{
    struct prf_piece_durations d = {0};
    struct prf_piece_figures *figures = NULL;
    uint64_t *room = figures_room(s);
    if (room == NULL || prf_piece_durations_of(s, &d) < 0) {
        goto out;
    }
    figures = calloc(s->n_pieces + 1u, sizeof *figures);
    if (figures == NULL) {
        PyErr_NoMemory();
        goto out;
    }
    for (uint32_t i = 0; i < s->n_pieces; i++) {
        figures[i] = prf_piece_figures_exact(&s->pieces[i]);
        figures_add_quantiles(&s->pieces[i], d.ticks + d.at[i], room,
                              d.at[i + 1] - d.at[i], &figures[i]);
    }
out:
    prf_piece_durations_release(&d);
    free(room);
    return figures;
}

/* Median and 95th percentile of all calls. */
static int
figures_overall(const struct prf_view *s, struct prf_pieces_summary *sum)
{
    size_t n = s->calls == NULL ? 0 : (size_t)s->n_calls;
    uint64_t counts[PRF_PIECE_BUCKETS] = {0};
    bool buckets = false;
    uint64_t *ticks = figures_room(s), *room = figures_room(s);
    int rc = ticks == NULL || room == NULL ? -1 : 0;
    if (rc == 0) {
        struct prf_piece_sample all = {.n_calls = sum->n_calls,
                                       .n_kept = n,
                                       .sorted = ticks,
                                       .min = sum->min,
                                       .max = sum->max};
        for (size_t i = 0; i < n; i++) {
            ticks[i] = s->calls[i].duration;
        }
        prf_quantiles_sort(ticks, room, n);
        for (uint32_t i = 0; i < s->n_pieces; i++) {
            buckets |= s->pieces[i].buckets != NULL;
            prf_piece_buckets_add(s->pieces[i].buckets, counts);
        }
        all.buckets = buckets ? counts : NULL;
        sum->median = prf_piece_sample_quantile(&all, 50);
        sum->p95 = prf_piece_sample_quantile(&all, 95);
    }
    free(ticks);
    free(room);
    return rc;
}

int
prf_pieces_summarize(const struct prf_view *s, struct prf_pieces_summary *sum)
{
    struct prf_view_sums sums = prf_view_sum(s);
    double elapsed = s->ended > s->began ? (double)(s->ended - s->began) : 0;
    *sum = (struct prf_pieces_summary){
        .n_functions = s->n_called,
        .n_threads = s->n_callers,
        .n_calls = sums.n_calls,
        .n_kept = s->n_calls,
        .n_lost = s->n_lost,
        .keep_calls = s->keep_calls,
        .total = prf_pieces_seconds((double)sums.total),
        .own = prf_pieces_seconds((double)sums.own),
        .waiting = prf_pieces_seconds((double)sums.waiting),
        .elapsed = prf_pieces_seconds(elapsed),
        .mean = prf_pieces_seconds(sums.mean),
        .min = prf_pieces_seconds((double)sums.min),
        .max = prf_pieces_seconds((double)sums.max),
    };
    return figures_overall(s, sum);
}
