/* The sampler; see sampler.h.

   Why a code object in the ring is alive when the ring is emptied, though nobody holds
   a reference for it:
   - A stack is read only where its code objects are alive (sampler_stack.c checks).
   - A code object that dies passes through sampler_code_dealloc, with the GIL, before
     its memory is given back: the ring is emptied there first, and who takes a sample
     keeps its codes. If the dying one was among them it lives on.
   - A thread that holds the GIL and is in our handler cannot be in that function, nor
     can another thread. A thread without the GIL holds references to all of its frames'
     codes. The thread that reads stacks of others may see a code that has just left
     its frame: it holds `reading` from the check to the publication, and the
     deallocation passes through `reading` after the count of references fell to zero.

   Handlers touch static memory and the ring only, and those are never given back: a
   handler that is late finds the sampler inactive. */
#define _GNU_SOURCE 1
#define Py_BUILD_CORE_MODULE 1
#include "sampler.h"

#include "clock.h"
#include "compat.h"
#include "sampler_stack.h"

#include <internal/pycore_interp.h>
#include <internal/pycore_pystate.h>
#include <internal/pycore_runtime.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SAMPLER_STACK ((size_t)256 << 10) /* address space; some pages are touched */
#define SAMPLER_WORDS ((size_t)4 << 20)   /* 32 MB of address space */
#define SAMPLER_THREADS 1024u             /* told apart at one time; a power of two */
#define SAMPLER_PROBES 64u                /* slots that a thread may have */
#define SAMPLER_DRAIN_NS 100000000u       /* what a crash may lose */
#define SAMPLER_CROWDED 50u               /* percent of the ring: take the GIL */
#define SAMPLER_PATIENCE 8u               /* ticks until a signal is given up */
#define SAMPLER_LOOK_NS 2000000u          /* by processor time: for new threads */
#define SAMPLER_LAST_WAIT 200u            /* times 100 us for signals on their way */

struct sampler_thread {
    uint64_t id;              /* of the thread state; 0: free */
    pid_t tid;                /* the kernel's */
    atomic_bool asked;        /* a signal is on its way */
    unsigned n_asked;         /* ticks since then */
    _Atomic uint64_t owed_ns; /* time that no sample stands for yet */
    uint64_t n_seen;          /* the last tick that saw it */
    bool has_timer;
    timer_t timer;
};

static struct sampler {
    struct prf_sampler_config config;
    struct prf_sampler_ring ring;
    PyInterpreterState *interp;
    const void *base; /* frame; NULL: none */
    pid_t base_tid;
    int signal;
    struct sigaction before;
    destructor dealloc; /* of code objects */
    pthread_t thread;
    pid_t thread_tid;
    sem_t wake;
    uint64_t n_ticks;
    unsigned n_timers; /* of threads that ran, by processor time */
    struct sampler_thread threads[SAMPLER_THREADS];
    uint64_t lost_ns;
    bool running;  /* protected by the GIL */
    bool draining; /* protected by the GIL */
    atomic_bool active, ending, drain_is_due;
    _Atomic uint32_t n_handling;
    _Atomic uint64_t n_taken, n_torn, n_full;
} the;

static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;

/* ---- a sample ---- */

/* On the thread itself, or with `reading`. */
static void
sampler_take(struct sampler_thread *thread, PyThreadState *tstate)
{
    uint64_t owed_ns = atomic_exchange(&thread->owed_ns, 0);
    if (owed_ns == 0) {
        return; /* it has been taken meanwhile */
    }
    const struct prf_sampler_request request = {
        .ring = &the.ring,
        .base = thread->tid == the.base_tid ? the.base : NULL,
        .max_depth = the.config.max_depth,
        .weight_ns = owed_ns,
    };
    switch (prf_sampler_stack_read(tstate, &request)) {
    case PRF_SAMPLER_TAKEN:
        atomic_fetch_add_explicit(&the.n_taken, 1, memory_order_relaxed);
        return;
    case PRF_SAMPLER_NO_FRAMES:
        return;
    case PRF_SAMPLER_TORN:
        atomic_fetch_add_explicit(&the.n_torn, 1, memory_order_relaxed);
        break;
    case PRF_SAMPLER_FULL:
        atomic_fetch_add_explicit(&the.n_full, 1, memory_order_relaxed);
        break;
    }
    atomic_fetch_add(&thread->owed_ns, owed_ns);
}

