/* The tree of a work tree; see worktree.h. The index as it is, changed by what differs
   from it on disk, is a sorted list of paths; trees are made of it bottom up in memory.
 */
#include "worktree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pyprofiler/error.h>

#include "path.h"

/* Uncommitted files are read whole to know their ids. A forgotten dump of gigabytes
   shall not delay every run: beyond this the tree stays unknown. */
#define READ_MAX (512ull << 20)

struct entry {
    const char *path; /* borrowed from the index or the diff */
    size_t len;       /* without the '/' that ends a folder's */
    git_oid id;
    uint32_t mode;
    bool gone;
};

struct worktree {
    git_repository *repo;
    git_odb *keep;    /* where contents go, NULL: nowhere */
    const char *root; /* ends with '/' */
    struct entry *entries;
    size_t n, n_indexed; /* the first n_indexed are sorted: those of the index */
    struct prf_strbuf *note;
    enum prf_worktree_found found;
    unsigned long long read_bytes;
    bool filter_noted;
    bool keep_failed;
};

void
prf_worktree_note(struct prf_strbuf *note, const char *format, ...)
{
    va_list args;
    prf_strbuf_adds(note, note->len > 0 ? "; " : "");
    va_start(args, format);
    prf_strbuf_vaddf(note, format, args);
    va_end(args);
}

const char *
prf_worktree_why(void)
{
    const git_error *error = git_error_last();
    return error == NULL || error->message == NULL ? "no reason given" : error->message;
}

static void
worktree_unknown(struct worktree *wt, const char *path, const char *why)
{
    if (wt->found != PRF_WORKTREE_UNKNOWN) {
        prf_worktree_note(wt->note, "tree id unknown: '%s': %s", path, why);
    }
    wt->found = PRF_WORKTREE_UNKNOWN;
}

static int
worktree_compare(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->path, b->path, len);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* Room for all of the index and one more for each difference. */
static int
worktree_load(struct worktree *wt, git_index *index, size_t n_deltas)
{
    size_t n = git_index_entrycount(index);
    wt->entries = calloc(n + n_deltas + 1, sizeof *wt->entries);
    if (wt->entries == NULL) {
        return PRF_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const git_index_entry *e = git_index_get_byindex(index, i);
        if (git_index_entry_stage(e) == 0) {
            wt->entries[wt->n++] = (struct entry){
                .path = e->path, .len = strlen(e->path), .id = e->id, .mode = e->mode};
        }
    }
    wt->n_indexed = wt->n;
    qsort(wt->entries, wt->n, sizeof *wt->entries, worktree_compare);
    return 0;
}

static struct entry *
worktree_entry(struct worktree *wt, const char *path, size_t len)
{
    struct entry key = {.path = path, .len = len};
    return bsearch(&key, wt->entries, wt->n_indexed, sizeof key, worktree_compare);
}

/* git runs programs for such files (git-lfs, git-crypt), we do not. */
static void
worktree_note_filter(struct worktree *wt, const char *path)
{
    const char *filter = NULL;
    if (wt->filter_noted ||
        git_attr_get(&filter, wt->repo, GIT_ATTR_CHECK_FILE_THEN_INDEX, path,
                     "filter") < 0 ||
        git_attr_value(filter) != GIT_ATTR_VALUE_STRING) {
        return;
    }
    wt->filter_noted = true;
    prf_worktree_note(wt->note,
                      "'%s' counts as changed, the filter '%s' of git is not applied",
                      path, filter);
}

/* The id of an object, which is kept where that is wanted. What is there already is not
   written: git_odb_write would set the time of its file, maybe one of the user's. */
static int
worktree_object(struct worktree *wt, git_oid *out, const char *data, size_t size,
                git_object_t type)
{
    git_oid written;
    int code = git_odb_hash(out, data, size, type);
    if (code == 0 && wt->keep != NULL && git_odb_exists(wt->keep, out) == 0 &&
        (code = git_odb_write(&written, wt->keep, data, size, type)) < 0 &&
        !wt->keep_failed) {
        wt->keep_failed = true;
        prf_worktree_note(wt->note, "cannot write an object: %s", prf_worktree_why());
    }
    return code;
}

static int
worktree_hash_link(struct worktree *wt, git_oid *out, const char *full)
{
    char target[PATH_MAX];
    ssize_t len = readlink(full, target, sizeof target);
    return len < 0 ? -1
                   : worktree_object(wt, out, target, (size_t)len, GIT_OBJECT_BLOB);
}

