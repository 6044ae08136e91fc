/* What is set up before cases can be looked at: configuration, interpreter, worker,
   temporary folder. Shared by the commands that start a worker. */
#ifndef PRF_HOSTING_H
#define PRF_HOSTING_H

#include <stdbool.h>
#include <stdint.h>

#include <pyprofiler/error.h>

#include "args.h"
#include "layout.h"
#include "python.h"
#include "supervise.h"

struct prf_hosting_options {
    char *python, *host, *hash_seed;
    struct prf_strlist plugins;
    int64_t import_timeout_ns;
};
extern const struct prf_option prf_hosting_table[];

struct prf_hosting {
    struct prf_layout layout;
    struct prf_interpreter python;
    char *chosen;       /* the interpreter as it was chosen */
    const char *source; /* and by what: "--python", ".venv", ... */
    char *plugin;
    char *pyproject; /* with a table of ours, or NULL */
    char *root;      /* of the repository, or the current folder */
    enum prf_host host;
    struct prf_scratch scratch;
    struct prf_supervision sv;
};

struct prf_hosting_request {
    const char *near;                      /* a target, or NULL: the current folder */
    const struct prf_option_group *groups; /* the command's */
    struct prf_layers *layers;
    void *target;                        /* the command's options ... */
    struct prf_hosting_options *options; /* ... and these among them */
};

/* Read the configuration into the options. Finds the interpreter on the way, because it
   is what reads toml. PRF_EUSAGE, PRF_EUNAVAILABLE, PRF_ENOTFOUND. */
int prf_hosting_configure(struct prf_hosting *hosting,
                          const struct prf_hosting_request *request,
                          struct prf_error *err);

/* Check that the interpreter can host cases and prepare hosting->sv, its time limits
   and isolation being the caller's. PRF_EUNAVAILABLE. */
int prf_hosting_prepare(struct prf_hosting *hosting,
                        const struct prf_hosting_options *options,
                        struct prf_error *err);
void prf_hosting_release(struct prf_hosting *hosting);

/* The folder at or above `folder` that holds .git, else the current one; the caller's.
 */
char *prf_hosting_root(const char *folder);

/* Configuration for a command that needs no worker: the interpreter is asked only when
   the file mentions `key`. */
int prf_hosting_configure_store(const struct prf_option_group *groups,
                                struct prf_layers *layers, void *target,
                                struct prf_error *err);

/* The same whatever the file mentions, and the table itself: *table is the caller's
   reference to [tool.pyprofiler], *path its file; both NULL without one. */
int prf_hosting_configure_table(const struct prf_option_group *groups,
                                struct prf_layers *layers, void *target, json_t **table,
                                char **path, struct prf_error *err);

#endif
