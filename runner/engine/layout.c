/* Where the parts of an installation are; see layout.h. */
#include "layout.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"

const char *
prf_layout_built(void)
{
    return PRF_BUILT_PYTHONS;
}

/* Of pip's wheel: what is not in the folder of the programs, as seen from there. The
   last one is --target's, the others follow the schemes of sysconfig. */
#define LAYOUT_LIB "pyprofiler/_lib"
static const char *const layout_sites[] = {
    "lib/python" PRF_WHEEL_PYTHON "/site-packages",
    "lib64/python" PRF_WHEEL_PYTHON "/site-packages",
    "lib/python" PRF_WHEEL_PYTHON "/dist-packages",
    "lib/python",
    "",
};

static bool
layout_in_build_tree(const char *executable)
{
    size_t n = strlen(PRF_BUILD_DIR);
    return n > 0 && strncmp(executable, PRF_BUILD_DIR, n) == 0 && executable[n] == '/';
}

/* The folder that the wheel's modules were installed to; NULL: we are from no wheel. */
static char *
layout_site(const char *executable)
{
    char *bin = prf_path_dirname(executable);
    char *prefix = bin == NULL ? NULL : prf_path_dirname(bin);
    char *found = NULL;
    size_t n = sizeof layout_sites / sizeof *layout_sites;
    for (size_t i = 0; i < n && PRF_WHEEL_PYTHON[0] != '\0' && found == NULL; i++) {
        char *site = prefix == NULL ? NULL : prf_path_join(prefix, layout_sites[i]);
        char *worker =
            site == NULL ? NULL : prf_path_join(site, LAYOUT_LIB "/pyprofiler-worker");
        if (worker != NULL && prf_path_exists(worker)) {
            found = site;
            site = NULL;
        }
        free(worker);
        free(site);
    }
    free(prefix);
    free(bin);
    return found;
}

static void
layout_of_wheel(struct prf_layout *layout, const char *site)
{
    const char *source = PRF_SOURCE_PACKAGE; /* pip install --editable */
    layout->worker = prf_path_join(site, LAYOUT_LIB "/pyprofiler-worker");
    layout->plugin_dir = strdup(site);
    layout->package_dir =
        *source != '\0' ? strdup(source) : prf_path_join(site, LAYOUT_LIB "/python");
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

static void
layout_executable(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[n < 0 ? 0 : n] = '\0';
}

int
prf_layout_find(struct prf_layout *layout, struct prf_error *err)
{
    char executable[PATH_MAX];
    layout_executable(executable);
    *layout = (struct prf_layout){0};
    char *site = layout_site(executable);
    if (site != NULL) {
        layout_of_wheel(layout, site);
    } else if (layout_in_build_tree(executable)) {
        layout->worker = strdup(PRF_BUILD_DIR "/lib/pyprofiler/pyprofiler-worker");
        layout->plugin_dir = strdup(PRF_BUILD_DIR "/lib/pyprofiler");
        layout->package_dir = strdup(PRF_SOURCE_PACKAGE);
    } else {
        layout->worker =
            layout_installed(executable, PRF_INSTALL_LIBEXEC "/pyprofiler-worker");
        layout->plugin_dir = layout_installed(executable, PRF_INSTALL_PLUGINS);
        layout->package_dir = layout_installed(executable, PRF_INSTALL_PACKAGE);
    }
    free(site);
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
    char *path = prf_path_join(layout->plugin_dir, name);
    snprintf(name, sizeof name, "3.%d", minor);
    if (path != NULL && !prf_path_exists(path) && strcmp(name, PRF_WHEEL_PYTHON) == 0) {
        layout_replace(&path, layout->plugin_dir, "_pyprofiler" PRF_WHEEL_SUFFIX);
    }
    return path;
}

/* Does the path by which we were started lead through the folder that we lie in? */
static bool
layout_called_in(const char *bin)
{
    const char *called = (const char *)getauxval(AT_EXECFN);
    char *folder = called == NULL ? NULL : prf_path_dirname(called);
    struct stat a, b;
    bool same = folder != NULL && stat(folder, &a) == 0 && stat(bin, &b) == 0 &&
                a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    free(folder);
    return same;
}

char *
prf_layout_python(bool *called)
{
    char executable[PATH_MAX];
    layout_executable(executable);
    char *site = layout_site(executable);
    char *bin = site == NULL ? NULL : prf_path_dirname(executable);
    char *cfg = bin == NULL ? NULL : prf_path_join(bin, "../pyvenv.cfg");
    bool venv = cfg != NULL && prf_path_exists(cfg);
    char *python =
        bin == NULL ? NULL
                    : prf_path_join(bin, venv ? "python" : "python" PRF_WHEEL_PYTHON);
    if (python != NULL && access(python, X_OK) != 0) {
        free(python);
        python = NULL;
    }
    *called = python != NULL && venv && layout_called_in(bin);
    free(cfg);
    free(bin);
    free(site);
    return python;
}
