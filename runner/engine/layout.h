/* Where the parts of an installation are: the worker, its plugins, the Python package.
 */
#ifndef PRF_LAYOUT_H
#define PRF_LAYOUT_H

#include <pyprofiler/error.h>

struct prf_layout {
    char *worker;      /* the launcher */
    char *plugin_dir;  /* holds prf-py311.so, ... */
    char *package_dir; /* goes on the case's sys.path */
};

/* As installed, or in the build tree when the executable lies there. A part that is
   found in $PYPROFILER_LIBEXEC comes from there: its `pyprofiler-worker`, `prf-py*.so`,
   and `python`. Nothing is checked for existence. PRF_ENOMEM. */
int prf_layout_find(struct prf_layout *layout, struct prf_error *err);
void prf_layout_release(struct prf_layout *layout);

/* Path of the plugin for Python 3.`minor`; the caller's. */
char *prf_layout_plugin(const struct prf_layout *layout, int minor);

/* "3.11 3.12": the minor versions that a plugin was built for. */
const char *prf_layout_built(void);

#endif
