/* Processes that are left over. The runner is the subreaper of everything it starts:
   what a case leaves behind becomes our child and is ended here. */
#ifndef PRF_CHILDREN_H
#define PRF_CHILDREN_H

#include <sys/types.h>

/* Become the subreaper and remember the children we had before (a shell's `exec`). */
void prf_children_adopt(void);

/* Kill and reap every child except those from before and `keep` (0: none). Returns how
   many were killed. */
int prf_children_sweep(pid_t keep);

#endif
