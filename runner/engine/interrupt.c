/* Ctrl-C as something to poll for; see interrupt.h. */
#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static atomic_int interrupt_n;
static int interrupt_event = -1;

/* Async-signal-safe. The event stays readable: nobody ever reads it, so that every
   later wait ends at once too. */
static void
interrupt_handler(int signo)
{
    int saved = errno;
    if (atomic_fetch_add(&interrupt_n, 1) >= 2) {
        signal(signo, SIG_DFL);
        raise(signo);
    }
    uint64_t one = 1;
    ssize_t ignored = write(interrupt_event, &one, sizeof one);
    (void)ignored;
    errno = saved;
}

int
prf_interrupt_install(struct prf_error *err)
{
    if (interrupt_event < 0) {
        interrupt_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (interrupt_event < 0) {
        return prf_fail(err, PRF_EIO, "cannot watch for signals: %s", strerror(errno));
    }
    struct sigaction action = {.sa_handler = interrupt_handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old;
        /* nohup: what our parent told us to ignore stays ignored */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
    return 0;
}

int
prf_interrupt_count(void)
{
    return atomic_load(&interrupt_n);
}

int
prf_interrupt_fd(void)
{
    return interrupt_event;
}
