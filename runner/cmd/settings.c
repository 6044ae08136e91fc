/* Where results were measured; see settings.h. */
#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strbuf.h"

static bool
settings_equal_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
settings_equal(const struct prf_run *a, const struct prf_run *b)
{
    return settings_equal_text(a->machine.fingerprint, b->machine.fingerprint) &&
           settings_equal_text(a->python.version, b->python.version) &&
           settings_equal_text(a->python.implementation, b->python.implementation) &&
           settings_equal_text(a->python.flags, b->python.flags) &&
           settings_equal_text(a->python.host, b->python.host);
}

static const struct prf_run *
settings_run(const struct prf_setting *setting)
{
    return setting->next != NULL ? setting->next : setting->base;
}

static size_t
settings_place(struct prf_settings *settings, const struct prf_run *run)
{
    size_t i = 0;
    while (i < settings->n && !settings_equal(settings_run(&settings->items[i]), run)) {
        i++;
    }
    settings->n += i == settings->n;
    return i;
}

int
prf_settings_find(struct prf_settings *settings, const struct prf_side_results *base,
                  const struct prf_side_results *next, struct prf_error *err)
{
    size_t rank = 0;
    *settings =
        (struct prf_settings){.used_base = PRF_NO_SETTING, .used_next = PRF_NO_SETTING};
    settings->items = calloc(base->n_runs + next->n_runs, sizeof *settings->items);
    settings->of_base = calloc(base->n_runs, sizeof *settings->of_base);
    settings->of_next = calloc(next->n_runs, sizeof *settings->of_next);
    if (settings->items == NULL || settings->of_base == NULL ||
        settings->of_next == NULL) {
        return prf_fail(err, PRF_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < next->n_runs; i++) { /* the newest first */
        struct prf_setting *s = &settings->items[settings->of_next[i] = settings_place(
                                                     settings, &next->runs[i])];
        s->next = s->next == NULL ? &next->runs[i] : s->next;
    }
    for (size_t i = 0; i < base->n_runs; i++) {
        struct prf_setting *s = &settings->items[settings->of_base[i] = settings_place(
                                                     settings, &base->runs[i])];
        s->base = s->base == NULL ? &base->runs[i] : s->base;
    }
    for (int shared = 1; shared >= 0; shared--) {
        for (size_t i = 0; i < settings->n; i++) {
            struct prf_setting *s = &settings->items[i];
            if ((s->base != NULL && s->next != NULL) == (shared == 1)) {
                s->rank = rank++;
            }
        }
    }
    return 0;
}

void
prf_settings_release(struct prf_settings *settings)
{
    free(settings->items);
    free(settings->of_base);
    free(settings->of_next);
    *settings = (struct prf_settings){0};
}

/* --- what differs ------------------------------------------------------------------
 */

static void
settings_add(struct prf_strbuf *text, const char *what, const char *a, const char *b)
{
    if (!settings_equal_text(a, b)) {
        prf_strbuf_addf(text, "%s%s %s / %s", text->len > 0 ? ", " : "", what,
                        a == NULL || *a == '\0' ? "unknown" : a,
                        b == NULL || *b == '\0' ? "unknown" : b);
    }
}

static void
settings_add_number(struct prf_strbuf *text, const char *what, int64_t a, int64_t b)
{
    if (a != b) {
        prf_strbuf_addf(text, "%s%s %" PRId64 " / %" PRId64, text->len > 0 ? ", " : "",
                        what, a, b);
    }
}

static void
settings_add_machine(struct prf_strbuf *text, const struct prf_machine *a,
                     const struct prf_machine *b)
{
    if (settings_equal_text(a->fingerprint, b->fingerprint)) {
        return;
    }
    size_t before = text->len;
    settings_add(text, "machine", a->hostname, b->hostname);
    settings_add(text, "cpu", a->cpu, b->cpu);
    settings_add(text, "architecture", a->arch, b->arch);
    settings_add_number(text, "CPUs", a->n_cpus, b->n_cpus);
    settings_add_number(text, "GiB of memory", a->ram_bytes >> 30, b->ram_bytes >> 30);
    if (text->len == before) {
        settings_add(text, "machine", a->fingerprint, b->fingerprint);
    }
}

/* What varies on one machine. */
static void
settings_add_state(struct prf_strbuf *text, const struct prf_machine *a,
                   const struct prf_machine *b)
{
    settings_add(text, "kernel", a->kernel, b->kernel);
    settings_add(text, "governor", a->governor, b->governor);
    settings_add(text, "turbo", a->turbo, b->turbo);
    settings_add(text, "address randomization", a->aslr, b->aslr);
}

static void
settings_add_python(struct prf_strbuf *text, const struct prf_python *a,
                    const struct prf_python *b)
{
    if (settings_equal_text(a->implementation, b->implementation)) {
        settings_add(text, "Python", a->version, b->version);
    } else {
        settings_add(text, "Python", a->implementation, b->implementation);
        settings_add(text, "version", a->version, b->version);
    }
    settings_add(text, "build", a->flags, b->flags);
    settings_add(text, "host", a->host, b->host);
}

static void
settings_differ(struct prf_strbuf *text, const struct prf_run *a,
                const struct prf_run *b)
{
    settings_add_machine(text, &a->machine, &b->machine);
    settings_add_python(text, &a->python, &b->python);
}

const char *
prf_settings_differ(const struct prf_settings *settings, size_t base, size_t next,
                    struct prf_arena *arena)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    settings_differ(&text, settings->items[base].base, settings->items[next].next);
    const char *copy =
        text.failed ? NULL : prf_arena_strdup(arena, prf_strbuf_text(&text));
    prf_strbuf_release(&text);
    return copy;
}

