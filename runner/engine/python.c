/* Which interpreter; see python.h. */
#include "python.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"
#include "path.h"
#include "process.h"
#include "strbuf.h"

#define ASK_LIMIT_NS 5000000000
#define ASK_MAX (4u << 20)
#define OLDEST_MINOR 11

/* Lines of key=value, and after "config=" the table as JSON. Old and other Pythons must
   be able to parse it. Modules are imported only when needed: this runs every time. */
static const char ask_script[] =
    "import sys\n"
    "v = sys.version_info\n"
    "w = sys.stdout.write\n"
    "n = getattr(sys, 'implementation', None)\n"
    "w('version=%d.%d.%d\\nmajor=%d\\nminor=%d\\nname=%s\\n'\n"
    "  % (v[0], v[1], v[2], v[0], v[1], n.name if n else 'python'))\n"
    "if v < (3, 11) or n.name != 'cpython':\n"
    "    sys.exit(0)\n"
    "import os, sysconfig\n"
    "c = sysconfig.get_config_var\n"
    "def put(key, value):\n"
    "    sys.stdout.flush()\n"
    "    text = '' if value is None else str(value)\n"
    "    sys.stdout.buffer.write(os.fsencode('%s=%s\\n' % (key, text.replace('\\n', ' "
    "'))))\n"
    "put('executable', sys.executable)\n"
    "for key in ('LIBDIR', 'INSTSONAME', 'LIBPL', 'MULTIARCH', 'Py_ENABLE_SHARED',\n"
    "            'Py_GIL_DISABLED', 'Py_DEBUG', 'CONFIG_ARGS'):\n"
    "    put(key, c(key))\n"
    "put('prefix', sys.base_exec_prefix)\n"
    "put('abiflags', sys.abiflags)\n"
    "if len(sys.argv) > 1:\n"
    "    import tomllib\n"
    "    try:\n"
    "        with open(sys.argv[1], 'rb') as f:\n"
    "            table = tomllib.load(f).get('tool', {}).get('pyprofiler')\n"
    "    except (OSError, ValueError) as e:\n"
    "        put('config-error', e)\n"
    "    else:\n"
    "        if table is not None:\n"
    "            import json\n"
    "            put('config', json.dumps(table, default=str))\n";

/* `folder`/bin/python when it can be executed, or NULL. */
static char *
python_in_venv(const char *folder)
{
    char *path = prf_path_join(folder, "bin/python");
    char *absolute =
        path != NULL && access(path, X_OK) == 0 ? prf_path_absolute(path) : NULL;
    free(path);
    return absolute;
}

/* A .venv in `near` or above it, up to the folder that holds .git, or `root`. */
static char *
python_beside(const char *near, const char *root)
{
    char *folder = near == NULL ? NULL : strdup(near);
    char *found = NULL;
    while (folder != NULL && found == NULL) {
        char *venv = prf_path_join(folder, ".venv");
        char *git = prf_path_join(folder, ".git");
        found = venv == NULL ? NULL : python_in_venv(venv);
        bool last = git == NULL || prf_path_exists(git) || strcmp(folder, "/") == 0 ||
                    (root != NULL && strcmp(folder, root) == 0);
        free(venv);
        free(git);
        char *parent = last ? NULL : prf_path_dirname(folder);
        free(folder);
        folder = parent;
    }
    free(folder);
    return found;
}

