/* Text in a program for Graphviz; see dot_text.h. */
#include "dot_text.h"

#include "label.h"

void
prf_dot_put(struct prf_strbuf *out, const char *text)
{
    for (const char *s = text; *s != '\0'; s++) {
        switch (*s) {
        case '"':
            prf_strbuf_adds(out, "\\\"");
            break;
        case '\\':
            prf_strbuf_adds(out, "\\\\");
            break;
        case '&':
            prf_strbuf_adds(out, "&amp;");
            break;
        default:
            prf_strbuf_addc(out, *s);
        }
    }
}

void
prf_dot_put_html(struct prf_strbuf *out, const char *text)
{
    for (const char *s = text; *s != '\0'; s++) {
        switch (*s) {
        case '<':
            prf_strbuf_adds(out, "&lt;");
            break;
        case '>':
            prf_strbuf_adds(out, "&gt;");
            break;
        case '&':
            prf_strbuf_adds(out, "&amp;");
            break;
        case '"':
            prf_strbuf_adds(out, "&quot;");
            break;
        default:
            prf_strbuf_addc(out, *s);
        }
    }
}

const char *
prf_dot_line(struct prf_strbuf *scratch, const char *text)
{
    prf_strbuf_clear(scratch);
    prf_visible_add(scratch, text, PRF_VISIBLE_LINE);
    return prf_strbuf_text(scratch);
}
