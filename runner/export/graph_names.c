/* Names in a picture; see graph_names.h. */
#include "graph_names.h"

#include <string.h>

#include "label.h"
#include "module.h"

#define NAMES_WIDTH 60 /* characters; the tooltip has all of them */

int
prf_graph_names_init(struct prf_graph_names *names, struct prf_graph *graph)
{
    const char *file = graph->result->case_file;
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;
    *names = (struct prf_graph_names){.graph = graph, .text = PRF_STRBUF_INIT};
    if (slash != NULL && slash > file) {
        char *folder = prf_arena_strndup(&graph->arena, file, (size_t)(slash - file));
        if (folder == NULL) {
            return PRF_ENOMEM;
        }
        names->roots[names->n_roots++] = folder;
    }
    if (graph->run->commit.root != NULL) {
        names->roots[names->n_roots++] = graph->run->commit.root;
    }
    return 0;
}

void
prf_graph_names_release(struct prf_graph_names *names)
{
    prf_strbuf_release(&names->text);
}

/* `text` as it is shown, in the arena; NULL: no memory. */
static const char *
names_keep(struct prf_graph_names *names, const char *text, size_t len)
{
    struct prf_strbuf raw = PRF_STRBUF_INIT, visible = PRF_STRBUF_INIT;
    prf_strbuf_add(&raw, text, len);
    prf_visible_add(&visible, prf_strbuf_text(&raw), PRF_VISIBLE_LINE);
    prf_strbuf_clear(&raw);
    prf_shorten_add(&raw, prf_strbuf_text(&visible), NAMES_WIDTH, "…");
    const char *kept =
        raw.failed || visible.failed
            ? NULL
            : prf_arena_strdup(&names->graph->arena, prf_strbuf_text(&raw));
    prf_strbuf_release(&raw);
    prf_strbuf_release(&visible);
    return kept;
}

struct names_part {
    const char *text;
    size_t len;
};

/* "a.b.c" -> "a.b" and "c"; without a dot the module is `module`. */
static void
names_split(struct names_part whole, const char *module, struct names_part *of_module,
            struct names_part *name)
{
    *name = whole;
    *of_module = (struct names_part){module, strlen(module)};
    for (size_t i = whole.len; i > 1; i--) {
        if (whole.text[i - 1] == '.') {
            *of_module = (struct names_part){whole.text, i - 1};
            *name = (struct names_part){whole.text + i, whole.len - i};
            return;
        }
    }
}

/* The text between quotes after `from`. */
static bool
names_quoted(const char **from, struct names_part *out)
{
    const char *open = strchr(*from, '\'');
    const char *end = open != NULL ? strchr(open + 1, '\'') : NULL;
    if (end == NULL) {
        return false;
    }
    *out = (struct names_part){open + 1, (size_t)(end - open - 1)};
    *from = end + 1;
    return true;
}

/* "<method 'append' of 'list' objects>": of the module of the type. */
static bool
names_method(struct prf_graph_names *names, const char *text, struct names_part *module)
{
    struct names_part method, type, bare;
    if (!names_quoted(&text, &method) || strncmp(text, " of '", 5) != 0 ||
        !names_quoted(&text, &type)) {
        return false;
    }
    names_split(type, "builtins", module, &bare);
    prf_strbuf_add(&names->text, bare.text, bare.len);
    prf_strbuf_addc(&names->text, '.');
    prf_strbuf_add(&names->text, method.text, method.len);
    return true;
}

/* "<built-in method time.sleep>", "<time.sleep>", "<len>", or anything else. */
static void
names_c(struct prf_graph_names *names, const char *text, struct names_part *module)
{
    static const char builtin[] = "<built-in method ";
    size_t len = strlen(text);
    struct names_part name;
    if (len < 2 || text[0] != '<' || text[len - 1] != '>') {
        *module = (struct names_part){"", 0};
        prf_strbuf_adds(&names->text, text);
        return;
    }
    if (names_method(names, text, module)) {
        return;
    }
    size_t skip =
        strncmp(text, builtin, sizeof builtin - 1) == 0 ? sizeof builtin - 1 : 1;
    names_split((struct names_part){text + skip, len - skip - 1}, "builtins", module,
                &name);
    prf_strbuf_add(&names->text, name.text, name.len);
}

int
prf_graph_names_get(struct prf_graph_names *names, const struct prf_function *code,
                    const char **module, const char **name)
{
    struct names_part part;
    prf_strbuf_clear(&names->text);
    if ((code->flags & PRF_CODE_C) != 0 || code->file[0] == '\0') {
        names_c(names, code->qualname, &part);
        *name = names_keep(names, prf_strbuf_text(&names->text), names->text.len);
        *module = names_keep(names, part.text, part.len);
    } else {
        prf_module_add(&names->text, code->file, names->roots, names->n_roots);
        *module = names_keep(names, prf_strbuf_text(&names->text), names->text.len);
        *name = names_keep(names, code->qualname, strlen(code->qualname));
    }
    return *module == NULL || *name == NULL || names->text.failed ? PRF_ENOMEM : 0;
}