static int
python_asked(const struct prf_python_choice *choice, char **out, struct prf_error *err)
{
    const char *asked = choice->asked;
    if (strchr(asked, '/') == NULL) {
        char name[64];
        bool number = isdigit((unsigned char)asked[0]) != 0;
        snprintf(name, sizeof name, "%s%s", number ? "python" : "", asked);
        *out = prf_path_find_program(name);
        if (*out == NULL && !prf_path_exists(asked)) {
            return prf_fail(err, PRF_EUSAGE, "%s: no '%s' on PATH", choice->source,
                            name);
        }
        if (*out != NULL) {
            return 0;
        }
    }
    if (prf_path_is_dir(asked)) {
        *out = python_in_venv(asked);
        return *out != NULL ? 0
                            : prf_fail(err, PRF_EUSAGE,
                                       "%s: the folder '%s' holds no bin/python",
                                       choice->source, asked);
    }
    if (!prf_path_exists(asked)) {
        return prf_fail(err, PRF_EUSAGE, "%s: '%s' does not exist", choice->source,
                        asked);
    }
    if (access(asked, X_OK) != 0) {
        return prf_fail(err, PRF_EUSAGE, "%s: '%s' cannot be executed: %s",
                        choice->source, asked, strerror(errno));
    }
    *out = prf_path_absolute(asked);
    return *out != NULL ? 0 : prf_fail(err, PRF_ENOMEM, "out of memory");
}

int
prf_python_choose(const struct prf_python_choice *choice, char **out,
                  const char **source, struct prf_error *err)
{
    *out = NULL;
    if (choice->asked != NULL) {
        *source = choice->source;
        return python_asked(choice, out, err);
    }
    const char *venv = getenv("VIRTUAL_ENV");
    if (venv != NULL && *venv != '\0') {
        *source = "VIRTUAL_ENV";
        *out = python_in_venv(venv);
        if (*out == NULL) {
            return prf_fail(
                err, PRF_EUSAGE,
                "VIRTUAL_ENV names '%s', which holds no bin/python; unset it or "
                "give --python",
                venv);
        }
        return 0;
    }
    if (choice->own == NULL || !choice->own_first) {
        *source = ".venv";
        *out = python_beside(choice->near, choice->root);
    }
    if (*out == NULL && choice->own != NULL) {
        *source = "its own environment";
        *out = strdup(choice->own);
    }
    if (*out == NULL) {
        *source = "PATH";
        *out = prf_path_find_program("python3");
    }
    if (*out == NULL) {
        return prf_fail(
            err, PRF_ENOTFOUND,
            "no python3 on PATH; install Python 3.%d or later, or give --python",
            OLDEST_MINOR);
    }
    return 0;
}

/* What comes out of `fd` until its end, the deadline or an interruption. */
static int
python_read(int fd, int64_t deadline_ns, struct prf_strbuf *out, struct prf_error *err)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                               {.fd = prf_interrupt_fd(), .events = POLLIN}};
        int n = poll(fds, 2, prf_clock_left_ms(deadline_ns));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (fds[1].revents != 0) {
            return prf_fail(err, PRF_EINTERRUPTED, "interrupted");
        }
        if (n <= 0 || out->len > ASK_MAX) {
            return PRF_EPYTHON;
        }
        char buf[8192];
        ssize_t got = read(fd, buf, sizeof buf);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return 0;
        }
        prf_strbuf_add(out, buf, (size_t)got);
    }
}

/* The line that says most, for an error of one line: the last one of a traceback, else
   the first. */
static const char *
python_telling_line(char *text)
{
    bool traceback = strncmp(text, "Traceback", 9) == 0;
    char *telling = text;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (*line != '\0' && (traceback || *telling == '\0')) {
            telling = line;
        }
    }
    return telling;
}