static void
sampler_handler(int signal, siginfo_t *info, void *context)
{
    const ucontext_t *interrupted = context;
    int saved_errno = errno;
    (void)signal;
    atomic_fetch_add(&the.n_handling, 1);
    bool is_timer = info->si_code == SI_TIMER;
    if (is_timer || info->si_code == SI_QUEUE) {
        struct sampler_thread *thread =
            &the.threads[(unsigned)info->si_value.sival_int & (SAMPLER_THREADS - 1)];
        if (is_timer) {
            atomic_fetch_add(&thread->owed_ns,
                             the.config.interval_ns * (uint64_t)(1 + info->si_overrun));
        }
        PyThreadState *tstate = PyGILState_GetThisThreadState();
        /* A fault while its signal is blocked cannot be caught. */
        if (atomic_load(&the.active) && tstate != NULL &&
            tstate->interp == the.interp &&
            sigismember(&interrupted->uc_sigmask, SIGSEGV) == 0) {
            sampler_take(thread, tstate);
        }
        atomic_store(&thread->asked, false);
    }
    atomic_fetch_sub(&the.n_handling, 1);
    errno = saved_errno;
}

/* ---- from the ring to the user ---- */

void
prf_sampler_drain(void)
{
    if (!the.running || the.draining) {
        return;
    }
    struct prf_sampler_entry *entry;
    the.draining = true;
    while ((entry = prf_sampler_ring_peek(&the.ring)) != NULL) {
        the.config.take(the.config.user, entry);
        prf_sampler_ring_drop(&the.ring, entry);
    }
    the.draining = false;
}

static int
sampler_drain_pending(void *argument)
{
    (void)argument;
    atomic_store(&the.drain_is_due, false);
    prf_sampler_drain();
    return 0;
}

/* A code object's last reference went. */
static void
sampler_code_dealloc(PyObject *code)
{
    if (the.running && PyInterpreterState_Get() == the.interp) {
        pthread_mutex_lock(&reading); /* what is being read is in the ring now */
        pthread_mutex_unlock(&reading);
        if (the.draining) {
            Py_SET_REFCNT(code, 1); /* a name without UTF-8 ran a codec; never freed */
            return;
        }
        prf_sampler_drain();
        if (Py_REFCNT(code) > 0) {
            return; /* it was in a sample, and is kept */
        }
    }
    the.dealloc(code);
}

/* ---- the thread that keeps the time ---- */

static uint64_t
sampler_cpu_ns(pid_t tid)
{
    struct timespec ts = {0};
    clock_gettime((clockid_t)((~(unsigned)tid << 3) | 6u), &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct timespec
sampler_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

/* A part of the interval, another one each time: a thread's time is then counted right
   on average, however short it lives. */
static uint64_t
sampler_phase_ns(void)
{
    uint64_t x = prf_now() * 0x9E3779B97F4A7C15u;
    return 1 + (x >> 20) % the.config.interval_ns;
}

static void
sampler_disarm(struct sampler_thread *thread)
{
    if (thread->has_timer) {
        timer_delete(thread->timer);
        thread->has_timer = false;
        the.n_timers--;
    }
}

/* A timer on the processor time of a thread, which signals that thread. */
static void
sampler_arm(struct sampler_thread *thread)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = the.signal};
    event.sigev_value.sival_int = (int)(thread - the.threads);
    event._sigev_un._tid = thread->tid;
    clockid_t clock = (clockid_t)((~(unsigned)thread->tid << 3) | 6u);
    const struct itimerspec times = {
        .it_interval = sampler_timespec(the.config.interval_ns),
        .it_value = sampler_timespec(sampler_phase_ns()),
    };
    if (timer_create(clock, &event, &thread->timer) == 0) {
        thread->has_timer = true;
        the.n_timers++;
        timer_settime(thread->timer, 0, &times, NULL);
    }
}

/* A thread that was not seen before gets the slot. */
static void
sampler_adopt(struct sampler_thread *thread, const PyThreadState *tstate)
{
    sampler_disarm(thread);
    thread->id = tstate->id;
    thread->tid = (pid_t)tstate->native_thread_id;
    thread->n_asked = 0;
    atomic_store(&thread->asked, false);
    atomic_store(&thread->owed_ns, 0);
    if (the.config.mode == PRF_SAMPLER_CPU) {
        /* What a new one has used until it was seen is its own. */
        atomic_store(&thread->owed_ns,
                     the.n_ticks > 0 ? sampler_cpu_ns(thread->tid) : 0);
        sampler_arm(thread);
    }
}

