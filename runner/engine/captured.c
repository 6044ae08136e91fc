/* Text that a measured process left in a file; see captured.h. */
#include "captured.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "strbuf.h"

#define OUTPUT_MAX (1u << 20)

/* Length of the well-formed UTF-8 sequence at `p`, 0 when there is none. */
static size_t
captured_utf8(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0 || (p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool outside = (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf4 && p[1] >= 0x90);
    return overlong || outside ? 0 : n;
}

const char *
prf_captured_text(struct prf_arena *arena, const char *data, size_t len)
{
    struct prf_strbuf sb = PRF_STRBUF_INIT;
    const unsigned char *p = (const unsigned char *)data;
    size_t i = 0, from = 0;
    while (i < len) {
        size_t n = captured_utf8(p + i, len - i);
        if (n == 0) {
            prf_strbuf_add(&sb, data + from, i - from);
            prf_strbuf_adds(&sb, "\xef\xbf\xbd");
            from = ++i;
            continue;
        }
        i += n;
    }
    prf_strbuf_add(&sb, data + from, len - from);
    const char *text = prf_arena_strndup(arena, prf_strbuf_text(&sb), sb.len);
    prf_strbuf_release(&sb);
    return text;
}

const char *
prf_captured_read(struct prf_arena *arena, const char *path, bool *cut)
{
    char *data = malloc(OUTPUT_MAX);
    const char *text = "";
    int fd = path == NULL || data == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    *cut = false;
    if (fd >= 0) {
        ssize_t n = pread(fd, data, OUTPUT_MAX, 0);
        *cut = fstat(fd, &st) == 0 && st.st_size > OUTPUT_MAX;
        text = n > 0 ? prf_captured_text(arena, data, (size_t)n) : "";
        close(fd);
    }
    free(data);
    return text == NULL ? "" : text;
}

const char *
prf_captured_last_line(struct prf_arena *arena, const char *path)
{
    bool cut;
    const char *text = prf_captured_read(arena, path, &cut);
    size_t end = strlen(text);
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == ' ')) {
        end--;
    }
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n') {
        start--;
    }
    const char *line = prf_arena_strndup(arena, text + start, end - start);
    return line == NULL ? "" : line;
}
