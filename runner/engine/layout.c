/* Where the parts of an installation are; see layout.h. */
#include "layout.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path.h"

const char *
prf_layout_built(void)
{
    return PRF_BUILT_PYTHONS;
}

static bool
layout_in_build_tree(const char *executable)
{
    size_t n = strlen(PRF_BUILD_DIR);
    return strncmp(executable, PRF_BUILD_DIR, n) == 0 && executable[n] == '/';
}

/* `bindir`/../x when the installation was moved (DESTDIR, a relocated prefix): the
   parts keep their place relative to the executable. */
static char *
layout_installed(const char *executable, const char *part)
{
    char *fallback = strdup(part);
    char *folder = prf_path_dirname(executable);
    char *moved = NULL, *out = NULL;
    const char *bindir = PRF_INSTALL_BINDIR;
    size_t common = 0;
    if (fallback == NULL || folder == NULL) {
        goto out;
    }
    for (size_t i = 0; bindir[i] != '\0' && bindir[i] == part[i]; i++) {
        common = bindir[i] == '/' ? i : common;
    }
    size_t tail = strlen(bindir) - common, n = strlen(folder);
    if (n < tail || strcmp(folder + n - tail, bindir + common) != 0 ||
        asprintf(&moved, "%.*s%s", (int)(n - tail), folder, part + common) < 0) {
        moved = NULL;
        goto out;
    }
    if (prf_path_exists(moved)) {
        out = moved;
        moved = NULL;
    }
out:
    free(moved);
    free(folder);
    if (out == NULL) {
        return fallback;
    }
    free(fallback);
    return out;
}

static void
layout_replace(char **part, const char *folder, const char *name)
{
    char *path = name == NULL ? strdup(folder) : prf_path_join(folder, name);
    if (path != NULL && prf_path_exists(path)) {
        free(*part);
        *part = path;
        path = NULL;
    }
    free(path);
}

static bool
layout_has_plugins(const char *folder)
{
    glob_t found = {0};
    char *pattern = prf_path_join(folder, "prf-py*.so");
    bool any = pattern != NULL && glob(pattern, 0, NULL, &found) == 0;
    globfree(&found);
    free(pattern);
    return any;
}

static void
layout_override(struct prf_layout *layout, const char *folder)
{
    layout_replace(&layout->worker, folder, "pyprofiler-worker");
    layout_replace(&layout->package_dir, folder, "python");
    if (layout_has_plugins(folder)) {
        layout_replace(&layout->plugin_dir, folder, NULL);
    }
}

int
prf_layout_find(struct prf_layout *layout, struct prf_error *err)
{
    char executable[PATH_MAX] = "";
    ssize_t n = readlink("/proc/self/exe", executable, sizeof executable - 1);
    executable[n < 0 ? 0 : n] = '\0';
    *layout = (struct prf_layout){0};
    if (layout_in_build_tree(executable)) {
        layout->worker = strdup(PRF_BUILD_DIR "/lib/pyprofiler/pyprofiler-worker");
        layout->plugin_dir = strdup(PRF_BUILD_DIR "/lib/pyprofiler");
        layout->package_dir = strdup(PRF_SOURCE_PACKAGE);
    } else {
        layout->worker =
            layout_installed(executable, PRF_INSTALL_LIBEXEC "/pyprofiler-worker");
        layout->plugin_dir = layout_installed(executable, PRF_INSTALL_PLUGINS);
        layout->package_dir = layout_installed(executable, PRF_INSTALL_PACKAGE);
    }
    const char *folder = getenv("PYPROFILER_LIBEXEC");
    if (folder != NULL && *folder != '\0') {
        layout_override(layout, folder);
    }
    if (layout->worker == NULL || layout->plugin_dir == NULL ||
        layout->package_dir == NULL) {
        prf_layout_release(layout);
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    return 0;
}

void
prf_layout_release(struct prf_layout *layout)
{
    free(layout->worker);
    free(layout->plugin_dir);
    free(layout->package_dir);
    *layout = (struct prf_layout){0};
}

char *
prf_layout_plugin(const struct prf_layout *layout, int minor)
{
    char name[32];
    snprintf(name, sizeof name, "prf-py3%d.so", minor);
    return prf_path_join(layout->plugin_dir, name);
}
