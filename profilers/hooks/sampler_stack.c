/* Reading a stack that may change, see sampler_stack.h.

   On the thread itself, in a signal handler, the interpreter may be between any two
   instructions of entering or leaving a function; measured with 10,000 samples a second
   for a minute, an unguarded reader crashes on 3.11 and 3.12. */
#define _GNU_SOURCE 1
#define Py_BUILD_CORE_MODULE 1
#include "sampler_stack.h"

#include "compat.h"

#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* More frames than this are a circle. */
#define STACK_FRAMES_MAX (1u << 20)

/* Readers that a sanitizer would stop at memory that is gone: that is what the guard
   and the checks are for. */
#define STACK_READER __attribute__((no_sanitize("address", "undefined")))

/* Where a fault on this thread goes; of the initial TLS block, because another one
   would be allocated when it is first touched, in a signal handler. */
static _Thread_local sigjmp_buf *volatile stack_guard
    __attribute__((tls_model("initial-exec")));

static const int stack_signals[] = {SIGSEGV, SIGBUS};
static struct sigaction stack_before[2]; /* the handlers below ours */
static struct sigaction stack_later[2];  /* those that were put over ours since */
static atomic_bool stack_is_guarding;
static atomic_bool stack_is_bare; /* somebody has put a handler over ours */

/* ---- faults ---- */

static void
stack_pass_on(int signal, siginfo_t *info, void *context, const struct sigaction *to)
{
    if ((to->sa_flags & SA_SIGINFO) != 0) {
        to->sa_sigaction(signal, info, context);
    } else if (to->sa_handler != SIG_DFL && to->sa_handler != SIG_IGN) {
        to->sa_handler(signal);
    } else {
        /* The instruction faults again, or the signal comes again, without us. */
        sigaction(signal, to, NULL);
        if (info->si_code <= 0) {
            raise(signal);
        }
    }
}

static void
stack_catch(const siginfo_t *info)
{
    sigjmp_buf *guard = stack_guard;
    if (guard != NULL && info->si_code > 0) {
        stack_guard = NULL;
        siglongjmp(*guard, 1);
    }
}

static void
stack_fault(int signal, siginfo_t *info, void *context)
{
    stack_catch(info);
    stack_pass_on(signal, info, context, &stack_before[signal == SIGBUS]);
}

/* Ours, put over a handler that came after stack_fault (faulthandler.enable()). When
   its owner takes that one back, stack_fault is the handler again: so the two differ.
 */
static void
stack_fault_later(int signal, siginfo_t *info, void *context)
{
    stack_catch(info);
    stack_pass_on(signal, info, context, &stack_later[signal == SIGBUS]);
}

static bool
stack_is(const struct sigaction *action, void (*handler)(int, siginfo_t *, void *))
{
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == handler;
}

static bool
stack_is_ours(const struct sigaction *action)
{
    return stack_is(action, stack_fault) || stack_is(action, stack_fault_later);
}

/* SA_NODEFER: the handler is left by a jump that restores no mask. */
static int
stack_install(int i, void (*handler)(int, siginfo_t *, void *), struct sigaction *below)
{
    const struct sigaction action = {.sa_sigaction = handler,
                                     .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    return sigaction(stack_signals[i], &action, below);
}

int
prf_sampler_guard_start(struct prf_error *err)
{
    for (int i = 0; i < 2; i++) {
        struct sigaction now;
        if (sigaction(stack_signals[i], NULL, &now) < 0 ||
            (!stack_is_ours(&now) &&
             stack_install(i, stack_fault, &stack_before[i]) < 0)) {
            return prf_fail(err, PRF_EIO, "cannot catch faults: %s", strerror(errno));
        }
    }
    atomic_store(&stack_is_guarding, true);
    return 0;
}

void
prf_sampler_guard_renew(void)
{
    if (!atomic_load_explicit(&stack_is_bare, memory_order_relaxed) ||
        !atomic_load(&stack_is_guarding)) {
        return;
    }
    atomic_store(&stack_is_bare, false);
    for (int i = 0; i < 2; i++) {
        struct sigaction now;
        if (sigaction(stack_signals[i], NULL, &now) == 0 && !stack_is_ours(&now)) {
            stack_later[i] = now;
            stack_install(i, stack_fault_later, NULL);
        }
    }
}

void
prf_sampler_guard_stop(void)
{
    if (!atomic_exchange(&stack_is_guarding, false)) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        struct sigaction now;
        if (sigaction(stack_signals[i], NULL, &now) < 0) {
            continue;
        }
        if (stack_is(&now, stack_fault)) {
            sigaction(stack_signals[i], &stack_before[i], NULL);
        } else if (stack_is(&now, stack_fault_later)) {
            sigaction(stack_signals[i], &stack_later[i], NULL);
        }
    }
}

