/* What became of a case; see judge.h. */
#include "judge.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "strbuf.h"

static const char *
judge_vtext(struct prf_arena *arena, const char *format, va_list args)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    prf_strbuf_vaddf(&sb, format, args);
    const char *text = prf_arena_strdup(arena, prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
    return text;
}

const char *
prf_result_text(struct prf_result *result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = judge_vtext(&result->arena, format, args);
    va_end(args);
    return text;
}

void
prf_result_note(struct prf_result *result, const char *format, ...)
{
    if (result->profile == NULL) {
        result->profile = calloc(1, sizeof *result->profile);
        if (result->profile == NULL) {
            return; /* a note is not worth a failure */
        }
        result->profile->duration_ns = -1;
    }
    struct prf_profile *p = result->profile;
    const char **notes = prf_arena_alloc(&p->arena, (p->n_notes + 1) * sizeof *notes);
    va_list args;
    va_start(args, format);
    const char *text = judge_vtext(&p->arena, format, args);
    va_end(args);
    if (notes != NULL && text != NULL) {
        if (p->n_notes > 0) {
            memcpy(notes, p->notes, p->n_notes * sizeof *notes);
        }
        notes[p->n_notes++] = text;
        p->notes = notes;
    }
}

/* " during set-up", or "" when the recording does not tell. */
static const char *
judge_during(struct prf_result *result)
{
    const char *phase = result->profile == NULL ? NULL : result->profile->phase;
    return phase == NULL ? "" : prf_result_text(result, " during %s", phase);
}

static const char *
judge_signal_hint(const struct prf_outcome *outcome)
{
    if (outcome->signal == SIGKILL) {
        return " (by another process, or by the kernel because memory ran out)";
    }
    return outcome->valgrind && outcome->signal == SIGILL
               ? " (by an instruction that valgrind does not know)"
               : "";
}

static void
judge_signal(struct prf_result *result, const struct prf_outcome *outcome)
{
    char buf[32];
    const char *name = prf_signal_name(outcome->signal, buf, sizeof buf);
    result->status = PRF_STATUS_CRASHED;
    result->signal = prf_result_text(result, "%s", name);
    result->reason =
        prf_result_text(result, "%s ended by %s%s%s",
                        outcome->worker_lost ? "the worker was" : "the process was",
                        name, judge_during(result), judge_signal_hint(outcome));
}

static void
judge_timeout(struct prf_result *result, const struct prf_outcome *outcome)
{
    result->status = PRF_STATUS_TIMEOUT;
    result->reason =
        prf_result_text(result, "no end after %g s (--timeout)%s",
                        (double)outcome->limit_ns / 1e9, judge_during(result));
}

static void
judge_exit(struct prf_result *result, const struct prf_outcome *outcome)
{
    result->status = PRF_STATUS_CRASHED;
    if (outcome->code < 0) {
        result->reason = prf_result_text(result, "the process ended%s, nobody saw how",
                                         judge_during(result));
        return;
    }
    result->reason =
        prf_result_text(result, "the %s ended with exit code %d%s (os._exit?)",
                        outcome->worker_lost ? "worker" : "process", outcome->code,
                        judge_during(result));
}

/* A script may end as it likes. What Python printed last was recorded. */
static void
judge_script(struct prf_result *result, const struct prf_outcome *outcome)
{
    const char *raised = result->profile == NULL ? NULL : result->profile->reason;
    char buf[32];
    if (outcome->signal != 0 && raised == NULL) {
        judge_signal(result, outcome);
        return;
    }
    result->status = outcome->code == 0 ? PRF_STATUS_OK : PRF_STATUS_FAILED;
    if (outcome->signal != 0) { /* Ctrl-C: an exception, then the signal again */
        result->signal = prf_result_text(
            result, "%s", prf_signal_name(outcome->signal, buf, sizeof buf));
    }
    if (outcome->code != 0) {
        result->reason = raised != NULL
                             ? raised
                             : prf_result_text(result, "exit code %d", outcome->code);
    }
    if (result->profile == NULL || result->profile->duration_ns < 0) {
        prf_result_note(result,
                        "the process ended%s (os._exit?): what the profiler "
                        "adds at the end is missing",
                        judge_during(result));
    }
}

static void
judge_recorded(struct prf_result *result, int status, const struct prf_outcome *outcome)
{
    result->status = (enum prf_status)status;
    result->reason = result->profile->reason;
    if (outcome->timed_out) {
        prf_result_note(result, "the process did not end by itself and was killed");
    }
}

void
prf_judge(struct prf_result *result, const struct prf_outcome *outcome)
{
    const struct prf_profile *profile = result->profile;
    int status = profile == NULL || profile->status == NULL
                     ? -1
                     : prf_status_parse(profile->status);
    if (profile != NULL) {
        result->traceback = profile->traceback;
        result->duration_ns = profile->duration_ns;
    }
    /* we killed it, but it had told all before: its word counts */
    bool told = status >= 0 && (outcome->timed_out || outcome->signal == 0);
    if (told) {
        judge_recorded(result, status, outcome);
    } else if (outcome->timed_out) {
        judge_timeout(result, outcome);
    } else if (outcome->is_script) {
        judge_script(result, outcome);
    } else if (outcome->signal != 0) {
        judge_signal(result, outcome);
    } else {
        judge_exit(result, outcome);
    }
    bool ended_badly =
        result->status == PRF_STATUS_CRASHED || result->status == PRF_STATUS_TIMEOUT;
    if (ended_badly && outcome->fault != NULL && *outcome->fault != '\0') {
        result->traceback = prf_result_text(result, "%s", outcome->fault);
    }
    if (outcome->n_left > 0) {
        prf_result_note(result, "%d process%s of the case outlived it and %s killed",
                        outcome->n_left, outcome->n_left == 1 ? "" : "es",
                        outcome->n_left == 1 ? "was" : "were");
    }
}
