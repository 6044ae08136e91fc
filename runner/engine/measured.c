/* What a process recorded, as a result; see measured.h. */
#include "measured.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gather.h"
#include "judge.h"
#include "reader.h"

/* The recording as the result's profile. One that nothing was written to is none. */
static void
measured_read_recording(struct prf_measured *m, const char *path)
{
    struct prf_error err = {0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            m->map = map;
            m->map_size = (size_t)st.st_size;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (m->map == NULL) {
        return;
    }
    if (prf_recording_parse_mapped(m->map, m->map_size, &m->result.profile, &err) < 0) {
        m->result.profile = NULL;
        prf_result_note(&m->result, "the recording cannot be read: %s", err.text);
        return;
    }
    m->result.recording = m->map;
    m->result.recording_size = prf_recording_size(m->map, m->map_size);
    m->result.recording_mapped = true;
}

/* What was said about recordings of child processes that could not be taken in. */
static void
measured_note_children(struct prf_measured *m, const struct prf_gathered *gathered,
                       const struct prf_error *err)
{
    if (gathered->n_bad > 0) {
        prf_result_note(&m->result,
                        "%zu child process%s left no recording that can be read",
                        gathered->n_bad, gathered->n_bad == 1 ? "" : "es");
    }
    if (err->code != 0) {
        prf_result_note(&m->result, "recordings of child processes are lost: %s",
                        err->text);
    }
}

void
prf_measured_read(struct prf_measured *m, const char *recording)
{
    struct prf_gathered gathered;
    struct prf_error err = {0};
    (void)prf_gather_children(recording, &gathered, &err);
    measured_read_recording(m, recording);
    measured_note_children(m, &gathered, &err);
}

void
prf_measured_release(struct prf_measured *measured)
{
    prf_result_release(&measured->result);
    if (measured->map != NULL) {
        munmap(measured->map, measured->map_size);
    }
    *measured = (struct prf_measured){0};
}
