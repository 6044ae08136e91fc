/* Backends of the test host that hear the events and do nothing with them. */
#include "host.h"

#include "call_events.h"
#include "clock.h"
#include "codes.h"
#include "compat.h"
#include "line_events.h"

/* --- "empty": the floor, the same events for nobody --- */

static void
empty_thread_start(struct prf_call_thread *thread)
{
    (void)thread;
}

static void
empty_python(struct prf_call_thread *thread, PyCodeObject *code)
{
    (void)thread;
    (void)code;
}

static void
empty_leave_python(struct prf_call_thread *thread, PyCodeObject *code, PyObject *result)
{
    (void)thread;
    (void)code;
    (void)result;
}

static void
empty_enter_c(struct prf_call_thread *thread, PyMethodDef *method, PyObject *self,
              PyObject *module, PyCodeObject *caller)
{
    (void)thread;
    (void)method;
    (void)self;
    (void)module;
    (void)caller;
}

static void
empty_leave_c(struct prf_call_thread *thread, PyMethodDef *method, PyCodeObject *caller,
              enum prf_call_end end)
{
    (void)end;
    (void)thread;
    (void)method;
    (void)caller;
}

static const struct prf_call_ops empty_ops = {
    .name = "empty",
    .thread_size = sizeof(struct prf_call_thread),
    .thread_start = empty_thread_start,
    .enter_python = empty_python,
    .enter_c = empty_enter_c,
    .leave_python = empty_leave_python,
    .leave_c = empty_leave_c,
};

struct empty {
    struct prf_call_events events;
    bool ignore_c_function;
};

static int
empty_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct empty *st = state;
    (void)session;
    return prf_call_events_open(&st->events, &empty_ops, st,
                                st->ignore_c_function ? PRF_CALL_NO_C : 0, err);
}

static int
empty_start(void *state, struct prf_round *round, struct prf_error *err)
{
    (void)round;
    return prf_call_events_start(&((struct empty *)state)->events, err);
}

static int
empty_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    (void)round;
    (void)err;
    prf_call_events_stop(&((struct empty *)state)->events);
    return PRF_DONE;
}

static int
empty_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    (void)state;
    (void)sink;
    (void)err;
    return 0;
}

static void
empty_close(void *state)
{
    prf_call_events_close(&((struct empty *)state)->events);
}

static const struct prf_metric empty_metrics[] = {{NULL}};

static const struct prf_option empty_options[] = {
    {.type = PRF_OPT_FLAG,
     .name = "ignore-c-function",
     .offset = offsetof(struct empty, ignore_c_function),
     .help = "as in call"},
    PRF_OPTIONS_END,
};

const struct prf_backend prf_host_empty = {
    .abi = PRF_BACKEND_ABI,
    .name = "empty",
    .summary = "call events for nobody",
    .state_size = sizeof(struct empty),
    .metrics = empty_metrics,
    .options = empty_options,
    .open = empty_open,
    .start = empty_start,
    .stop = empty_stop,
    .collect = empty_collect,
    .close = empty_close,
};

/* --- "empty-line": the same for the lines of the case's file --- */

struct empty_line {
    struct prf_line_events events;
    char file[4096];
};

static enum prf_line_verdict
empty_line_look(struct prf_line_thread *thread, PyCodeObject *code, PyObject *globals)
{
    const struct empty_line *st = thread->events->user;
    const char *file = PyUnicode_AsUTF8(code->co_filename);
    (void)globals;
    return file != NULL && strcmp(file, st->file) == 0 ? PRF_LINE_YES : PRF_LINE_NEVER;
}

static int
empty_line_code_init(void *user, struct prf_line_code *code)
{
    (void)user;
    (void)code;
    return 0;
}

static void
empty_line_code_release(struct prf_line_code *code)
{
    (void)code;
}

static void
empty_line_frame(struct prf_line_thread *thread, struct prf_line_frame *frame)
{
    (void)thread;
    (void)frame;
}

static void
empty_line_line(struct prf_line_thread *thread, struct prf_line_frame *frame, int line)
{
    (void)thread;
    (void)frame;
    (void)line;
}

static void
empty_line_lost(void *user)
{
    (void)user;
}

static const struct prf_line_ops empty_line_ops = {
    .name = "empty-line",
    .code_size = sizeof(struct prf_line_code),
    .look = empty_line_look,
    .code_init = empty_line_code_init,
    .code_release = empty_line_code_release,
    .enter = empty_line_frame,
    .line = empty_line_line,
    .leave = empty_line_frame,
    .lost = empty_line_lost,
};

static int
empty_line_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    struct empty_line *st = state;
    snprintf(st->file, sizeof st->file, "%s", session->case_file);
    return prf_line_events_open(&st->events, &empty_line_ops, st, 0, err);
}

static int
empty_line_start(void *state, struct prf_round *round, struct prf_error *err)
{
    (void)round;
    return prf_line_events_start(&((struct empty_line *)state)->events, err);
}

static int
empty_line_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    (void)round;
    (void)err;
    prf_line_events_stop(&((struct empty_line *)state)->events);
    return PRF_DONE;
}

static void
empty_line_close(void *state)
{
    prf_line_events_close(&((struct empty_line *)state)->events);
}

static const struct prf_option empty_line_options[] = {PRF_OPTIONS_END};

const struct prf_backend prf_host_empty_line = {
    .abi = PRF_BACKEND_ABI,
    .name = "empty-line",
    .summary = "line events for nobody",
    .state_size = sizeof(struct empty_line),
    .metrics = empty_metrics,
    .options = empty_line_options,
    .open = empty_line_open,
    .start = empty_line_start,
    .stop = empty_line_stop,
    .collect = empty_collect,
    .close = empty_line_close,
};
