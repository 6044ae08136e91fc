/* passthrough: the case alone, to see what the others cost. */
#include "backends.h"

static int
passthrough_open(void *state, const struct prf_session *session, struct prf_error *err)
{
    (void)state;
    (void)session;
    (void)err;
    return 0;
}

static int
passthrough_start(void *state, struct prf_round *round, struct prf_error *err)
{
    (void)state;
    (void)round;
    (void)err;
    return 0;
}

static int
passthrough_stop(void *state, const struct prf_round *round, struct prf_error *err)
{
    (void)state;
    (void)round;
    (void)err;
    return PRF_DONE;
}

static int
passthrough_collect(void *state, struct prf_sink *sink, struct prf_error *err)
{
    (void)state;
    (void)sink;
    (void)err;
    return 0;
}

static void
passthrough_close(void *state)
{
    (void)state;
}

static const struct prf_metric passthrough_metrics[] = {{NULL}};
static const struct prf_option passthrough_options[] = {PRF_OPTIONS_END};

const struct prf_backend prf_passthrough = {
    .abi = PRF_BACKEND_ABI,
    .name = "passthrough",
    .summary = "the case alone, unmeasured",
    .state_size = 1,
    .metrics = passthrough_metrics,
    .options = passthrough_options,
    .open = passthrough_open,
    .start = passthrough_start,
    .stop = passthrough_stop,
    .collect = passthrough_collect,
    .close = passthrough_close,
};
