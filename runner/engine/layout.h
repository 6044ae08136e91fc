/* Where the parts of an installation are: the worker, its plugins, the Python package.
 */
#ifndef PRF_LAYOUT_H
#define PRF_LAYOUT_H

#include <stdbool.h>

#include <pyprofiler/error.h>

struct prf_layout {
    char *worker;      /* the launcher */
    char *plugin_dir;  /* holds prf-py311.so, ...; of a wheel: _pyprofiler.*.so */
    char *package_dir; /* goes on the case's sys.path */
};

/* As installed by make or by pip, or in the build tree when the executable lies there.
   A part that is found in $PYPROFILER_LIBEXEC comes from there: its
   `pyprofiler-worker`, `prf-py*.so`, and `python`. Nothing is checked for existence.
   PRF_ENOMEM. */
int prf_layout_find(struct prf_layout *layout, struct prf_error *err);
void prf_layout_release(struct prf_layout *layout);

/* Path of the plugin for Python 3.`minor`; the caller's. */
char *prf_layout_plugin(const struct prf_layout *layout, int minor);

/* The interpreter whose pip installed us, if it is beside us: the caller's, or NULL.
   *called: it is that of a virtual environment, and the user called the program there,
   not by a link from elsewhere, as pipx makes them. */
char *prf_layout_python(bool *called);

/* "3.11 3.12": the minor versions that a plugin was built for. */
const char *prf_layout_built(void);

#endif