/* Nobody has put a handler over ours. */
static bool
stack_is_guarded(void)
{
    struct sigaction now;
    return sigaction(SIGSEGV, NULL, &now) == 0 && stack_is_ours(&now);
}

/* ---- frames ---- */

/* The code of a frame with the index of its instruction; NULL: it cannot be true.

   What is taken for a code object is one: its type says so, its count of references is
   that of a living object, and the frame's instruction is among its own. A code object
   that was freed had a count of zero before; the allocators either leave that or write
   an address there (pymalloc) or over the type (malloc), and an address is larger than
   any count, that of an immortal object included. */
STACK_READER static PyCodeObject *
stack_code(const struct _PyInterpreterFrame *frame, int64_t *instr)
{
    PyCodeObject *code = PRF_FRAME_CODE(frame);
    if (code == NULL || ((uintptr_t)code & (sizeof(void *) - 1)) != 0 ||
        ((PyObject *)code)->ob_type != &PyCode_Type ||
        ((PyObject *)code)->ob_refcnt <= 0 ||
        ((PyObject *)code)->ob_refcnt > (Py_ssize_t)UINT32_MAX) {
        return NULL;
    }
    const char *first = code->co_code_adaptive;
    *instr =
        ((const char *)PRF_FRAME_INSTR(frame) - first) / (int64_t)sizeof(_Py_CODEUNIT);
    return *instr >= -1 && *instr < ((PyVarObject *)code)->ob_size ? code : NULL;
}

/* Number of frames from `frame` outwards, written to `out` up to `room`; -1: torn. */
STACK_READER static int64_t
stack_walk(const struct _PyInterpreterFrame *frame, const void *base,
           struct prf_sampler_frame *out, uint32_t room)
{
    int64_t n = 0;
    for (unsigned i = 0; frame != NULL && frame != base; i++, frame = frame->previous) {
        int64_t instr;
        if (i == STACK_FRAMES_MAX || ((uintptr_t)frame & (sizeof(void *) - 1)) != 0) {
            return -1;
        }
        if (PRF_FRAME_IS_SHIM(frame)) {
            continue;
        }
        PyCodeObject *code = stack_code(frame, &instr);
        if (code == NULL) {
            return -1;
        }
        if (n < room) {
            out[n] = (struct prf_sampler_frame){.code = code, .instr = instr};
        } else if (room > 0) {
            break;
        }
        n++;
    }
    return n;
}

STACK_READER enum prf_sampler_outcome
prf_sampler_stack_read(PyThreadState *tstate, const struct prf_sampler_request *request)
{
    struct prf_sampler_entry *volatile entry = NULL;
    volatile uint32_t n_reserved = 0;
    sigjmp_buf guard;
    if (!stack_is_guarded()) {
        atomic_store(&stack_is_bare, true);
        return PRF_SAMPLER_TORN;
    }
    if (sigsetjmp(guard, 0) != 0) {
        if (entry != NULL) {
            prf_sampler_ring_publish(entry, n_reserved, PRF_SAMPLER_SKIP);
        }
        return PRF_SAMPLER_TORN;
    }
    stack_guard = &guard;
    atomic_signal_fence(memory_order_seq_cst);
    enum prf_sampler_outcome outcome = PRF_SAMPLER_TORN;
    const struct _PyInterpreterFrame *top = PRF_THREAD_FRAME(tstate);
    int64_t n = stack_walk(top, request->base, NULL, 0);
    if (n == 0) {
        outcome = PRF_SAMPLER_NO_FRAMES;
    } else if (n > 0) {
        n_reserved = n < request->max_depth ? (uint32_t)n : request->max_depth;
        entry = prf_sampler_ring_reserve(request->ring, n_reserved);
        outcome = entry == NULL ? PRF_SAMPLER_FULL : PRF_SAMPLER_TORN;
    }
    if (entry != NULL) {
        int64_t n_read = stack_walk(top, request->base, entry->frames, n_reserved);
        if (n_read > 0) {
            entry->n = (uint32_t)n_read;
            entry->truncated = n > n_reserved;
            entry->weight_ns = request->weight_ns;
            outcome = PRF_SAMPLER_TAKEN;
        }
        prf_sampler_ring_publish(entry, n_reserved,
                                 n_read > 0 ? PRF_SAMPLER_STACK : PRF_SAMPLER_SKIP);
    }
    atomic_signal_fence(memory_order_seq_cst);
    stack_guard = NULL;
    return outcome;
}

const void *
prf_sampler_stack_top(PyThreadState *tstate)
{
    return PRF_THREAD_FRAME(tstate);
}
