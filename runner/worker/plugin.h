/* What a plugin (libprf for one Python minor version) shows the launcher. Knows no
   Python, because the launcher does not. */
#ifndef PRF_PLUGIN_H
#define PRF_PLUGIN_H

#include <stdint.h>

#define PRF_PLUGIN_ABI 1u
#define PRF_PLUGIN_SYMBOL "prf_plugin_export"

struct prf_plugin {
    uint32_t abi;
    uint32_t python; /* major << 8 | minor it was compiled for */
    int (*serve)(int control, const char *host);
};

#endif
