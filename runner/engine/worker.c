/* The runner's end of a worker; see worker.h. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pyprofiler/protocol.h>

#include "interrupt.h"

#define SEND_LIMIT_NS 10000000000

/* An interpreter without a shared library: the plugin is loaded as an extension module
   into the user's own executable. */
static const char worker_bootstrap[] =
    "import sys\n"
    "from importlib.machinery import ExtensionFileLoader, ModuleSpec\n"
    "from importlib.util import module_from_spec\n"
    "loader = ExtensionFileLoader('_pyprofiler', sys.argv[1])\n"
    "module = module_from_spec(ModuleSpec('_pyprofiler', loader, origin=sys.argv[1]))\n"
    "sys.modules['_pyprofiler'] = module\n"
    "loader.exec_module(module)\n"
    "module.serve(int(sys.argv[2]))\n";

/* Does one of `list` set the variable that `entry` sets? */
static bool
worker_overrides(const char *const *list, const char *entry)
{
    size_t n = strcspn(entry, "=") + 1;
    for (; list != NULL && *list != NULL; list++) {
        if (strncmp(*list, entry, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Ours, with what `setup` changes; exec only reads the strings. */
static char **
worker_environment(const struct prf_worker_setup *setup)
{
    const char *const *more = setup->environment;
    size_t n = 0, n_more = 0;
    while (!setup->bare && environ[n] != NULL) {
        n++;
    }
    while (more != NULL && more[n_more] != NULL) {
        n_more++;
    }
    char **env = calloc(n + n_more + 2, sizeof *env);
    size_t k = 0;
    for (size_t i = 0; env != NULL && i < n; i++) {
        if (strncmp(environ[i], "PYPROFILER=", 11) != 0 &&
            !worker_overrides(more, environ[i])) {
            env[k++] = environ[i];
        }
    }
    for (size_t i = 0; env != NULL && i < n_more; i++) {
        env[k++] = (char *)more[i];
    }
    if (env != NULL) {
        env[k] = (char *)"PYPROFILER=1";
    }
    return env;
}

/* The wrapper's words and the worker's, NULL at the end; the caller frees the array. */
static const char **
worker_command(const struct prf_worker_setup *setup, const char *const *words)
{
    size_t n = 0, n_wrapper = 0;
    while (words[n] != NULL) {
        n++;
    }
    while (setup->wrapper != NULL && setup->wrapper[n_wrapper] != NULL) {
        n_wrapper++;
    }
    const char **argv = calloc(n + n_wrapper + 1, sizeof *argv);
    for (size_t i = 0; argv != NULL && i < n + n_wrapper; i++) {
        argv[i] = i < n_wrapper ? setup->wrapper[i] : words[i - n_wrapper];
    }
    return argv;
}

static int
worker_open_fds(const struct prf_worker_setup *setup, struct prf_spawn *spawn,
                struct prf_error *err)
{
    if (!setup->foreground) {
        spawn->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (spawn->in < 0) {
            return prf_fail(err, PRF_EIO, "cannot open '/dev/null': %s",
                            strerror(errno));
        }
    }
    if (setup->log != NULL) {
        spawn->out = open(setup->log, O_WRONLY | O_APPEND | O_CLOEXEC);
        spawn->err = spawn->out;
        if (spawn->out < 0) {
            return prf_fail(err, PRF_EIO, "cannot open '%s': %s", setup->log,
                            strerror(errno));
        }
    } else if (setup->out_to_err) {
        spawn->out = STDERR_FILENO;
    }
    return 0;
}

static int
worker_spawn(struct prf_worker *worker, const struct prf_worker_setup *setup,
             int control, struct prf_error *err)
{
    char number[16];
    char **env = worker_environment(setup);
    struct prf_spawn spawn = {.env = env,
                              .in = -1,
                              .out = -1,
                              .err = -1,
                              .keep = control,
                              .cwd = setup->cwd,
                              .cpu = setup->cpu,
                              .own_group = !setup->foreground};
    const char *const embed[] = {
        setup->launcher,  "--control-fd", number,        "--libpython",
        setup->libpython, "--plugin",     setup->plugin, NULL};
    const char *const inside[] = {setup->python, "-c",   worker_bootstrap,
                                  setup->plugin, number, NULL};
    snprintf(number, sizeof number, "%d", control);
    const char **argv =
        worker_command(setup, setup->host == PRF_HOST_EMBED ? embed : inside);
    spawn.argv = (char *const *)argv;
    int rc =
        env == NULL || argv == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    if (rc == 0) {
        rc = worker_open_fds(setup, &spawn, err);
    }
    if (rc == 0) {
        rc = prf_process_spawn(&spawn, &worker->process, err);
    }
    if (spawn.in >= 0) {
        close(spawn.in);
    }
    if (setup->log != NULL && spawn.out >= 0) {
        close(spawn.out);
    }
    free(argv);
    free(env);
    return rc;
}

int
prf_worker_start(struct prf_worker *worker, const struct prf_worker_setup *setup,
                 struct prf_error *err)
{
    int fds[2];
    *worker = (struct prf_worker){.process = {.pidfd = -1}, .control = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return prf_fail(err, PRF_EIO, "cannot make a socket: %s", strerror(errno));
    }
    int rc = worker_spawn(worker, setup, fds[1], err);
    close(fds[1]);
    if (rc < 0) {
        close(fds[0]);
        return rc;
    }
    worker->control = fds[0];
    return 0;
}

static int
worker_write(struct prf_worker *worker, const char *data, size_t len,
             struct prf_error *err)
{
    int64_t deadline_ns = prf_clock_ns() + SEND_LIMIT_NS;
    while (len > 0) {
        ssize_t n = send(worker->control, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
            continue;
        }
        struct pollfd pfd = {.fd = worker->control, .events = POLLOUT};
        if (errno == EAGAIN && poll(&pfd, 1, prf_clock_left_ms(deadline_ns)) == 0) {
            return prf_fail(err, PRF_EIO, "the worker does not take messages any more");
        }
        if (errno != EAGAIN && errno != EINTR) {
            return prf_fail(err, PRF_EIO, "cannot write to the worker: %s",
                            strerror(errno));
        }
    }
    return 0;
}

int
prf_worker_send(struct prf_worker *worker, json_t *message, struct prf_error *err)
{
    char *text = message == NULL ? NULL : json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (text == NULL) {
        return prf_fail(err, PRF_EPROTOCOL,
                        "cannot make a message: it is not UTF-8 text");
    }
    uint32_t len = (uint32_t)strlen(text);
    struct prf_strbuf frame = PRF_STRBUF_INIT;
    prf_strbuf_add(&frame, (const char *)&len, sizeof len);
    prf_strbuf_add(&frame, text, len);
    int rc = frame.failed ? prf_fail(err, PRF_ENOMEM, "out of memory")
                          : worker_write(worker, frame.data, frame.len, err);
    prf_strbuf_release(&frame);
    free(text);
    return rc;
}

/* A whole message out of what was received: 1, 0 when there is none yet, or an error.
 */
static int
worker_take(struct prf_worker *worker, json_t **out, struct prf_error *err)
{
    uint32_t len;
    if (worker->in.len < sizeof len) {
        return 0;
    }
    memcpy(&len, worker->in.data, sizeof len);
    if (len > PRF_PROTOCOL_MAX) {
        return prf_fail(err, PRF_EPROTOCOL, "the worker sent a damaged message");
    }
    size_t whole = sizeof len + len;
    if (worker->in.len < whole) {
        return 0;
    }
    json_error_t why;
    *out = json_loadb(worker->in.data + sizeof len, len, JSON_ALLOW_NUL, &why);
    memmove(worker->in.data, worker->in.data + whole, worker->in.len - whole);
    worker->in.len -= whole;
    if (!json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return prf_fail(err, PRF_EPROTOCOL, "the worker sent a damaged message: %s",
                        why.text);
    }
    return 1;
}

static bool
worker_read(struct prf_worker *worker)
{
    char buf[65536];
    ssize_t n;
    do {
        n = recv(worker->control, buf, sizeof buf, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        prf_strbuf_add(&worker->in, buf, (size_t)n);
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* The stream ended or the process did: how. One that closed its socket but does not end
   is killed. */
static int
worker_gone(struct prf_worker *worker)
{
    if (!worker->ended) {
        int64_t deadline_ns = prf_clock_ns() + 1000000000;
        worker->ended =
            prf_process_wait(&worker->process, deadline_ns, &worker->ending);
        if (!worker->ended) {
            prf_process_signal(&worker->process, SIGKILL);
            worker->ended = prf_process_wait(&worker->process, -1, &worker->ending);
        }
    }
    return PRF_WORKER_GONE;
}

int
prf_worker_receive(struct prf_worker *worker, int64_t deadline_ns, int n_interrupts,
                   json_t **out, struct prf_error *err)
{
    *out = NULL;
    for (;;) {
        int rc = worker_take(worker, out, err);
        if (rc != 0) {
            return rc < 0 ? rc : PRF_WORKER_MESSAGE;
        }
        if (worker->ended) {
            return PRF_WORKER_GONE;
        }
        bool stop = prf_interrupt_count() > n_interrupts;
        struct pollfd fds[] = {
            {.fd = worker->control, .events = POLLIN},
            {.fd = worker->process.pidfd, .events = POLLIN},
            {.fd = n_interrupts > 0 ? -1 : prf_interrupt_fd(), .events = POLLIN}};
        int n = poll(fds, 3, stop ? 0 : prf_clock_left_ms(deadline_ns));
        if (n < 0 && errno != EINTR) {
            return prf_fail(err, PRF_EIO, "cannot wait for the worker: %s",
                            strerror(errno));
        }
        if (prf_interrupt_count() > n_interrupts) {
            return PRF_WORKER_INTERRUPTED;
        }
        if (n == 0) {
            if (prf_clock_left_ms(deadline_ns) == 0) {
                return PRF_WORKER_DEADLINE;
            }
            continue;
        }
        if (fds[0].revents != 0) {
            if (!worker_read(worker)) {
                return worker_gone(worker);
            }
        } else if (n > 0 && fds[1].revents != 0) {
            return worker_gone(worker);
        }
    }
}

void
prf_worker_stop(struct prf_worker *worker, int64_t grace_ns)
{
    struct prf_error ignored = {0};
    if (worker->process.pid > 0 && grace_ns > 0) {
        prf_worker_send(worker, json_pack("{s:s}", "type", "quit"), &ignored);
        worker->ended = prf_process_wait(&worker->process, prf_clock_ns() + grace_ns,
                                         &worker->ending);
    }
    if (worker->process.pid > 0) {
        prf_process_kill(&worker->process);
        worker->ended = true;
    }
    if (worker->control >= 0) {
        close(worker->control);
    }
    worker->control = -1;
    prf_strbuf_release(&worker->in);
}

const char *
prf_message_type(const json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    return type == NULL ? "" : type;
}