/* A submodule, or a repository that lies in this one: its HEAD. */
static int
worktree_hash_repository(git_oid *out, const char *full)
{
    git_repository *inner = NULL;
    int rc = git_repository_open(&inner, full);
    if (rc == 0) {
        rc = git_reference_name_to_id(out, inner, "HEAD");
    }
    git_repository_free(inner);
    return rc;
}

/* The file is read once: what is kept is what was hashed, whoever writes to it. */
static int
worktree_keep_file(struct worktree *wt, git_oid *out, const char *path,
                   const char *full)
{
    git_filter_list *filters = NULL;
    git_buf clean = {0};
    struct prf_error err = {0};
    char *text = NULL;
    size_t size = 0;
    int rc = prf_file_read(full, &text, &size, &err);
    if (rc < 0) {
        worktree_unknown(wt, path, err.text);
        return rc;
    }
    rc = git_filter_list_load(&filters, wt->repo, NULL, path, GIT_FILTER_TO_ODB,
                              GIT_FILTER_DEFAULT);
    if (rc == 0 && filters != NULL) {
        rc = git_filter_list_apply_to_buffer(&clean, filters, text, size);
    }
    if (rc < 0) {
        worktree_unknown(wt, path, prf_worktree_why());
    } else {
        rc = worktree_object(wt, out, filters == NULL ? text : clean.ptr,
                             filters == NULL ? size : clean.size, GIT_OBJECT_BLOB);
    }
    git_buf_dispose(&clean);
    git_filter_list_free(filters);
    free(text);
    return rc;
}

static int
worktree_hash_file(struct worktree *wt, git_oid *out, const char *path,
                   const char *full, const struct stat *st)
{
    wt->read_bytes += (unsigned long long)st->st_size;
    if (wt->read_bytes > READ_MAX) {
        worktree_unknown(wt, path,
                         "uncommitted files hold more than 512 MB (name what does not"
                         " matter in .gitignore)");
        return -1;
    }
    worktree_note_filter(wt, path);
    if (wt->keep != NULL) {
        return worktree_keep_file(wt, out, path, full);
    }
    int rc = git_repository_hashfile(out, wt->repo, path, GIT_OBJECT_BLOB, NULL);
    if (rc < 0) {
        worktree_unknown(wt, path, prf_worktree_why());
    }
    return rc;
}

/* With core.fileMode off, or a file that git does not know yet, the diff says which
   mode; it says none for a conflict. */
static uint32_t
worktree_mode(const git_diff_file *file, const struct stat *st)
{
    if (S_ISLNK(st->st_mode)) {
        return GIT_FILEMODE_LINK;
    }
    if (file->mode == GIT_FILEMODE_BLOB || file->mode == GIT_FILEMODE_BLOB_EXECUTABLE) {
        return file->mode;
    }
    return st->st_mode & S_IXUSR ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
}

/* What is on disk at that path, as an entry; `gone` when git would not add it. */
static void
worktree_read(struct worktree *wt, const git_diff_file *file, struct entry *out)
{
    struct prf_strbuf full = PRF_STRBUF_INIT;
    struct stat st;
    prf_strbuf_adds(&full, wt->root);
    prf_strbuf_add(&full, out->path, out->len);
    if (full.failed) {
        worktree_unknown(wt, out->path, "out of memory");
    } else if (lstat(full.data, &st) < 0) {
        out->gone = errno == ENOENT || errno == ENOTDIR;
        if (!out->gone) {
            worktree_unknown(wt, out->path, strerror(errno));
        }
    } else if (S_ISDIR(st.st_mode)) {
        out->mode = GIT_FILEMODE_COMMIT;
        out->gone = worktree_hash_repository(&out->id, full.data) < 0;
    } else if (S_ISLNK(st.st_mode)) {
        out->mode = GIT_FILEMODE_LINK;
        out->gone = worktree_hash_link(wt, &out->id, full.data) < 0;
    } else if (S_ISREG(st.st_mode)) {
        out->mode = worktree_mode(file, &st);
        out->gone = worktree_hash_file(wt, &out->id, out->path, full.data, &st) < 0;
    } else {
        out->gone = true; /* sockets and pipes are nothing to git */
    }
    prf_strbuf_release(&full);
}

/* A submodule at the commit that is recorded: what differs is inside. One that is only
   an empty folder has not been checked out, which is no change. */
