/* See keep_tree.h. */
#include "keep_tree.h"

#include <stdlib.h>

#include "path.h"
#include "select_stored.h"
#include "vcs.h"

/* ".pyprofiler/objects" beside results.db; NULL: out of memory. */
static char *
keep_tree_objects(const struct prf_running *r)
{
    char *store = prf_stored_path(r->options.store, r->hosting.root);
    char *folder = store == NULL ? NULL : prf_path_dirname(store);
    char *objects = folder == NULL ? NULL : prf_path_join(folder, "objects");
    free(folder);
    free(store);
    return objects;
}

void
prf_run_prepare_store(const struct prf_running *r)
{
    char *store =
        r->options.no_store ? NULL : prf_stored_path(r->options.store, r->hosting.root);
    if (store != NULL) {
        prf_store_prepare(store, NULL); /* what is wrong is told when it is opened */
    }
    free(store);
}

void
prf_run_keep_tree(struct prf_running *r)
{
    struct prf_commit *commit = &r->run.commit;
    struct prf_error err = {0};
    char id[41];
    if (r->options.no_store || !commit->dirty || commit->tree == NULL) {
        return; /* of an unknown tree the commit's note tells */
    }
    char *objects = keep_tree_objects(r);
    int rc = objects == NULL ? prf_fail(&err, PRF_ENOMEM, "out of memory")
                             : prf_vcs_keep(r->hosting.root, objects, id, &err);
    if (rc == 0) {
        const char *tree = prf_arena_strdup(&r->run.arena, id);
        commit->tree = tree == NULL ? commit->tree : tree;
    } else {
        prf_say_warning("%s; the results are stored, the tree is not", err.text);
    }
    free(objects);
}