/* The thread's slot, or NULL: there are too many. */
static struct sampler_thread *
sampler_find(const PyThreadState *tstate)
{
    struct sampler_thread *free_one = NULL;
    for (unsigned i = 0; i < SAMPLER_PROBES; i++) {
        struct sampler_thread *thread =
            &the.threads[(tstate->id + i) & (SAMPLER_THREADS - 1)];
        if (thread->id == tstate->id &&
            thread->tid == (pid_t)tstate->native_thread_id) {
            thread->n_seen = the.n_ticks;
            return thread;
        }
        bool is_free = thread->id == 0 || thread->n_seen + 1 < the.n_ticks;
        free_one = free_one == NULL && is_free ? thread : free_one;
    }
    if (free_one != NULL) {
        sampler_adopt(free_one, tstate);
        free_one->n_seen = the.n_ticks;
    }
    return free_one;
}

/* Have the thread read its own stack. */
static bool
sampler_ask(struct sampler_thread *thread)
{
    siginfo_t info = {.si_signo = the.signal, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = (int)(thread - the.threads);
    atomic_store(&thread->asked, true);
    thread->n_asked = 0;
    if (syscall(SYS_rt_tgsigqueueinfo, info.si_pid, thread->tid, the.signal, &info) ==
        0) {
        return true;
    }
    atomic_store(&thread->asked, false);
    return false;
}

static void
sampler_take_outside(struct sampler_thread *thread, PyThreadState *tstate)
{
    pthread_mutex_lock(&reading);
    sampler_take(thread, tstate);
    pthread_mutex_unlock(&reading);
}

static void
sampler_tick_thread(struct sampler_thread *thread, PyThreadState *tstate,
                    uint64_t elapsed_ns)
{
    if (the.config.mode == PRF_SAMPLER_CPU) {
        return; /* its timer does it */
    }
    atomic_fetch_add(&thread->owed_ns, elapsed_ns);
    if (atomic_load(&thread->asked) && thread->n_asked++ < SAMPLER_PATIENCE) {
        return; /* it has no processor, or blocks signals */
    }
    if (!PRF_THREAD_HOLDS_GIL(tstate) || thread->n_asked > SAMPLER_PATIENCE ||
        !sampler_ask(thread)) {
        sampler_take_outside(thread, tstate);
    }
}

/* Timers of threads that have ended. */
static void
sampler_forget_threads(void)
{
    for (unsigned i = 0; i < SAMPLER_THREADS; i++) {
        if (the.threads[i].has_timer && the.threads[i].n_seen != the.n_ticks) {
            sampler_disarm(&the.threads[i]);
            the.threads[i].id = 0;
        }
    }
}

static bool
sampler_is_wanted(pid_t tid)
{
    return tid != 0 && tid != the.thread_tid &&
           (!the.config.this_thread_only || tid == the.base_tid);
}

/* Every thread that runs Python, and time that has passed since the last tick. */
static void
sampler_tick(uint64_t elapsed_ns)
{
    unsigned n_timers = 0;
    prf_sampler_guard_renew();
    PRF_THREADS_LOCK();
    PyThreadState *tstate = PyInterpreterState_ThreadHead(the.interp);
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        if (!sampler_is_wanted((pid_t)tstate->native_thread_id)) {
            continue;
        }
        struct sampler_thread *thread = sampler_find(tstate);
        if (thread != NULL) {
            sampler_tick_thread(thread, tstate, elapsed_ns);
            n_timers += thread->has_timer;
        } else {
            atomic_fetch_add_explicit(&the.n_full, 1, memory_order_relaxed);
        }
    }
    PRF_THREADS_UNLOCK();
    if (n_timers < the.n_timers) {
        sampler_forget_threads();
    }
    the.n_ticks++;
}

/* The main thread empties the ring between two bytecodes; where it does not come to
   that for long, we take the GIL. */
static void
sampler_have_drained(void)
{
    if (prf_sampler_ring_is_empty(&the.ring)) {
        return;
    }
    if (!atomic_exchange(&the.drain_is_due, true)) {
        if (Py_AddPendingCall(sampler_drain_pending, NULL) == 0) {
            PRF_BREAK_EVALUATION(the.interp);
        } else {
            atomic_store(&the.drain_is_due, false);
        }
    }
    if (prf_sampler_ring_fill(&the.ring) >= SAMPLER_CROWDED) {
        PyGILState_STATE gil = PyGILState_Ensure();
        prf_sampler_drain();
        PyGILState_Release(gil);
    }
}

