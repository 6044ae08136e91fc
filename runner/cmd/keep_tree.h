/* A run in a dirty tree keeps the tree beside its results, to be measured again. */
#ifndef PRF_KEEP_TREE_H
#define PRF_KEEP_TREE_H

#include "run.h"

/* After prf_run_describe, before anything runs: a case may write files. The run's tree
   is the kept one. What goes wrong is a warning. */
void prf_run_keep_tree(struct prf_running *r);

/* Make the store's folder before the first case is imported, not after it: Python keeps
   the names of what lies beside the cases, so that a first run would count other
   instructions than the next. */
void prf_run_prepare_store(const struct prf_running *r);

#endif