int
prf_python_run(const char *python, const char *script, const char *argument,
               struct prf_strbuf *out, struct prf_error *err)
{
    int fds[2] = {-1, -1};
    int rc = 0;
    struct prf_process process = {.pidfd = -1};
    struct prf_ending ending = {0};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || pipe2(fds, O_CLOEXEC) < 0) {
        rc = prf_fail(err, PRF_EIO, "cannot make a pipe: %s", strerror(errno));
        goto out;
    }
    const char *const argv[] = {python, "-I", "-S", "-c", script, argument, NULL};
    struct prf_spawn spawn = {.argv = (char *const *)argv,
                              .env = environ,
                              .in = null,
                              .out = fds[1],
                              .err = fds[1],
                              .keep = -1,
                              .own_group = true};
    rc = prf_process_spawn(&spawn, &process, err);
    if (rc < 0) {
        goto out;
    }
    close(fds[1]);
    fds[1] = -1;
    int64_t deadline_ns = prf_clock_ns() + ASK_LIMIT_NS;
    rc = python_read(fds[0], deadline_ns, out, err);
    if (rc == PRF_EINTERRUPTED) {
        goto out;
    }
    if (rc < 0 || !prf_process_wait(&process, deadline_ns, &ending)) {
        rc = prf_fail(err, PRF_EUNAVAILABLE,
                      "'%s' did not answer within %d s; is it a Python?", python,
                      (int)(ASK_LIMIT_NS / 1000000000));
        goto out;
    }
    if (ending.signal != 0 || ending.code != 0) {
        char name[32];
        char *text = prf_strbuf_steal(out);
        rc = prf_fail(err, PRF_EUNAVAILABLE, "'%s' does not work (%s%.0d): %s", python,
                      ending.signal != 0
                          ? prf_signal_name(ending.signal, name, sizeof name)
                          : "exit code ",
                      ending.signal != 0 ? 0 : ending.code,
                      text == NULL ? "" : python_telling_line(text));
        free(text);
    }
out:
    prf_process_kill(&process);
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (null >= 0) {
        close(null);
    }
    return rc;
}

/* The value of `key` in the answer's lines, "" when it is not there. */
static const char *
python_value(struct prf_arena *arena, const char *answer, const char *key)
{
    size_t n = strlen(key);
    for (const char *line = answer; line != NULL && *line != '\0';) {
        size_t len = strcspn(line, "\n");
        if (len > n && line[n] == '=' && strncmp(line, key, n) == 0) {
            const char *value = prf_arena_strndup(arena, line + n + 1, len - n - 1);
            return value == NULL ? "" : value;
        }
        line += len + (line[len] == '\n');
    }
    return "";
}

static const char *
python_try(struct prf_arena *arena, const char *folder, const char *name)
{
    char *path = *folder == '\0' ? NULL : prf_path_join(folder, name);
    const char *found = NULL;
    if (path != NULL && prf_path_exists(path)) {
        found = prf_arena_strdup(arena, path);
    }
    free(path);
    return found;
}

/* LIBDIR is where it was built for; a moved or repackaged Python has it elsewhere. */
static const char *
python_find_library(struct prf_arena *arena, const char *answer, const char *soname)
{
    const char *libdir = python_value(arena, answer, "LIBDIR");
    const char *prefix = python_value(arena, answer, "prefix");
    const char *libpl = python_value(arena, answer, "LIBPL");
    const char *multiarch = python_value(arena, answer, "MULTIARCH");
    char *folders[8] = {NULL};
    size_t n = 0;
    const char *found = NULL;
    folders[n++] = strdup(libdir);
    folders[n++] = prf_path_join(prefix, "lib");
    folders[n++] = prf_path_join(prefix, "lib64");
    folders[n++] = prf_path_join(libdir, multiarch);
    folders[n++] = *libpl == '\0' ? NULL : prf_path_absolute(libpl);
    folders[n++] = prf_path_join("/usr/lib", multiarch);
    folders[n++] = strdup("/usr/local/lib");
    folders[n++] = strdup("/usr/lib64");
    for (size_t i = 0; i < n; i++) {
        if (found == NULL && folders[i] != NULL) {
            found = python_try(arena, folders[i], soname);
        }
        free(folders[i]);
    }
    return found;
}

static const char *
python_flags(struct prf_arena *arena, const char *answer)
{
    static const char *const wanted[] = {"--enable-optimizations", "--with-lto",
                                         "--enable-shared",        "--with-pydebug",
                                         "--without-pymalloc",     "--enable-bolt"};
    const char *args = python_value(arena, answer, "CONFIG_ARGS");
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (strstr(args, wanted[i]) != NULL) {
            prf_strbuf_addf(&sb, "%s%s", sb.len > 0 ? " " : "", wanted[i]);
        }
    }
    const char *text = prf_arena_strdup(arena, prf_strbuf_text(&sb));
    prf_strbuf_release(&sb);
    return text;
}

