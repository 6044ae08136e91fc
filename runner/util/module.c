/* Module names; see module.h. */
#include "module.h"

#include <string.h>

/* Bytes of `root` with its '/', when `file` is below it; else 0. */
static size_t
module_below(const char *file, const char *root)
{
    size_t n = strlen(root);
    while (n > 0 && root[n - 1] == '/') {
        n--;
    }
    return n > 0 && strncmp(file, root, n) == 0 && file[n] == '/' ? n + 1 : 0;
}

/* Bytes up to the end of the last folder `name` (with both its '/'), or 0. */
static size_t
module_after(const char *file, const char *name)
{
    size_t end = 0;
    for (const char *at = file; (at = strstr(at, name)) != NULL; at++) {
        end = (size_t)(at - file) + strlen(name);
    }
    return end;
}

/* Bytes up to the end of the last "/lib/python3.11/", or 0. */
static size_t
module_after_library(const char *file)
{
    static const char *const names[] = {"/lib/python", "/lib64/python"};
    size_t end = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t at = module_after(file, names[i]);
        size_t digits = at > 0 ? strspn(file + at, "0123456789.") : 0;
        if (digits > 0 && file[at + digits] == '/' && at + digits + 1 > end) {
            end = at + digits + 1;
        }
    }
    return end;
}

/* Where the name starts in `file`. */
static size_t
module_start(const char *file, const char *const *roots, size_t n_roots)
{
    const char *slash = strrchr(file, '/');
    size_t best = 0;
    for (size_t i = 0; i < n_roots; i++) {
        size_t n = module_below(file, roots[i]);
        best = n > best ? n : best;
    }
    const size_t known[] = {module_after(file, "/site-packages/"),
                            module_after(file, "/dist-packages/"),
                            module_after_library(file)};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        best = known[i] > best ? known[i] : best;
    }
    if (best == 0 && slash != NULL) {
        best = (size_t)(slash - file) + 1;
    }
    return best;
}

static size_t
module_without(const char *text, size_t n, const char *tail)
{
    size_t m = strlen(tail);
    return n > m && memcmp(text + n - m, tail, m) == 0 ? n - m : n;
}

void
prf_module_add(struct prf_strbuf *sb, const char *file, const char *const *roots,
               size_t n_roots)
{
    static const char frozen[] = "<frozen ";
    size_t len = strlen(file);
    if (len > 0 && file[0] == '<') {
        bool is_frozen = strncmp(file, frozen, sizeof frozen - 1) == 0;
        size_t skip = is_frozen ? sizeof frozen - 1 : 0;
        prf_strbuf_add(sb, file + skip,
                       len - skip - (is_frozen && file[len - 1] == '>'));
        return;
    }
    const char *name = file + module_start(file, roots, n_roots);
    size_t n = module_without(name, strlen(name), ".py");
    n = module_without(name, n, "/__init__");
    for (size_t i = 0; i < n; i++) {
        prf_strbuf_addc(sb, name[i] == '/' ? '.' : name[i]);
    }
}
