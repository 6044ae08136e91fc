/* Text that came from a program, as character data of an XML document. */
#ifndef PRF_XML_H
#define PRF_XML_H

#include <stdio.h>

/* Print `text` so that none of it is markup, also in a quoted attribute; what XML does
   not allow (control characters, invalid bytes) becomes visible. */
void prf_xml_put(FILE *out, const char *text);

#endif
