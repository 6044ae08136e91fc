/* Reading /proc without the C library's streams: they allocate. See procmem.h. */
#define _GNU_SOURCE 1
#include "procmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROCMEM_PATH 64
#define PROCMEM_TEXT 4096  /* smaps_rollup and status have 1 to 1.5 KB */
#define PROCMEM_FD_MIN 200 /* out of the way of the numbers a program counts on */

/* "/proc/self/statm", "/proc/42/task". */
static void
procmem_path(char path[PROCMEM_PATH], pid_t pid, const char *name)
{
    if (pid == 0) {
        snprintf(path, PROCMEM_PATH, "/proc/self/%s", name);
    } else {
        snprintf(path, PROCMEM_PATH, "/proc/%d/%s", (int)pid, name);
    }
}

/* Up to size - 1 bytes of a file from its beginning, NUL-terminated; -1 on failure. */
static ssize_t
procmem_slurp(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t n = pread(fd, text, size - 1, 0);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n;
}

/* The sum of all lines "<key>:   123 kB" in bytes, -1: there is none. */
static int64_t
procmem_field(const char *text, const char *key)
{
    int64_t sum = -1;
    size_t len = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0 && line[len] == ':') {
            sum = (sum < 0 ? 0 : sum) + strtoll(line + len + 1, NULL, 10) * 1024;
        }
    }
    return sum;
}

/* The second number of statm: resident pages. A zombie has none. */
static int64_t
procmem_parse_statm(const char *text)
{
    char *end;
    strtoull(text, &end, 10);
    if (*end != ' ') {
        return -1;
    }
    int64_t n_pages = strtoll(end, NULL, 10);
    return n_pages > 0 ? n_pages * sysconf(_SC_PAGESIZE) : -1;
}

static int64_t
procmem_parse(enum prf_procmem_kind kind, const char *text)
{
    if (kind == PRF_PROCMEM_RSS) {
        return procmem_parse_statm(text);
    }
    if (kind == PRF_PROCMEM_PSS) {
        return procmem_field(text, "Pss");
    }
    int64_t clean = procmem_field(text, "Private_Clean");
    int64_t dirty = procmem_field(text, "Private_Dirty");
    return clean < 0 || dirty < 0 ? -1 : clean + dirty;
}

static int
procmem_open_file(struct prf_procmem *reader)
{
    char path[PROCMEM_PATH];
    struct stat st;
    procmem_path(path, reader->pid,
                 reader->kind == PRF_PROCMEM_RSS ? "statm" : "smaps_rollup");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return -1;
    }
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, PROCMEM_FD_MIN);
    if (moved >= 0) { /* else the limit is low: where it is, it works too */
        close(fd);
        fd = moved;
    }
    reader->fd = fd;
    reader->device = st.st_dev;
    reader->inode = st.st_ino;
    return 0;
}

/* Is the descriptor still the file that was opened? 0.2 us, measured. */
static bool
procmem_is_ours(const struct prf_procmem *reader)
{
    struct stat st;
    return reader->fd >= 0 && fstat(reader->fd, &st) == 0 &&
           st.st_dev == reader->device && st.st_ino == reader->inode;
}

int
prf_procmem_open(struct prf_procmem *reader, pid_t pid, enum prf_procmem_kind kind,
                 struct prf_error *err)
{
    static const char *const files[] = {"statm", "smaps_rollup", "smaps_rollup"};
    *reader = (struct prf_procmem){.pid = pid, .kind = kind, .fd = -1};
    if (procmem_open_file(reader) < 0) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "cannot read the memory of a process from '/proc/%s/%s': %s",
                        pid == 0 ? "self" : "PID", files[kind], strerror(errno));
    }
    if (prf_procmem_read(reader) < 0) {
        prf_procmem_close(reader);
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "the kernel does not tell this kind of memory in '/proc/%s/%s'",
                        pid == 0 ? "self" : "PID", files[kind]);
    }
    return 0;
}

int64_t
prf_procmem_read(struct prf_procmem *reader)
{
    char text[PROCMEM_TEXT];
    if (!procmem_is_ours(reader)) {
        reader->fd = -1; /* whatever has the number now is not ours to close */
        if (procmem_open_file(reader) < 0) {
            return -1;
        }
    }
    ssize_t n = pread(reader->fd, text, sizeof text - 1, 0);
    if (n <= 0) {
        return -1;
    }
    text[n] = '\0';
    return procmem_parse(reader->kind, text);
}

void
prf_procmem_close(struct prf_procmem *reader)
{
    if (procmem_is_ours(reader)) {
        close(reader->fd);
    }
    reader->fd = -1;
}

int64_t
prf_procmem_peak(void)
{
    char text[PROCMEM_TEXT];
    if (procmem_slurp("/proc/self/status", text, sizeof text) <= 0) {
        return -1;
    }
    return procmem_field(text, "VmHWM");
}

bool
prf_procmem_reset_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, "5", 1) == 1; /* Linux 4.0 */
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

/* Numbers of a text into `pids`. */
static size_t
procmem_parse_pids(const char *text, pid_t *pids, size_t room)
{
    size_t n = 0;
    while (n < room) {
        char *end;
        long pid = strtol(text, &end, 10);
        if (end == text) {
            break;
        }
        pids[n++] = (pid_t)pid;
        text = end;
    }
    return n;
}

/* Children are listed by the thread that made them. */
static size_t
procmem_children_of_thread(pid_t pid, const char *tid, pid_t *pids, size_t room)
{
    char path[PROCMEM_PATH], name[PROCMEM_PATH / 2], text[PROCMEM_TEXT];
    snprintf(name, sizeof name, "task/%s/children", tid);
    procmem_path(path, pid, name);
    return procmem_slurp(path, text, sizeof text) > 0
               ? procmem_parse_pids(text, pids, room)
               : 0;
}

struct procmem_dirent { /* as the kernel writes it */
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

size_t
prf_procmem_children(pid_t pid, pid_t *pids, size_t room)
{
    char path[PROCMEM_PATH];
    _Alignas(struct procmem_dirent) char entries[2048];
    size_t n = 0;
    procmem_path(path, pid, "task");
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long got = 0;
    while (fd >= 0 &&
           (got = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
        for (long at = 0; at < got;) {
            struct procmem_dirent *e = (struct procmem_dirent *)(entries + at);
            if (e->name[0] != '.') {
                n += procmem_children_of_thread(pid, e->name, pids + n, room - n);
            }
            at += e->size;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return n;
}
