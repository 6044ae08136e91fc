/* Boxes of flame graphs; see flame_layout.h. */
#include "flame_layout.h"

#include <inttypes.h>
#include <stdlib.h>

#include "formats.h"
#include "label.h"
#include "units.h"
#include "xml.h"

/* ---- any tree ---- */

struct flame_child {
    double width;
    uint32_t parent, node;
};

static int
flame_compare(const void *left, const void *right)
{
    const struct flame_child *a = left, *b = right;
    if (a->parent != b->parent) {
        return a->parent < b->parent ? -1 : 1;
    }
    if (a->width != b->width) {
        return a->width > b->width ? -1 : 1;
    }
    return (a->node > b->node) - (a->node < b->node);
}

static int
flame_sort(const struct prf_flame_tree *tree, uint32_t *order)
{
    struct flame_child *children = calloc(tree->n, sizeof *children);
    if (children == NULL) {
        return PRF_ENOMEM;
    }
    for (uint32_t i = 1; i < tree->n; i++) {
        children[i - 1] = (struct flame_child){tree->all[i], tree->parent[i], i};
    }
    qsort(children, tree->n - 1, sizeof *children, flame_compare);
    for (size_t i = 0; i + 1 < tree->n; i++) {
        order[i] = children[i].node;
    }
    free(children);
    return 0;
}

/* By parent is from the whole outwards, because parents come before their children. */
static void
flame_place(const struct prf_flame_tree *tree, struct prf_flame_layout *l)
{
    double whole = tree->all[0], at = 0;
    l->boxes[0] = (struct prf_flame_box){.width = 1, .drawn = true};
    l->n_rows = 1;
    for (size_t i = 0; i + 1 < tree->n; i++) {
        uint32_t node = l->order[i], parent = tree->parent[node];
        struct prf_flame_box *box = &l->boxes[node];
        if (i == 0 || parent != tree->parent[l->order[i - 1]]) {
            at = l->boxes[parent].x;
        }
        box->x = at;
        box->width = whole > 0 ? tree->all[node] / whole : 0;
        box->row = l->boxes[parent].row + 1;
        box->drawn = box->width >= tree->least &&
                     (tree->max_rows == 0 || box->row < tree->max_rows);
        at += box->width;
        if (!box->drawn) {
            l->n_left += tree->all[node] > 0;
        } else if (box->row >= l->n_rows) {
            l->n_rows = box->row + 1;
        }
    }
}

int
prf_flame_lay_out(const struct prf_flame_tree *tree, struct prf_flame_layout *out,
                  struct prf_error *err)
{
    *out = (struct prf_flame_layout){.boxes = calloc(tree->n, sizeof *out->boxes),
                                     .order = calloc(tree->n, sizeof *out->order),
                                     .n = tree->n};
    if (out->boxes == NULL || out->order == NULL || flame_sort(tree, out->order) < 0) {
        return prf_fail(err, PRF_ENOMEM, "out of memory for a flame graph");
    }
    flame_place(tree, out);
    return 0;
}

void
prf_flame_layout_release(struct prf_flame_layout *layout)
{
    free(layout->boxes);
    free(layout->order);
    *layout = (struct prf_flame_layout){0};
}

uint32_t
prf_flame_hash(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    }
    return hash;
}

/* ---- that of a profile ---- */

static void
flame_sum(struct prf_flame *f)
{
    const struct prf_tree *t = &f->profile->tree;
    size_t column = (size_t)prf_stack_column(t);
    f->unit = t->columns[column].unit;
    for (size_t i = t->n; i-- > 0;) {
        int64_t amount = t->values[i * t->n_columns + column];
        f->own[i] = i > 0 && amount > 0 ? (double)amount : 0;
        f->all[i] += f->own[i];
        if (i > 0) {
            f->all[t->parent[i]] += f->all[i];
        }
    }
}

int
prf_flame_init(struct prf_flame *flame, const struct prf_profile *profile, double least,
               uint32_t max_rows, struct prf_error *err)
{
    size_t n = profile->tree.n;
    *flame = (struct prf_flame){.profile = profile,
                                .own = calloc(n, sizeof *flame->own),
                                .all = calloc(n, sizeof *flame->all)};
    if (flame->own == NULL || flame->all == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory for a flame graph");
    }
    flame_sum(flame);
    const struct prf_flame_tree tree = {.parent = profile->tree.parent,
                                        .all = flame->all,
                                        .n = n,
                                        .least = least,
                                        .max_rows = max_rows};
    return prf_flame_lay_out(&tree, &flame->layout, err);
}

void
prf_flame_release(struct prf_flame *flame)
{
    prf_flame_layout_release(&flame->layout);
    free(flame->own);
    free(flame->all);
    *flame = (struct prf_flame){0};
}

const char *
prf_flame_name(const struct prf_flame *flame, uint32_t node)
{
    const struct prf_profile *p = flame->profile;
    const char *name =
        node == 0 ? "all" : prf_row_code(p, p->tree.code[node])->qualname;
    return name[0] != '\0' ? name : "?";
}

void
prf_flame_put_title(const struct prf_flame *flame, uint32_t node, bool strip_dirs,
                    struct prf_strbuf *scratch, FILE *out)
{
    char own[PRF_UNIT_TEXT], all[PRF_UNIT_TEXT];
    const struct prf_tree *t = &flame->profile->tree;
    int calls = prf_column_find(t->columns, t->n_columns, "calls");
    double percent = flame->all[0] > 0 ? 100 / flame->all[0] : 0;
    prf_strbuf_clear(scratch);
    if (node == 0) {
        prf_strbuf_adds(scratch, "all");
    } else {
        const struct prf_function *code = prf_row_code(flame->profile, t->code[node]);
        prf_label_add(scratch, code, code->first_line, strip_dirs);
    }
    fputs("<title>", out);
    prf_xml_put(out, prf_strbuf_text(scratch));
    fprintf(out, "\n%s (%.1f %%), own %s (%.1f %%)",
            prf_format_amount(flame->all[node], flame->unit, NULL, all, sizeof all),
            percent * flame->all[node],
            prf_format_amount(flame->own[node], flame->unit, NULL, own, sizeof own),
            percent * flame->own[node]);
    if (calls >= 0 && node != 0) {
        fprintf(out, ", %" PRId64 " calls",
                t->values[(size_t)node * t->n_columns + (size_t)calls]);
    }
    fputs("</title>", out);
}
