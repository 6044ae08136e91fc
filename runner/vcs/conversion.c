/* See conversion.h. Ends of lines become CRLF only where a rule or the configuration
   says "crlf" ("text=auto" alone makes LF here), ids appear where it says "ident".
   Everything is taken on the safe side: libgit2 has the last word. */
#include "conversion.h"

#include <stdlib.h>
#include <string.h>

#include "path.h"

void
prf_conversion_release(struct prf_conversion *conversion)
{
    prf_strbuf_release(&conversion->suffixes);
}

struct prf_conversion_mark
prf_conversion_mark(const struct prf_conversion *conversion)
{
    return (struct prf_conversion_mark){conversion->all, conversion->suffixes.len};
}

void
prf_conversion_return(struct prf_conversion *conversion,
                      struct prf_conversion_mark mark)
{
    conversion->all = mark.all;
    conversion->suffixes.len = mark.len;
}

bool
prf_conversion_concerns(const struct prf_conversion *conversion, const char *name)
{
    const struct prf_strbuf *all = &conversion->suffixes;
    size_t len = strlen(name);
    if (conversion->all) {
        return true;
    }
    for (size_t i = 0; i < all->len; i += strlen(all->data + i) + 1) {
        size_t suffix = strlen(all->data + i);
        if (suffix <= len && strcmp(name + len - suffix, all->data + i) == 0) {
            return true;
        }
    }
    return false;
}

static bool
conversion_has(const char *line, size_t len, const char *word)
{
    return memmem(line, len, word, strlen(word)) != NULL;
}

/* A rule for "*.bat" concerns names that end so; any other pattern may be for all. */
static void
conversion_add_rule(struct prf_conversion *conversion, const char *line, size_t len)
{
    size_t pattern = 0;
    while (pattern < len && strchr(" \t\r", line[pattern]) == NULL) {
        pattern++;
    }
    bool suffix = pattern > 2 && line[0] == '*' && line[1] == '.';
    for (size_t i = 1; suffix && i < pattern; i++) {
        suffix = strchr("*?[]\\/\"", line[i]) == NULL;
    }
    if (suffix) {
        prf_strbuf_add(&conversion->suffixes, line + 1, pattern - 1);
        prf_strbuf_addc(&conversion->suffixes, '\0');
    }
    conversion->all = conversion->all || !suffix || conversion->suffixes.failed;
}

void
prf_conversion_add(struct prf_conversion *conversion, const char *text, size_t size)
{
    size_t len;
    for (; size > 0; text += len, size -= len) {
        const char *end = memchr(text, '\n', size);
        len = end == NULL ? size : (size_t)(end - text) + 1;
        if (conversion_has(text, len, "crlf") || conversion_has(text, len, "ident")) {
            conversion_add_rule(conversion, text, end == NULL ? len : len - 1);
        }
    }
}

static void
conversion_add_file(struct prf_conversion *conversion, const char *path)
{
    struct prf_error err = {0};
    char *text = NULL;
    size_t size = 0;
    int rc = prf_file_read(path, &text, &size, &err);
    if (rc == 0) {
        prf_conversion_add(conversion, text, size);
    } else if (rc != PRF_ENOTFOUND) {
        conversion->all = true;
    }
    free(text);
}

/* `name` in each folder where libgit2 looks for the files of that level. */
static void
conversion_add_level(struct prf_conversion *conversion, git_config_level_t level,
                     const char *name)
{
    git_buf folders = {0};
    if (git_libgit2_opts(GIT_OPT_GET_SEARCH_PATH, level, &folders) < 0 ||
        folders.ptr == NULL) {
        conversion->all = true;
        return;
    }
    char *rest = NULL;
    for (char *folder = strtok_r(folders.ptr, ":", &rest); folder != NULL;
         folder = strtok_r(NULL, ":", &rest)) {
        char *path = prf_path_join(folder, name);
        if (path == NULL) {
            conversion->all = true;
        } else {
            conversion_add_file(conversion, path);
        }
        free(path);
    }
    git_buf_dispose(&folders);
}

static void
conversion_add_info(struct prf_conversion *conversion, git_repository *repo)
{
    git_buf info = {0};
    char *path = NULL;
    if (git_repository_item_path(&info, repo, GIT_REPOSITORY_ITEM_INFO) == 0 &&
        (path = prf_path_join(info.ptr, "attributes")) != NULL) {
        conversion_add_file(conversion, path);
    } else {
        conversion->all = true;
    }
    free(path);
    git_buf_dispose(&info);
}

/* core.autocrlf is a truth value or "input"; core.eol a word. */
static void
conversion_add_config(struct prf_conversion *conversion, git_config *config)
{
    const char *value = NULL;
    int on = 0;
    if (git_config_get_string(&value, config, "core.autocrlf") == 0 &&
        strcmp(value, "input") != 0 &&
        (git_config_parse_bool(&on, value) < 0 || on != 0)) {
        conversion->all = true;
    }
    if (git_config_get_string(&value, config, "core.eol") == 0 &&
        strcmp(value, "lf") != 0 && strcmp(value, "native") != 0) {
        conversion->all = true;
    }
    git_buf file = {0};
    if (git_config_get_path(&file, config, "core.attributesfile") == 0) {
        conversion_add_file(conversion, file.ptr);
    }
    git_buf_dispose(&file);
}

void
prf_conversion_init(struct prf_conversion *conversion, git_repository *repo)
{
    git_config *config = NULL;
    *conversion = (struct prf_conversion){0};
    if (git_repository_config_snapshot(&config, repo) == 0) {
        conversion_add_config(conversion, config);
    } else {
        conversion->all = true;
    }
    conversion_add_level(conversion, GIT_CONFIG_LEVEL_SYSTEM, "gitattributes");
    conversion_add_level(conversion, GIT_CONFIG_LEVEL_XDG, "attributes");
    conversion_add_info(conversion, repo);
    git_config_free(config);
}
