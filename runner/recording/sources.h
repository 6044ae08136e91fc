/* The source of measured functions in a profile. */
#ifndef PRF_SOURCES_H
#define PRF_SOURCES_H

#include <stdbool.h>

#include "profile.h"

/* Take a PRF_INFO_SOURCE text apart: "<code id> <first line>\n" and the lines, which
   are borrowed from it. False: it is not one. */
bool prf_source_parse(const char *text, uint32_t *id, uint32_t *first_line,
                      const char **lines);

/* The source of the function codes[code], or NULL. */
const struct prf_source *prf_source_find(const struct prf_profile *profile,
                                         uint32_t code);

/* That line of the function's source and its length without the line's end, or NULL. */
const char *prf_source_line(const struct prf_profile *profile, uint32_t code,
                            uint32_t line, size_t *len);

#endif
