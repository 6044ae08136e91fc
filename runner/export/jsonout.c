/* Streamed JSON; see jsonout.h. */
#include "jsonout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "comparison.h"
#include "label.h"

static void
jsonout_string(struct prf_jsonout *js, const char *text)
{
    prf_strbuf_clear(&js->scratch);
    prf_utf8_add(&js->scratch, text);
    js->failed |= js->scratch.failed;
    putc('"', js->out);
    for (const char *s = prf_strbuf_text(&js->scratch); *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') {
            fprintf(js->out, "\\%c", c);
        } else if (c == '\n') {
            fputs("\\n", js->out);
        } else if (c < 0x20 || c == 0x7F) {
            fprintf(js->out, "\\u%04x", c);
        } else {
            putc(c, js->out);
        }
    }
    putc('"', js->out);
}

static void
jsonout_begin(struct prf_jsonout *js, const char *key)
{
    if (js->comma) {
        fputs(key != NULL ? ", " : ",", js->out);
    }
    js->comma = true;
    if (key != NULL) {
        jsonout_string(js, key);
        fputs(": ", js->out);
    }
}

void
prf_json_open(struct prf_jsonout *js, const char *key, char bracket)
{
    jsonout_begin(js, key);
    putc(bracket, js->out);
    js->comma = false;
}

void
prf_json_close(struct prf_jsonout *js, char bracket)
{
    putc(bracket, js->out);
    js->comma = true;
}

void
prf_json_text(struct prf_jsonout *js, const char *key, const char *text)
{
    jsonout_begin(js, key);
    if (text == NULL) {
        fputs("null", js->out);
    } else {
        jsonout_string(js, text);
    }
}

void
prf_json_int(struct prf_jsonout *js, const char *key, int64_t value)
{
    jsonout_begin(js, key);
    fprintf(js->out, "%" PRId64, value);
}

void
prf_json_uint(struct prf_jsonout *js, const char *key, uint64_t value)
{
    jsonout_begin(js, key);
    fprintf(js->out, "%" PRIu64, value);
}

void
prf_json_double(struct prf_jsonout *js, const char *key, double value)
{
    jsonout_begin(js, key);
    if (!isfinite(value)) {
        fputs("null", js->out);
        return;
    }
    /* The fewest digits that read back as the same number. */
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    fputs(text, js->out);
}

void
prf_json_bool(struct prf_jsonout *js, const char *key, bool value)
{
    jsonout_begin(js, key);
    fputs(value ? "true" : "false", js->out);
}

void
prf_json_raw(struct prf_jsonout *js, const char *key, const char *json)
{
    jsonout_begin(js, key);
    fputs(json, js->out);
}

void
prf_json_clause(struct prf_jsonout *js, const struct prf_clause *clause)
{
    prf_json_open(js, NULL, '{');
    prf_json_text(js, "clause", clause->text);
    prf_json_text(js, "source", clause->source);
    prf_json_text(js, "verdict",
                  clause->broken    ? "broken"
                  : clause->unknown ? "unknown"
                                    : "kept");
    prf_json_text(js, "why", clause->why);
    prf_json_close(js, '}');
}

void
prf_jsonout_release(struct prf_jsonout *js)
{
    prf_strbuf_release(&js->scratch);
}
