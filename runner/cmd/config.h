/* [tool.pyprofiler] of a pyproject.toml, and PYPROFILER_* of the environment. */
#ifndef PRF_CONFIG_H
#define PRF_CONFIG_H

#include <jansson.h>

#include <pyprofiler/error.h>

#include "args.h"
#include "describe.h"

/* The pyproject.toml in `folder` or the nearest one above it, when it has a table of
   ours; NULL without. The caller's. */
char *prf_config_find(const char *folder);

/* Set the options that the table has keys for, in the layer of the file. `known` are
   all options there are (those of `run`): other keys are PRF_EUSAGE with a suggestion
   and the file's name. Keys that `groups` lacks are for other commands; tables are for
   profilers, and "gate" is checked by gate.h. */
int prf_config_apply(const json_t *table, const char *path,
                     const struct prf_option_group *known,
                     const struct prf_option_group *groups, struct prf_layers *layers,
                     void *target, struct prf_error *err);

/* Tables must be named after profilers. One that looks like a slip for a known name is
   PRF_EUSAGE; another one may belong to a profiler that a case file registers. */
int prf_config_check_profilers(const json_t *table, const char *path,
                               const struct prf_profilers *profilers,
                               struct prf_error *err);

/* PYPROFILER_TIMEOUT=5 is --timeout 5. */
int prf_config_environment(const struct prf_option_group *groups,
                           struct prf_layers *layers, void *target,
                           struct prf_error *err);

/* A value of the table as an option's text, in `buf` or borrowed; NULL: not such a
 * value. */
const char *prf_config_text(const json_t *value, char *buf, size_t size);

#endif
