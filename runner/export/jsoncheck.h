/* Is a text JSON? What a traced process wrote is put into documents as it is, when it
   is what it should be. */
#ifndef PRF_JSONCHECK_H
#define PRF_JSONCHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Is text[0 .. len) a JSON object, in valid UTF-8? Its members are then
   text[*from .. *to), without braces and the blanks around them. */
bool prf_json_object(const char *text, size_t len, size_t *from, size_t *to);

#endif