/* True: it is time to end. */
static bool
sampler_sleep(uint64_t until_ns)
{
    const struct timespec deadline = sampler_timespec(until_ns);
    while (sem_clockwait(&the.wake, CLOCK_MONOTONIC, &deadline) < 0 && errno == EINTR) {
    }
    return atomic_load(&the.ending);
}

static void *
sampler_run(void *argument)
{
    uint64_t interval_ns = the.config.interval_ns;
    if (the.config.mode == PRF_SAMPLER_CPU) {
        interval_ns = SAMPLER_LOOK_NS;
        sampler_tick(0);
    }
    uint64_t at_ns = prf_clock_monotonic_ns() + sampler_phase_ns();
    uint64_t drain_ns = at_ns + SAMPLER_DRAIN_NS;
    (void)argument;
    while (!sampler_sleep(at_ns)) {
        uint64_t now_ns = prf_clock_monotonic_ns();
        uint64_t n = now_ns > at_ns ? (now_ns - at_ns) / interval_ns + 1 : 1;
        sampler_tick(n * interval_ns); /* ticks that were missed count */
        at_ns += n * interval_ns;
        if (now_ns >= drain_ns) {
            sampler_have_drained();
            drain_ns = now_ns + SAMPLER_DRAIN_NS;
        }
    }
    return NULL;
}

static void *
sampler_main(void *argument)
{
    the.thread_tid = (pid_t)syscall(SYS_gettid);
    sem_post((sem_t *)argument);
    return sampler_run(NULL);
}

/* No signal of the program's is ever handled by our thread; faults are. */
static int
sampler_create_thread(struct prf_error *err)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    sem_t ready;
    sem_init(&ready, 0, 0);
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, SAMPLER_STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&the.thread, &attributes, sampler_main, &ready);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    while (rc == 0 && sem_wait(&ready) < 0) {
    }
    sem_destroy(&ready);
    if (rc != 0) {
        return prf_fail(err, PRF_EIO, "cannot start the thread that samples: %s",
                        strerror(rc));
    }
    pthread_setname_np(the.thread, "sampling");
    return 0;
}

/* ---- the signal ---- */

/* A real-time signal that nobody uses, from the end: programs take the first ones. */
static int
sampler_take_signal(struct prf_error *err)
{
    struct sigaction action = {.sa_sigaction = sampler_handler,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV);
    sigdelset(&action.sa_mask, SIGBUS);
    for (int n = SIGRTMAX; n >= SIGRTMIN; n--) {
        if (sigaction(n, NULL, &the.before) == 0 &&
            (the.before.sa_flags & SA_SIGINFO) == 0 &&
            the.before.sa_handler == SIG_DFL && sigaction(n, &action, NULL) == 0) {
            the.signal = n;
            return 0;
        }
    }
    return prf_fail(err, PRF_EUNAVAILABLE,
                    "the program handles all real-time signals: none is left for "
                    "sampling");
}

/* Nothing sends any more. What is on its way has some time to arrive; what does not,
   because the thread blocks it, is thrown away with SIG_IGN. */
static void
sampler_release_signal(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    const struct timespec pause = {.tv_nsec = 100000};
    struct sigaction now;
    for (unsigned i = 0, n = 0; n < SAMPLER_THREADS && i < SAMPLER_LAST_WAIT;) {
        if (atomic_load(&the.threads[n].asked)) {
            syscall(SYS_tgkill, getpid(), the.threads[n].tid, 0) < 0 ? n++ : i++;
            nanosleep(&pause, NULL);
        } else {
            n++;
        }
    }
    atomic_store(&the.active, false);
    if (sigaction(the.signal, NULL, &now) == 0 && now.sa_sigaction == sampler_handler) {
        sigaction(the.signal, &ignore, NULL);
        sigaction(the.signal, &the.before, NULL);
    }
    for (unsigned i = 0; i < SAMPLER_LAST_WAIT && atomic_load(&the.n_handling) > 0;
         i++) {
        nanosleep(&pause, NULL);
    }
}

/* ---- start and stop ---- */

static void
sampler_restore_type(void)
{
    if (PyCode_Type.tp_dealloc == sampler_code_dealloc) {
        PyCode_Type.tp_dealloc = the.dealloc;
    }
    the.running = false;
}

static void
sampler_end(void)
{
    if (!the.running || atomic_exchange(&the.ending, true)) {
        return;
    }
    Py_BEGIN_ALLOW_THREADS /* our thread may be waiting for the GIL */
        sem_post(&the.wake);
    pthread_join(the.thread, NULL);
    for (unsigned i = 0; i < SAMPLER_THREADS; i++) {
        sampler_disarm(&the.threads[i]);
    }
    sampler_release_signal();
    Py_END_ALLOW_THREADS prf_sampler_drain();
    sampler_restore_type();
    prf_sampler_guard_stop();
    for (unsigned i = 0; i < SAMPLER_THREADS; i++) {
        the.lost_ns += atomic_load(&the.threads[i].owed_ns);
    }
}

