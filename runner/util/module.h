/* Names of Python modules, from the files they were read from. */
#ifndef PRF_MODULE_H
#define PRF_MODULE_H

#include <stddef.h>

#include "strbuf.h"

/* Append the dotted name of the module in `file`: "package.module". The folders where
   packages start are `roots` (absolute, as in sys.path), site-packages, dist-packages
   and lib/pythonX.Y; the longest that holds the file counts, without any its last part
   does. "<frozen os>" is "os", other names in angle brackets are kept. */
void prf_module_add(struct prf_strbuf *sb, const char *file, const char *const *roots,
                    size_t n_roots);

#endif
