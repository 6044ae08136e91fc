/* Cases × profilers; see plan.h. */
#include "plan.h"

#include <string.h>

#include "select.h"
#include "strbuf.h"

/* Does the list name the profiler, by its name or an alias? */
static bool
plan_names(const char *const *list, const struct prf_profiler *profiler)
{
    for (; *list != NULL; list++) {
        if (prf_name_same(*list, profiler->name)) {
            return true;
        }
        for (const char **alias = profiler->aliases; *alias != NULL; alias++) {
            if (prf_name_same(*list, *alias)) {
                return true;
            }
        }
    }
    return false;
}

static const char *
plan_text(struct prf_plan *plan, struct prf_strbuf *sb)
{
    const char *text = prf_arena_strdup(&plan->arena, prf_strbuf_text(sb));
    prf_strbuf_release(sb);
    return text;
}

/* Why this case does not run under this profiler; skipping wins over accepting, and
   passthrough measures nothing that a case could object to. */
static const char *
plan_skip_reason(struct prf_plan *plan, const struct prf_case *kase,
                 const struct prf_profiler *profiler)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    if (kase->skip != NULL) {
        return *kase->skip == '\0' ? "skipped by the case" : kase->skip;
    }
    if (plan_names(kase->reject, profiler)) {
        prf_strbuf_addf(&sb, "the case skips profiler '%s'", profiler->name);
        return plan_text(plan, &sb);
    }
    if (kase->accept == NULL || strcmp(profiler->name, "passthrough") == 0 ||
        plan_names(kase->accept, profiler)) {
        return NULL;
    }
    prf_strbuf_adds(&sb, "the case accepts only");
    for (const char **name = kase->accept; *name != NULL; name++) {
        prf_strbuf_addf(&sb, "%s '%s'", name == kase->accept ? "" : ",", *name);
    }
    return plan_text(plan, &sb);
}

static size_t
plan_count(const char *const *list)
{
    size_t n = 0;
    while (list != NULL && list[n] != NULL) {
        n++;
    }
    return n;
}

/* A note for each name in the list that no profiler has. */
static void
plan_note_unknown(struct prf_plan *plan, const char *decorator, const char *const *list,
                  const struct prf_profilers *known, const char **notes)
{
    size_t at = plan_count(notes);
    for (; list != NULL && *list != NULL; list++) {
        if (prf_profilers_find(known, *list) != NULL) {
            continue;
        }
        struct prf_strbuf sb = PRF_STRBUF_INIT;
        const char *near = prf_profilers_suggest(known, *list);
        prf_strbuf_addf(&sb, "%s names '%s', which is no profiler", decorator, *list);
        if (near != NULL) {
            prf_strbuf_addf(&sb, "; did you mean '%s'?", near);
        }
        notes[at++] = plan_text(plan, &sb);
    }
}

static int
plan_add(struct prf_plan *plan, const struct prf_case *kase,
         const struct prf_profiler *profiler, const struct prf_profilers *known)
{
    size_t n = plan_count(kase->accept) + plan_count(kase->reject);
    const char **notes = prf_arena_alloc(&plan->arena, (n + 1) * sizeof *notes);
    if (notes == NULL) {
        return PRF_ENOMEM;
    }
    plan_note_unknown(plan, "accept_profiler", kase->accept, known, notes);
    plan_note_unknown(plan, "skip_profiler", kase->reject, known, notes);
    plan->items[plan->n++] = (struct prf_item){
        .kase = kase,
        .profiler = profiler,
        .skip = plan_skip_reason(plan, kase, profiler),
        .notes = notes,
    };
    return 0;
}

int
prf_plan_build(struct prf_plan *plan, const struct prf_case_file *file,
               const struct prf_plan_request *request, struct prf_error *err)
{
    *plan = (struct prf_plan){0};
    plan->items = prf_arena_alloc(&plan->arena, (file->n * request->n_chosen + 1) *
                                                    sizeof *plan->items);
    int rc = plan->items == NULL ? PRF_ENOMEM : 0;
    for (size_t i = 0; rc == 0 && i < file->n; i++) {
        const struct prf_case *kase = &file->cases[i];
        bool wanted = prf_target_selects(request->target, kase) &&
                      (request->expression == NULL ||
                       prf_select_matches(request->expression, kase->id));
        for (size_t k = 0; rc == 0 && wanted && k < request->n_chosen; k++) {
            rc = plan_add(plan, kase, request->chosen[k], request->known);
        }
    }
    if (rc < 0) {
        prf_plan_release(plan);
        prf_fail(err, rc, "out of memory");
    }
    return rc;
}

void
prf_plan_release(struct prf_plan *plan)
{
    struct prf_arena arena = plan->arena;
    prf_arena_release(&arena);
    *plan = (struct prf_plan){0};
}