const char *
prf_settings_describe(const struct prf_settings *settings, struct prf_arena *arena)
{
    const struct prf_run *run = settings_run(&settings->items[0]);
    for (size_t i = 1; i < settings->n; i++) {
        run = settings->items[i].rank == 0 ? settings_run(&settings->items[i]) : run;
    }
    const struct prf_python *python = &run->python;
    const struct prf_machine *machine = &run->machine;
    struct prf_strbuf text = PRF_STRBUF_INIT;
    prf_strbuf_addf(&text, "%s %s (%s), %s x %d",
                    python->implementation == NULL ? "Python" : python->implementation,
                    python->version == NULL ? "of unknown version" : python->version,
                    python->host == NULL ? "unknown host" : python->host,
                    machine->cpu == NULL ? "unknown CPU" : machine->cpu,
                    machine->n_cpus);
    const char *copy = text.failed ? NULL : prf_arena_strdup(arena, text.data);
    prf_strbuf_release(&text);
    return copy;
}

/* --- warnings ----------------------------------------------------------------------
 */

void
prf_settings_used(struct prf_settings *settings, size_t base, size_t next)
{
    if (settings->used_base == PRF_NO_SETTING) {
        settings->used_base = base;
        settings->used_next = next;
    }
}

void
prf_settings_left_out(struct prf_settings *settings, size_t n_base, size_t n_next)
{
    settings->n_out_base += n_base;
    settings->n_out_next += n_next;
}

static int
settings_say(const char *what, const struct prf_strbuf *which, struct prf_strlist *out)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    prf_strbuf_addf(&text, "%s: %s", what, prf_strbuf_text(which));
    int rc =
        text.failed || which->failed ? PRF_ENOMEM : prf_strlist_add(out, text.data);
    prf_strbuf_release(&text);
    return rc;
}

/* Two settings that are not the same were compared. */
static int
settings_warn_used(const struct prf_settings *settings, struct prf_strlist *out)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    const struct prf_run *a = settings->items[settings->used_base].base;
    const struct prf_run *b = settings->items[settings->used_next].next;
    settings_differ(&text, a, b);
    settings_add_state(&text, &a->machine, &b->machine);
    int rc = settings_say("the sides were measured differently", &text, out);
    prf_strbuf_release(&text);
    return rc;
}

/* The same machine, in another state. */
static int
settings_warn_state(const struct prf_settings *settings, struct prf_strlist *out)
{
    struct prf_strbuf text = PRF_STRBUF_INIT;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < settings->n; i++) {
        const struct prf_setting *s = &settings->items[i];
        if (s->base == NULL || s->next == NULL) {
            continue;
        }
        prf_strbuf_clear(&text);
        settings_add_state(&text, &s->base->machine, &s->next->machine);
        if (text.len > 0) {
            rc = settings_say("the machine was in another state", &text, out);
        }
    }
    prf_strbuf_release(&text);
    return rc;
}

int
prf_settings_warn(const struct prf_settings *settings, struct prf_strlist *out)
{
    int rc = settings_warn_state(settings, out);
    if (rc == 0 && settings->used_base != PRF_NO_SETTING) {
        rc = settings_warn_used(settings, out);
    }
    if (rc == 0 && settings->n_out_base + settings->n_out_next > 0) {
        struct prf_strbuf text = PRF_STRBUF_INIT;
        prf_strbuf_addf(&text, "%zu of the base, %zu of the new side",
                        settings->n_out_base, settings->n_out_next);
        rc = settings_say("results of other machines or interpreters were left out",
                          &text, out);
        prf_strbuf_release(&text);
    }
    return rc;
}
