/* pyprofiler-worker: loads the user's libpython, then the plugin made for it. Links
   libc only, so that nothing of ours stands between the interpreter and its libraries.
   What goes wrong here is told to the runner as the protocol's `failed`. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin.h"

struct launch {
    int control;
    const char *libpython;
    const char *plugin;
};

/* `text` as the inside of a JSON string. */
static void
launcher_quote(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text;
         *p != '\0' && n + 7 < size; p++) {
        if (*p == '"' || *p == '\\') {
            out[n++] = '\\';
            out[n++] = (char)*p;
        } else if (*p < 0x20 || *p >= 0x7f) {
            n += (size_t)snprintf(out + n, size - n, "\\u%04x", *p);
        } else {
            out[n++] = (char)*p;
        }
    }
    out[n] = '\0';
}

static int
launcher_fail(const struct launch *l, const char *format, ...)
{
    char text[2048], quoted[4096], message[4200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    launcher_quote(text, quoted, sizeof quoted);
    int len = snprintf(message, sizeof message,
                       "{\"type\":\"failed\",\"error\":\"%s\"}", quoted);
    uint32_t head = (uint32_t)len;
    if (l->control < 0 || write(l->control, &head, sizeof head) < 0 ||
        write(l->control, message, (size_t)len) < 0) {
        fprintf(stderr, "pyprofiler-worker: %s\n", text);
    }
    return 1;
}

/* A process that starts without them would give their numbers to its first files. */
static void
launcher_open_standard(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
        }
    }
}

static int
launcher_parse(int argc, char **argv, struct launch *l)
{
    static const struct option options[] = {
        {"control-fd", required_argument, NULL, 'c'},
        {"libpython", required_argument, NULL, 'l'},
        {"plugin", required_argument, NULL, 'p'},
        {0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            l->control = (int)strtol(optarg, NULL, 10);
            break;
        case 'l':
            l->libpython = optarg;
            break;
        case 'p':
            l->plugin = optarg;
            break;
        default:
            return -1;
        }
    }
    return l->control < 3 || l->libpython == NULL || l->plugin == NULL ? -1 : 0;
}

int
main(int argc, char **argv)
{
    struct launch l = {.control = -1};
    launcher_open_standard();
    if (launcher_parse(argc, argv, &l) < 0) {
        fprintf(stderr,
                "pyprofiler-worker is started by pyprofiler-run, not by hand\n");
        return 4;
    }
    /* GLOBAL: extension modules take Python's symbols from here. */
    if (dlopen(l.libpython, RTLD_NOW | RTLD_GLOBAL) == NULL) {
        return launcher_fail(&l, "cannot load '%s': %s", l.libpython, dlerror());
    }
    const unsigned long *version = dlsym(RTLD_DEFAULT, "Py_Version");
    if (version == NULL) {
        return launcher_fail(&l, "'%s' is no Python 3.11 or later", l.libpython);
    }
    /* Before the plugin's code runs: made for another version it would crash. */
    void *library = dlopen(l.plugin, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return launcher_fail(&l, "cannot load '%s': %s", l.plugin, dlerror());
    }
    const struct prf_plugin *plugin = dlsym(library, PRF_PLUGIN_SYMBOL);
    if (plugin == NULL || plugin->abi != PRF_PLUGIN_ABI) {
        return launcher_fail(&l, "'%s' is no plugin of this version of pyprofiler",
                             l.plugin);
    }
    if (plugin->python != *version >> 16) {
        return launcher_fail(
            &l, "'%s' was built for Python %u.%u, but '%s' is Python %lu.%lu", l.plugin,
            plugin->python >> 8, plugin->python & 0xff, l.libpython, *version >> 24,
            *version >> 16 & 0xff);
    }
    return plugin->serve(l.control, "embed");
}