/* A child of fork() has none of our thread and timers, and is not measured. */
static void
sampler_forked(void)
{
    if (the.running) {
        atomic_store(&the.active, false);
        pthread_mutex_init(&reading, NULL);
        sampler_restore_type();
        prf_sampler_guard_stop();
        sigaction(the.signal, &the.before, NULL);
        the.config.user = NULL;
    }
}

static void
sampler_watch_forks(void)
{
    static bool done; /* protected by the GIL */
    if (!done) {
        done = pthread_atfork(NULL, NULL, sampler_forked) == 0;
    }
}

/* At exit the interpreter goes away under our thread. */
static PyObject *
sampler_at_exit(PyObject *self, PyObject *arguments)
{
    (void)self;
    (void)arguments;
    sampler_end();
    Py_RETURN_NONE;
}

static int
sampler_watch_exit(struct prf_error *err)
{
    static PyMethodDef method = {"stop_sampling", sampler_at_exit, METH_NOARGS, NULL};
    static bool done; /* protected by the GIL */
    if (done) {
        return 0;
    }
    PyObject *function = PyCFunction_New(&method, NULL);
    PyObject *module = PyImport_ImportModule("atexit");
    PyObject *registered = function != NULL && module != NULL
                               ? PyObject_CallMethod(module, "register", "O", function)
                               : NULL;
    done = registered != NULL;
    Py_XDECREF(registered);
    Py_XDECREF(module);
    Py_XDECREF(function);
    if (!done) {
        PyErr_Clear();
        return prf_fail(err, PRF_EPYTHON, "cannot register with atexit");
    }
    return 0;
}

static void
sampler_reset(const struct prf_sampler_config *config)
{
    PyThreadState *tstate = PyThreadState_Get();
    the.config = *config;
    the.interp = PyThreadState_GetInterpreter(tstate);
    the.base = config->below_here ? prf_sampler_stack_top(tstate) : NULL;
    the.base_tid = (pid_t)syscall(SYS_gettid);
    the.n_ticks = 0;
    the.n_timers = 0;
    the.lost_ns = 0;
    memset(the.threads, 0, sizeof the.threads);
    prf_sampler_ring_clear(&the.ring);
    atomic_store(&the.ending, false);
    atomic_store(&the.drain_is_due, false);
    atomic_store(&the.n_handling, 0);
    atomic_store(&the.n_taken, 0);
    atomic_store(&the.n_torn, 0);
    atomic_store(&the.n_full, 0);
    sem_init(&the.wake, 0, 0);
}

int
prf_sampler_start(const struct prf_sampler_config *config, struct prf_error *err)
{
    if (the.running || the.config.user != NULL) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "pyprofiler's 'sampling' runs already in this process; stop "
                        "it first");
    }
    int rc = prf_sampler_ring_map(&the.ring, SAMPLER_WORDS, err);
    if (rc < 0 || (rc = sampler_watch_exit(err)) < 0) {
        return rc;
    }
    prf_clock_init();
    sampler_reset(config);
    sampler_watch_forks();
    rc = prf_sampler_guard_start(err);
    if (rc < 0 || (rc = sampler_take_signal(err)) < 0) {
        prf_sampler_guard_stop();
        the.config.user = NULL;
        return rc;
    }
    the.dealloc = PyCode_Type.tp_dealloc;
    PyCode_Type.tp_dealloc = sampler_code_dealloc;
    the.running = true;
    atomic_store(&the.active, true);
    rc = sampler_create_thread(err);
    if (rc < 0) {
        sampler_release_signal();
        prf_sampler_guard_stop();
        sampler_restore_type();
        the.config.user = NULL;
    }
    return rc;
}

void
prf_sampler_stop(const void *user, struct prf_sampler_counts *counts)
{
    if (the.config.user != user) {
        return;
    }
    sampler_end();
    counts->n_taken += atomic_exchange(&the.n_taken, 0);
    counts->n_torn += atomic_exchange(&the.n_torn, 0);
    counts->n_full += atomic_exchange(&the.n_full, 0);
    counts->lost_ns += the.lost_ns;
    the.lost_ns = 0;
    the.config.user = NULL;
}
