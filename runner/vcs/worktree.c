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
    const char *root; /* ends with '/' */
    struct entry *entries;
    size_t n, n_indexed; /* the first n_indexed are sorted: those of the index */
    struct prf_strbuf *note;
    enum prf_worktree_found found;
    unsigned long long read_bytes;
    bool filter_noted;
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

static int
worktree_hash_link(git_oid *out, const char *full)
{
    char target[PATH_MAX];
    ssize_t len = readlink(full, target, sizeof target);
    return len < 0 ? -1 : git_odb_hash(out, target, (size_t)len, GIT_OBJECT_BLOB);
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

static int
worktree_hash_file(struct worktree *wt, git_oid *out, const char *path,
                   const struct stat *st)
{
    wt->read_bytes += (unsigned long long)st->st_size;
    if (wt->read_bytes > READ_MAX) {
        worktree_unknown(wt, path,
                         "uncommitted files hold more than 512 MB (name what does not"
                         " matter in .gitignore)");
        return -1;
    }
    worktree_note_filter(wt, path);
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
        out->gone = worktree_hash_link(&out->id, full.data) < 0;
    } else if (S_ISREG(st.st_mode)) {
        out->mode = worktree_mode(file, &st);
        out->gone = worktree_hash_file(wt, &out->id, out->path, &st) < 0;
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

/* The tree of all entries from *i on that begin as entries[*i] does up to `prefix`. In
   a list of paths sorted by bytes a folder's files lie together and in a tree's order.
 */
static int
worktree_build(const struct worktree *wt, size_t *i, size_t prefix, git_oid *out)
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
            rc = worktree_build(wt, i, (size_t)(slash + 1 - e->path), &id);
        } else {
            prf_strbuf_addf(&tree, "%o %.*s", e->mode, (int)(e->len - prefix), name);
            (*i)++;
        }
        prf_strbuf_addc(&tree, '\0');
        prf_strbuf_add(&tree, (const char *)id.id, GIT_OID_RAWSZ);
    }
    if (rc == 0 && (tree.failed || git_odb_hash(out, prf_strbuf_text(&tree), tree.len,
                                                GIT_OBJECT_TREE) < 0)) {
        rc = PRF_ENOMEM;
    }
    prf_strbuf_release(&tree);
    return rc;
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
prf_worktree_tree(git_repository *repo, git_oid *out, struct prf_strbuf *note)
{
    struct worktree wt = {
        .repo = repo, .root = git_repository_workdir(repo), .note = note};
    git_index *index = NULL;
    git_diff *diff = NULL;
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
    if (rc == 0 && wt.found != PRF_WORKTREE_UNKNOWN) {
        worktree_drop_gone(&wt);
        rc = worktree_build(&wt, &first, 0, out);
    }
out:
    free(wt.entries);
    git_diff_free(diff);
    git_index_free(index);
    return rc < 0 ? rc : (int)wt.found;
}