static void
worktree_same_submodule(struct worktree *wt, const struct entry *now)
{
    if (!now->gone && wt->found == PRF_WORKTREE_KNOWN) {
        wt->found = PRF_WORKTREE_SUBMODULES;
        prf_worktree_note(wt->note, "submodule '%.*s' has changes of its own",
                          (int)now->len, now->path);
    }
}

static void
worktree_apply(struct worktree *wt, git_index *index, const git_diff_delta *delta)
{
    const char *path = delta->new_file.path;
    size_t len = strlen(path);
    len -= len > 0 && path[len - 1] == '/';
    struct entry *entry = worktree_entry(wt, path, len);
    const git_index_entry *indexed = git_index_get_bypath(index, path, 0);
    if (indexed != NULL &&
        (indexed->flags_extended & GIT_INDEX_ENTRY_SKIP_WORKTREE) != 0) {
        return; /* a sparse checkout leaves it out of the work tree on purpose */
    }
    struct entry now = {.path = path, .len = len};
    worktree_read(wt, &delta->new_file, &now);
    if (entry != NULL && entry->mode == GIT_FILEMODE_COMMIT &&
        now.mode == entry->mode && (now.gone || git_oid_equal(&entry->id, &now.id))) {
        worktree_same_submodule(wt, &now);
        return;
    }
    if (entry != NULL) {
        *entry = now;
    } else {
        wt->entries[wt->n++] = now;
    }
}

/* The entry of that name in a tree of HEAD, NULL when there is none. */
static const git_tree_entry *
worktree_head_entry(const git_tree *head, const char *name, size_t len)
{
    char *copy = head == NULL ? NULL : strndup(name, len);
    const git_tree_entry *entry =
        copy == NULL ? NULL : git_tree_entry_byname(head, copy);
    free(copy);
    return entry;
}

/* A file that HEAD does not have is copied, unless it was written when it was read. */
static int
worktree_keep_entry(struct worktree *wt, const struct entry *e, const git_tree *head,
                    const char *name)
{
    const git_tree_entry *known =
        worktree_head_entry(head, name, e->len - (size_t)(name - e->path));
    git_odb *odb = NULL;
    git_odb_object *object = NULL;
    git_oid id;
    int rc = 0;
    if (wt->keep == NULL || e->mode == GIT_FILEMODE_COMMIT ||
        (known != NULL && git_oid_equal(git_tree_entry_id(known), &e->id)) ||
        git_odb_exists(wt->keep, &e->id) == 1) {
        return 0;
    }
    if (git_repository_odb(&odb, wt->repo) < 0 ||
        git_odb_read(&object, odb, &e->id) < 0) {
        worktree_unknown(wt, e->path, prf_worktree_why());
    } else {
        rc = worktree_object(wt, &id, git_odb_object_data(object),
                             git_odb_object_size(object), git_odb_object_type(object));
    }
    git_odb_object_free(object);
    git_odb_free(odb);
    return rc;
}

static int worktree_build(struct worktree *wt, size_t *i, size_t prefix,
                          const git_tree *head, git_oid *out);

static int
worktree_build_below(struct worktree *wt, size_t *i, const git_tree *head,
                     size_t prefix, size_t len, git_oid *out)
{
    const git_tree_entry *known =
        worktree_head_entry(head, wt->entries[*i].path + prefix, len);
    git_tree *tree = NULL;
    if (known != NULL && git_tree_entry_type(known) == GIT_OBJECT_TREE &&
        git_tree_lookup(&tree, wt->repo, git_tree_entry_id(known)) < 0) {
        tree = NULL; /* damaged: then all of it is kept */
    }
    int rc = worktree_build(wt, i, prefix + len + 1, tree, out);
    git_tree_free(tree);
    return rc;
}

/* A tree that HEAD has at that place is not written. */
static int
worktree_build_object(struct worktree *wt, const struct prf_strbuf *tree,
                      const git_tree *head, git_oid *out)
{
    const char *data = prf_strbuf_text(tree);
    if (tree->failed || git_odb_hash(out, data, tree->len, GIT_OBJECT_TREE) < 0) {
        return PRF_ENOMEM;
    }
    if (head != NULL && git_oid_equal(git_tree_id(head), out)) {
        return 0;
    }
    return worktree_object(wt, out, data, tree->len, GIT_OBJECT_TREE);
}

/* The tree of all entries from *i on that begin as entries[*i] does up to `prefix`. In
   a list of paths sorted by bytes a folder's files lie together and in a tree's order.
   `head` is HEAD's tree of that folder, or NULL. */
