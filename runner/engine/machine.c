/* The machine; see machine.h. */
#include "machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "path.h"

const char *
prf_machine_line(struct prf_arena *arena, const char *path)
{
    char *data = NULL;
    struct prf_error ignored = {0};
    const char *line = NULL;
    if (prf_file_read(path, &data, NULL, &ignored) == 0 && *data != '\0') {
        line = prf_arena_strndup(arena, data, strcspn(data, "\n"));
    }
    free(data);
    return line;
}

/* The value of "key : value" or key="value" in a text, in the arena; NULL. */
static const char *
machine_value(struct prf_arena *arena, const char *path, const char *key)
{
    char *data = NULL;
    struct prf_error ignored = {0};
    const char *value = NULL;
    size_t n = strlen(key);
    if (prf_file_read(path, &data, NULL, &ignored) < 0) {
        return NULL;
    }
    for (char *line = data, *next; line != NULL && value == NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        const char *p = line + n;
        if (strncmp(line, key, n) == 0 && strchr(" \t:=", *p) != NULL) {
            p += strspn(p, " \t:=\"");
            value = prf_arena_strndup(arena, p, strcspn(p, "\""));
        }
    }
    free(data);
    return value;
}

/* FNV-1a, 64 bits: stable across machines and versions, which is all that is asked. */
static uint64_t
machine_hash(uint64_t hash, const char *text)
{
    const unsigned char *p = (const unsigned char *)(text == NULL ? "" : text);
    do {
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    } while (*p++ != '\0');
    return hash;
}

static const char *
machine_fingerprint(struct prf_arena *arena, const struct prf_machine *m)
{
    char numbers[64];
    const char *const facts[] = {m->cpu, m->arch, m->hostname, numbers};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    /* in GiB: the kernel's own share of it varies with its version */
    snprintf(numbers, sizeof numbers, "%d %" PRId64, m->n_cpus, m->ram_bytes >> 30);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        hash = machine_hash(hash, facts[i]);
    }
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return prf_arena_strdup(arena, text);
}

static const char *
machine_turbo(struct prf_arena *arena)
{
    const char *boost =
        prf_machine_line(arena, "/sys/devices/system/cpu/cpufreq/boost");
    const char *off =
        prf_machine_line(arena, "/sys/devices/system/cpu/intel_pstate/no_turbo");
    if (off != NULL) {
        return strcmp(off, "0") == 0 ? "on" : "off";
    }
    return boost == NULL ? NULL : strcmp(boost, "0") == 0 ? "off" : "on";
}

int
prf_machine_describe(struct prf_arena *arena, struct prf_machine *out,
                     struct prf_error *err)
{
    struct utsname u;
    *out = (struct prf_machine){0};
    if (uname(&u) == 0) {
        out->hostname = prf_arena_strdup(arena, u.nodename);
        out->arch = prf_arena_strdup(arena, u.machine);
        out->kernel = prf_arena_strdup(arena, u.release);
    }
    out->cpu = machine_value(arena, "/proc/cpuinfo", "model name");
    if (out->cpu == NULL) { /* aarch64 has no name there */
        out->cpu = machine_value(arena, "/proc/cpuinfo", "CPU part");
    }
    out->os = machine_value(arena, "/etc/os-release", "PRETTY_NAME");
    out->n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    out->ram_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    out->governor = prf_machine_line(
        arena, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    out->turbo = machine_turbo(arena);
    out->aslr = prf_machine_line(arena, "/proc/sys/kernel/randomize_va_space");
    out->fingerprint = machine_fingerprint(arena, out);
    return out->fingerprint == NULL ? prf_fail(err, PRF_ENOMEM, "out of memory") : 0;
}
