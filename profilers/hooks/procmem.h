/* Memory of processes as the kernel counts it, from /proc. Nothing here allocates,
   takes the GIL or calls Python; a struct is used by one thread at a time.

   A reader keeps its file open. A process that is measured may close every descriptor
   it finds and open files of its own under their numbers: each reading makes sure that
   the file is still the reader's, and opens it again when it is not. A forked child
   that goes on reading sees its parent's memory: it has to open readers of its own. */
#ifndef PRF_PROCMEM_H
#define PRF_PROCMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <pyprofiler/error.h>

enum prf_procmem_kind {
    PRF_PROCMEM_RSS, /* resident set; 1 us a reading, measured */
    PRF_PROCMEM_PSS, /* ... with a page of n processes counted as 1/n; walks the pages
                      */
    PRF_PROCMEM_USS, /* ... of pages that no other process has; walks the pages */
};

struct prf_procmem {
    pid_t pid; /* 0: this process */
    enum prf_procmem_kind kind;
    int fd; /* -1: closed */
    dev_t device;
    ino_t inode;
};

/* PRF_EUNAVAILABLE: the kernel does not tell, or the process is gone. */
int prf_procmem_open(struct prf_procmem *reader, pid_t pid, enum prf_procmem_kind kind,
                     struct prf_error *err);

/* Bytes, or -1 when the process is gone (also while it is a zombie). */
int64_t prf_procmem_read(struct prf_procmem *reader);

/* Idempotent. Never closes a file that is not the reader's. */
void prf_procmem_close(struct prf_procmem *reader);

/* High-water mark of this process's resident set in bytes (VmHWM), -1: not known. */
int64_t prf_procmem_peak(void);

/* Let the high-water mark begin again at what is resident now. False: the kernel does
   not allow it. */
bool prf_procmem_reset_peak(void);

/* The children of `pid` (0: this process), of all its threads; how many were stored. */
size_t prf_procmem_children(pid_t pid, pid_t *pids, size_t room);

#endif
