/* Words as case files; see targets.h. */
#include "targets.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "path.h"
#include "strbuf.h"
#include "suggest.h"

#define CODE_NODE_MAX 40 /* characters of -c in a node id */

static bool
targets_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* "a.b.c": identifiers joined by dots; the part before "::" of a word. */
static bool
targets_is_dotted(const char *text)
{
    bool start = true;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (start ? !(isalpha(c) || c == '_' || c >= 0x80)
                  : !(isalnum(c) || c == '_' || c == '.' || c >= 0x80)) {
            return false;
        }
        start = c == '.';
    }
    return !start;
}

/* The file of a dotted module below the current folder, or NULL; the caller's. */
static char *
targets_module_file(const char *module)
{
    char *slashed = strdup(module);
    char *found = NULL;
    for (char *p = slashed; p != NULL && *p != '\0'; p++) {
        *p = *p == '.' ? '/' : *p;
    }
    for (int i = 0; slashed != NULL && found == NULL && i < 2; i++) {
        char *path = NULL;
        int n = i == 0 ? asprintf(&path, "%s.py", slashed)
                       : asprintf(&path, "%s/__init__.py", slashed);
        if (n >= 0 && prf_path_exists(path)) {
            found = prf_path_absolute(path);
        }
        free(n >= 0 ? path : NULL);
    }
    free(slashed);
    return found;
}

bool
prf_target_plausible(const char *word)
{
    if (strstr(word, "::") != NULL || strchr(word, '/') != NULL ||
        targets_ends_with(word, ".py") || prf_path_exists(word)) {
        return true;
    }
    if (!targets_is_dotted(word)) {
        return false;
    }
    char *file = targets_module_file(word);
    bool found = file != NULL || strchr(word, '.') != NULL;
    free(file);
    return found;
}

char *
prf_target_folder(const char *word)
{
    char *base = strndup(word, strlen(word));
    char *folder = NULL;
    if (base == NULL) {
        return NULL;
    }
    char *colons = strstr(base, "::");
    if (colons != NULL) {
        *colons = '\0';
    }
    char *absolute = prf_path_absolute(base);
    if (absolute != NULL && prf_path_is_dir(absolute)) {
        folder = absolute;
        absolute = NULL;
    } else if (absolute != NULL &&
               (prf_path_exists(absolute) || strchr(base, '/') != NULL)) {
        folder = prf_path_dirname(absolute);
    } else {
        folder = prf_path_absolute(".");
    }
    free(absolute);
    free(base);
    return folder;
}

static struct prf_target *
targets_new(struct prf_targets *targets)
{
    struct prf_target *items =
        prf_arena_alloc(&targets->arena, (targets->n + 1) * sizeof *items);
    if (items == NULL) {
        return NULL;
    }
    if (targets->n > 0) {
        memcpy(items, targets->items, targets->n * sizeof *items);
    }
    targets->items = items;
    return &items[targets->n++];
}

static struct prf_target *
targets_entry(struct prf_targets *targets, const char *path, const char *module)
{
    for (size_t i = 0; i < targets->n; i++) {
        struct prf_target *t = &targets->items[i];
        const char *a = path != NULL ? path : module;
        const char *b = path != NULL ? t->path : t->module;
        if (t->kind == PRF_TARGET_CASES && b != NULL && strcmp(a, b) == 0) {
            return t;
        }
    }
    return targets_new(targets);
}

