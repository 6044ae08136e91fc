/* Escaping for XML; see xml.h. */
#include "xml.h"

#include <stdint.h>
#include <string.h>

#include "label.h"
#include "strbuf.h"

static void
xml_put_character(FILE *out, const char *s, size_t len, uint32_t point)
{
    switch (point) {
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '&':
        fputs("&amp;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    case 0xFFFE:
    case 0xFFFF:
        fputs("\xEF\xBF\xBD", out); /* U+FFFD */
        break;
    default:
        fwrite(s, 1, len, out);
    }
}

void
prf_xml_put(FILE *out, const char *text)
{
    struct prf_strbuf safe = PRF_STRBUF_INIT;
    prf_visible_add(&safe, text, PRF_VISIBLE_LINE);
    const char *s = prf_strbuf_text(&safe);
    for (size_t left = strlen(s); left > 0;) {
        uint32_t point;
        size_t len = prf_utf8_next(s, left, &point);
        xml_put_character(out, s, len, point);
        s += len;
        left -= len;
    }
    prf_strbuf_release(&safe);
}
