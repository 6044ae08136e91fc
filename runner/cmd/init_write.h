/* Files that `pyprofiler init` makes or adds to, each said in one line. */
#ifndef PRF_INIT_WRITE_H
#define PRF_INIT_WRITE_H

#include <pyprofiler/error.h>

enum prf_init_flags {
    PRF_INIT_FORCE = 1,   /* write files of ours again */
    PRF_INIT_DRY_RUN = 2, /* say only */
    PRF_INIT_QUIET = 4,
};

struct prf_init_writer {
    const char *root;
    unsigned flags;
};

/* "made X", "there already: X". */
void prf_init_say(const struct prf_init_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A file of ours with its folders; one that is there stays, unless it says that it is
   ours and PRF_INIT_FORCE is given. PRF_EIO. */
int prf_init_write_file(const struct prf_init_writer *w, const char *name,
                        const char *text, struct prf_error *err);

/* Text at the end of a file, which is made when missing; what stands in it is not
   touched. `what` is how to call it. PRF_EIO. */
int prf_init_append(const struct prf_init_writer *w, const char *name, const char *text,
                    const char *what, struct prf_error *err);

#endif