static int
python_take_config(struct prf_interpreter *out, const char *answer,
                   const char *pyproject, struct prf_error *err)
{
    const char *wrong = python_value(&out->arena, answer, "config-error");
    if (*wrong != '\0') {
        return prf_fail(err, PRF_EUSAGE, "cannot read '%s': %s", pyproject, wrong);
    }
    const char *text = python_value(&out->arena, answer, "config");
    if (*text == '\0') {
        return 0;
    }
    json_error_t why;
    out->config = json_loads(text, 0, &why);
    if (!json_is_object(out->config)) {
        return prf_fail(err, PRF_EUSAGE, "'%s': tool.pyprofiler is not a table",
                        pyproject);
    }
    return 0;
}

int
prf_python_ask(const char *python, const char *pyproject, struct prf_interpreter *out,
               struct prf_error *err)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    *out = (struct prf_interpreter){0};
    int rc = prf_python_run(python, ask_script, pyproject, &sb, err);
    if (rc < 0) {
        goto out;
    }
    const char *answer = prf_strbuf_text(&sb);
    struct prf_arena *arena = &out->arena;
    out->version = python_value(arena, answer, "version");
    if (*out->version == '\0') {
        rc = prf_fail(err, PRF_EUNAVAILABLE,
                      "'%s' is no Python: it does not tell its version", python);
        goto out;
    }
    out->major = (int)strtol(python_value(arena, answer, "major"), NULL, 10);
    out->minor = (int)strtol(python_value(arena, answer, "minor"), NULL, 10);
    out->implementation = python_value(arena, answer, "name");
    if (strcmp(out->implementation, "cpython") == 0) {
        out->implementation = "CPython";
    }
    out->executable = python_value(arena, answer, "executable");
    if (*out->executable == '\0') {
        out->executable = prf_arena_strdup(arena, python);
    }
    out->soname = python_value(arena, answer, "INSTSONAME");
    out->free_threaded =
        strtol(python_value(arena, answer, "Py_GIL_DISABLED"), NULL, 10) != 0;
    out->debug = strtol(python_value(arena, answer, "Py_DEBUG"), NULL, 10) != 0;
    out->flags = python_flags(arena, answer);
    if (strstr(out->soname, ".so") != NULL) { /* a static build names its .a here */
        out->libpython = python_find_library(arena, answer, out->soname);
    }
    if (pyproject != NULL) {
        rc = python_take_config(out, answer, pyproject, err);
    }
out:
    prf_strbuf_release(&sb);
    if (rc < 0) {
        prf_interpreter_release(out);
    }
    return rc;
}

void
prf_interpreter_release(struct prf_interpreter *interpreter)
{
    struct prf_arena arena = interpreter->arena;
    json_decref(interpreter->config);
    prf_arena_release(&arena);
    *interpreter = (struct prf_interpreter){0};
}

int
prf_python_check(const struct prf_interpreter *interpreter, const char *plugin,
                 const char *built, struct prf_error *err)
{
    const struct prf_interpreter *py = interpreter;
    if (py->major < 3 || (py->major == 3 && py->minor < OLDEST_MINOR)) {
        return prf_fail(
            err, PRF_EUNAVAILABLE,
            "'%s' is Python %s; 3.%d or later is needed: choose another one "
            "with --python",
            py->executable, py->version, OLDEST_MINOR);
    }
    if (strcmp(py->implementation, "CPython") != 0) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "'%s' is %s, not CPython: choose another one with --python",
                        py->executable, py->implementation);
    }
    if (py->free_threaded) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "'%s' is a free-threaded build, which is not supported: choose "
                        "another one with --python",
                        py->executable);
    }
    if (!prf_path_exists(plugin)) {
        return prf_fail(
            err, PRF_EUNAVAILABLE,
            "no plugin for Python 3.%d ('%s' does not exist); built for: %s; "
            "build it with cmake -DPRF_PYTHONS=%s, or install pyprofiler with that "
            "interpreter's pip",
            py->minor, plugin, built, py->executable);
    }
    return 0;
}