static int
worktree_build(struct worktree *wt, size_t *i, size_t prefix, const git_tree *head,
               git_oid *out)
{
    struct prf_strbuf tree = PRF_STRBUF_INIT;
    const char *folder = *i < wt->n ? wt->entries[*i].path : "";
    int rc = 0;
    while (rc == 0 && *i < wt->n && wt->entries[*i].len > prefix &&
           memcmp(wt->entries[*i].path, folder, prefix) == 0) {
        const struct entry *e = &wt->entries[*i];
        const char *name = e->path + prefix;
        const char *slash = memchr(name, '/', e->len - prefix);
        git_oid id = e->id;
        if (slash != NULL) {
            prf_strbuf_addf(&tree, "40000 %.*s", (int)(slash - name), name);
            rc = worktree_build_below(wt, i, head, prefix, (size_t)(slash - name), &id);
        } else {
            prf_strbuf_addf(&tree, "%o %.*s", e->mode, (int)(e->len - prefix), name);
            rc = worktree_keep_entry(wt, e, head, name);
            (*i)++;
        }
        prf_strbuf_addc(&tree, '\0');
        prf_strbuf_add(&tree, (const char *)id.id, GIT_OID_RAWSZ);
    }
    if (rc == 0) {
        rc = worktree_build_object(wt, &tree, head, out);
    }
    prf_strbuf_release(&tree);
    return rc;
}

/* HEAD's tree, where it matters what HEAD has; NULL without one. */
static git_tree *
worktree_head(const struct worktree *wt)
{
    git_object *tree = NULL;
    if (wt->keep == NULL || git_revparse_single(&tree, wt->repo, "HEAD^{tree}") < 0) {
        return NULL;
    }
    return (git_tree *)tree;
}

static void
worktree_drop_gone(struct worktree *wt)
{
    size_t kept = 0;
    for (size_t i = 0; i < wt->n; i++) {
        if (!wt->entries[i].gone) {
            wt->entries[kept++] = wt->entries[i];
        }
    }
    wt->n = kept;
    qsort(wt->entries, wt->n, sizeof *wt->entries, worktree_compare);
}

/* Byte code that Python wrote on importing a case is no change of what is measured. */
static bool
worktree_is_byproduct(const git_diff_delta *delta)
{
    const char *path = delta->new_file.path;
    return delta->status == GIT_DELTA_UNTRACKED &&
           (strncmp(path, "__pycache__/", 12) == 0 ||
            strstr(path, "/__pycache__/") != NULL);
}

static int
worktree_changes(struct worktree *wt, git_index *index, git_diff **out)
{
    git_diff_options options = GIT_DIFF_OPTIONS_INIT;
    options.flags = GIT_DIFF_INCLUDE_UNTRACKED | GIT_DIFF_RECURSE_UNTRACKED_DIRS |
                    GIT_DIFF_INCLUDE_TYPECHANGE | GIT_DIFF_SKIP_BINARY_CHECK;
    return git_diff_index_to_workdir(out, wt->repo, index, &options);
}

int
prf_worktree_tree(git_repository *repo, git_odb *keep, git_oid *out,
                  struct prf_strbuf *note)
{
    struct worktree wt = {
        .repo = repo, .keep = keep, .root = git_repository_workdir(repo), .note = note};
    git_index *index = NULL;
    git_diff *diff = NULL;
    git_tree *head = NULL;
    size_t first = 0;
    int rc = 0;
    if (git_repository_index(&index, repo) < 0 ||
        worktree_changes(&wt, index, &diff) < 0) {
        worktree_unknown(&wt, wt.root, prf_worktree_why());
        goto out;
    }
    size_t n_deltas = git_diff_num_deltas(diff);
    rc = worktree_load(&wt, index, n_deltas);
    for (size_t i = 0; i < n_deltas && rc == 0; i++) {
        const git_diff_delta *delta = git_diff_get_delta(diff, i);
        if (!worktree_is_byproduct(delta)) {
            worktree_apply(&wt, index, delta);
        }
    }
    if (rc == 0 && wt.found != PRF_WORKTREE_UNKNOWN && !wt.keep_failed) {
        worktree_drop_gone(&wt);
        head = worktree_head(&wt);
        rc = worktree_build(&wt, &first, 0, head, out);
    }
    if (wt.keep_failed) {
        rc = PRF_EIO;
    }
out:
    git_tree_free(head);
    free(wt.entries);
    git_diff_free(diff);
    git_index_free(index);
    return rc < 0 ? rc : (int)wt.found;
}