/* Part of a node id after "::"; `word` whole, for errors. */
static int
targets_select(struct prf_targets *targets, struct prf_target *target, const char *word,
               const char *rest, struct prf_error *err)
{
    if (rest == NULL || *rest == '\0') {
        target->whole = true;
        return 0;
    }
    struct prf_arena *arena = &targets->arena;
    const char *bracket = strchr(rest, '['); /* "::" may stand in the parameters */
    const char *colons = strstr(rest, "::");
    if (colons != NULL && bracket != NULL && bracket < colons) {
        colons = NULL;
    }
    size_t n = colons == NULL ? strlen(rest) : (size_t)(colons - rest);
    struct prf_selector *list =
        prf_arena_alloc(arena, (target->n_selectors + 1) * sizeof *list);
    if (list == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (target->n_selectors > 0) {
        memcpy(list, target->selectors, target->n_selectors * sizeof *list);
    }
    list[target->n_selectors++] = (struct prf_selector){
        .word = prf_arena_strdup(arena, word),
        .class_name = prf_arena_strndup(arena, rest, n),
        .method = colons == NULL || colons[2] == '\0'
                      ? NULL
                      : prf_arena_strdup(arena, colons + 2),
    };
    target->selectors = list;
    return 0;
}

static int
targets_add_file(struct prf_targets *targets, const char *path, const char *module,
                 const char *root, struct prf_target **out, struct prf_error *err)
{
    struct prf_arena *arena = &targets->arena;
    struct prf_target *t = targets_entry(targets, path, module);
    if (t == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    if (t->node == NULL) {
        char *node = path == NULL ? strdup(module) : prf_path_relative(path, root);
        t->path = path == NULL ? NULL : prf_arena_strdup(arena, path);
        t->module = module == NULL ? NULL : prf_arena_strdup(arena, module);
        t->node = node == NULL ? NULL : prf_arena_strdup(arena, node);
        free(node);
        if (t->node == NULL) {
            return prf_fail(err, PRF_ENOMEM, "out of memory");
        }
    }
    *out = t;
    return 0;
}

/* Does the text import pyprofiler? A line's first words decide, so that a mention in a
   comment or a string does not get a file executed. */
static bool
targets_imports(const char *text)
{
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *p = line + strspn(line, " \t");
        size_t skip = strncmp(p, "import ", 7) == 0 ? 7
                      : strncmp(p, "from ", 5) == 0 ? 5
                                                    : 0;
        p += skip;
        p += strspn(p, " \t");
        if (skip > 0 && strncmp(p, "pyprofiler", 10) == 0 &&
            strchr(" .,;\t\r\n", p[10]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool
targets_is_case_file(const char *path)
{
    char *text = NULL;
    struct prf_error ignored = {0};
    bool found =
        prf_file_read(path, &text, NULL, &ignored) == 0 && targets_imports(text);
    free(text);
    return found;
}

static bool
targets_is_skipped_folder(const char *path, const char *name)
{
    char *marker = prf_path_join(path, "pyvenv.cfg");
    bool skipped = name[0] == '.' || strcmp(name, "__pycache__") == 0 ||
                   strcmp(name, "node_modules") == 0 || marker == NULL ||
                   prf_path_exists(marker);
    free(marker);
    return skipped;
}

static int
targets_scan(struct prf_targets *targets, const char *folder, const char *root,
             struct prf_error *err)
{
    struct dirent **entries = NULL;
    int rc = 0;
    int n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        char *path = prf_path_join(folder, name);
        struct stat st;
        if (rc < 0 || path == NULL || name[0] == '.' || lstat(path, &st) < 0) {
            goto next; /* links to folders are not followed: they can be cycles */
        }
        if (S_ISDIR(st.st_mode) && !targets_is_skipped_folder(path, name)) {
            rc = targets_scan(targets, path, root, err);
        } else if (!S_ISDIR(st.st_mode) && targets_ends_with(name, ".py") &&
                   !prf_path_is_dir(path) && targets_is_case_file(path)) {
            struct prf_target *t = NULL;
            rc = targets_add_file(targets, path, NULL, root, &t, err);
            if (rc == 0) {
                t->listed = !t->whole && t->n_selectors == 0;
                t->whole = true;
            }
        }
    next:
        free(path);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* A name in the folder of the missing `path` that is near to it; the caller's. */
static char *
targets_suggest(const char *path)
{
    char *folder = prf_path_dirname(path);
    struct dirent **entries = NULL;
    int n = folder == NULL ? 0 : scandir(folder, &entries, NULL, alphasort);
    const char **names = calloc((size_t)(n > 0 ? n : 1), sizeof *names);
    size_t k = 0;
    for (int i = 0; names != NULL && i < n; i++) {
        const char *name = entries[i]->d_name;
        if (name[0] != '.' &&
            (targets_ends_with(name, ".py") || strchr(name, '.') == NULL)) {
            names[k++] = name;
        }
    }
    const char *near =
        names == NULL ? NULL : prf_suggest(prf_path_basename(path), names, k);
    bool here = strchr(path, '/') == NULL;
    char *out = near == NULL ? NULL : here ? strdup(near) : prf_path_join(folder, near);
    for (int i = 0; i < n; i++) {
        free(entries[i]);
    }
    free(entries);
    free(names);
    free(folder);
    return out;
}

static int
targets_fail_missing(const char *base, struct prf_error *err)
{
    char *near = targets_suggest(base);
    int rc =
        near == NULL
            ? prf_fail(err, PRF_EUSAGE, "no such file or module: '%s'", base)
            : prf_fail(err, PRF_EUSAGE,
                       "no such file or module: '%s', did you mean '%s'?", base, near);
    free(near);
    return rc;
}

/* `base` is the word up to "::", `rest` what follows, or NULL. */
static int
targets_resolve(struct prf_targets *targets, const char *word, const char *base,
                const char *rest, const char *root, struct prf_error *err)
{
    struct prf_target *t = NULL;
    char *path = prf_path_absolute(base);
    char *module_file = NULL;
    int rc = path == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
    if (rc < 0) {
        goto out;
    }
    if (prf_path_is_dir(base)) {
        rc = rest == NULL
                 ? targets_scan(targets, path, root, err)
                 : prf_fail(err, PRF_EUSAGE,
                            "'%s' is a folder; a class or case needs its file", base);
        goto out;
    }
    if (prf_path_exists(base)) {
        rc = targets_add_file(targets, path, NULL, root, &t, err);
    } else if (targets_is_dotted(base) && !targets_ends_with(base, ".py")) {
        module_file = targets_module_file(base);
        if (rest == NULL && module_file != NULL &&
            strcmp(prf_path_basename(module_file), "__init__.py") == 0) {
            /* a package: all that lies in its folder */
            module_file[strlen(module_file) - strlen("/__init__.py")] = '\0';
            rc = targets_scan(targets, module_file, root, err);
            goto out;
        }
        rc = targets_add_file(targets, module_file, base, root, &t, err);
    } else {
        rc = targets_fail_missing(base, err);
    }
    if (rc == 0) {
        t->given = prf_arena_strdup(&targets->arena, base);
        rc = t->given == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory")
                              : targets_select(targets, t, word, rest, err);
    }
out:
    free(module_file);
    free(path);
    return rc;
}

int
prf_targets_add(struct prf_targets *targets, const char *word, const char *root,
                struct prf_error *err)
{
    char *base = strdup(word);
    if (base == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    char *rest = strstr(base, "::");
    if (rest != NULL) {
        *rest = '\0';
        rest += 2;
    }
    int rc = targets_resolve(targets, word, base, rest, root, err);
    free(base);
    return rc;
}

/* "-c " and the beginning of the code, on one line. */
static char *
targets_code_node(const char *code)
{
    char *node = NULL;
    size_t n = 0, n_chars = 0;
    for (; code[n] != '\0' && n_chars < CODE_NODE_MAX; n++) {
        n_chars += ((unsigned char)code[n + 1] & 0xC0) != 0x80;
    }
    if (asprintf(&node, "-c %.*s", (int)n, code) < 0) {
        return NULL;
    }
    for (char *p = node; *p != '\0'; p++) {
        *p = (unsigned char)*p < ' ' ? ' ' : *p;
    }
    return node;
}

static char *
targets_script_node(enum prf_target_kind kind, const char *given, const char *path,
                    const char *root)
{
    char *node = NULL;
    if (kind == PRF_TARGET_SCRIPT) {
        return prf_path_relative(path, root);
    }
    if (kind == PRF_TARGET_CODE) {
        return targets_code_node(given);
    }
    return asprintf(&node, "-m %s", given) < 0 ? NULL : node;
}

int
prf_targets_add_script(struct prf_targets *targets, enum prf_target_kind kind,
                       const char *given, const char *root, struct prf_error *err)
{
    struct prf_arena *arena = &targets->arena;
    if (kind == PRF_TARGET_SCRIPT && !prf_path_exists(given)) {
        const char *colons = strstr(given, "::");
        return colons == NULL
                   ? targets_fail_missing(given, err)
                   : prf_fail(err, PRF_EUSAGE,
                              "'%s': a script is run as a whole; --script takes a file "
                              "without '%s'",
                              given, colons);
    }
    char *path = kind == PRF_TARGET_SCRIPT ? prf_path_absolute(given) : NULL;
    char *node = targets_script_node(kind, given, path, root);
    struct prf_target *t = targets_new(targets);
    if (t != NULL) {
        *t = (struct prf_target){
            .kind = kind,
            .given = prf_arena_strdup(arena, given),
            .path = path == NULL ? NULL : prf_arena_strdup(arena, path),
            .node = node == NULL ? NULL : prf_arena_strdup(arena, node),
            .whole = true,
        };
    }
    free(path);
    free(node);
    return t == NULL || t->node == NULL || t->given == NULL
               ? prf_fail(err, PRF_ENOMEM, "out of memory")
               : 0;
}

bool
prf_target_may_be_script(const struct prf_target *target)
{
    char *text = NULL;
    struct prf_error ignored = {0};
    bool is_file = target->kind == PRF_TARGET_CASES && target->path != NULL &&
                   target->module == NULL && target->whole && !target->listed &&
                   target->n_selectors == 0;
    bool maybe = is_file && prf_file_read(target->path, &text, NULL, &ignored) == 0 &&
                 !(targets_imports(text) && strstr(text, "ProfilerCase") != NULL);
    free(text);
    return maybe;
}

void
prf_targets_release(struct prf_targets *targets)
{
    struct prf_arena arena = targets->arena;
    prf_arena_release(&arena);
    *targets = (struct prf_targets){0};
}

/* "profile_sort" or "profile_sort[n=10]" against a case. */
static bool
targets_is_method(const char *wanted, const struct prf_case *kase)
{
    size_t n = strlen(kase->method);
    if (strncmp(wanted, kase->method, n) != 0) {
        return false;
    }
    if (wanted[n] == '\0') {
        return true;
    }
    size_t m = kase->params == NULL ? 0 : strlen(kase->params);
    return wanted[n] == '[' && m > 0 && strncmp(wanted + n + 1, kase->params, m) == 0 &&
           strcmp(wanted + n + 1 + m, "]") == 0;
}

static bool
targets_selector_matches(const struct prf_selector *s, const struct prf_case *kase)
{
    return strcmp(s->class_name, kase->class_name) == 0 &&
           (s->method == NULL || targets_is_method(s->method, kase));
}

bool
prf_target_selects(const struct prf_target *target, const struct prf_case *kase)
{
    if (target->whole || target->n_selectors == 0) {
        return true;
    }
    for (size_t i = 0; i < target->n_selectors; i++) {
        if (targets_selector_matches(&target->selectors[i], kase)) {
            return true;
        }
    }
    return false;
}

/* Nothing in the file fits the selector: say what is missing and what is near. */
static int
targets_fail_selector(const struct prf_selector *s, const struct prf_target *target,
                      const struct prf_case_file *file, struct prf_error *err)
{
    const char **names = calloc(file->n + 1, sizeof *names);
    struct prf_strbuf text = PRF_STRBUF_INIT;
    size_t n = 0;
    bool has_class = false;
    for (size_t i = 0; i < file->n; i++) {
        has_class |= strcmp(file->cases[i].class_name, s->class_name) == 0;
    }
    for (size_t i = 0; names != NULL && i < file->n; i++) {
        const struct prf_case *c = &file->cases[i];
        if (!has_class) {
            names[n++] = c->class_name;
        } else if (strcmp(c->class_name, s->class_name) == 0) {
            const char *colons = strstr(c->id, "::");
            const char *second = colons == NULL ? NULL : strstr(colons + 2, "::");
            bool with_params = strchr(s->method, '[') != NULL && second != NULL;
            names[n++] = with_params ? second + 2 : c->method;
        }
    }
    const char *wanted = has_class ? s->method : s->class_name;
    const char *near = names == NULL ? NULL : prf_suggest(wanted, names, n);
    prf_strbuf_addf(&text, "no %s '%s' in '%s'", has_class ? "case" : "class", wanted,
                    target->node);
    if (has_class) {
        prf_strbuf_addf(&text, "::%s", s->class_name);
    }
    if (near != NULL) {
        prf_strbuf_addf(&text, ", did you mean '%s'?", near);
    } else if (n > 0) {
        prf_strbuf_addf(&text, "; there is '%s'%s", names[0],
                        n > 1 ? " and others" : "");
    }
    int rc = prf_fail(err, PRF_EUSAGE, "%s", prf_strbuf_text(&text));
    prf_strbuf_release(&text);
    free(names);
    return rc;
}

int
prf_target_check(const struct prf_target *target, const struct prf_case_file *file,
                 struct prf_error *err)
{
    for (size_t i = 0; i < target->n_selectors; i++) {
        bool found = false;
        for (size_t k = 0; !found && k < file->n; k++) {
            found = targets_selector_matches(&target->selectors[i], &file->cases[k]);
        }
        if (!found) {
            return targets_fail_selector(&target->selectors[i], target, file, err);
        }
    }
    return 0;
}
