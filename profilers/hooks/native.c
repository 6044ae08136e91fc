/* Where the launcher's counts are; see native.h. */
#include "native.h"

#include <dlfcn.h>
#include <stddef.h>

int
prf_native_find(const struct prf_interpose **out, struct prf_error *err)
{
    const struct prf_interpose *found = dlsym(RTLD_DEFAULT, PRF_INTERPOSE_SYMBOL);
    if (found == NULL || found->abi != PRF_INTERPOSE_ABI) {
        return prf_fail(err, PRF_EUNAVAILABLE,
                        "malloc is counted only in a process of our launcher "
                        "(--host=embed) without a sanitizer; use another --backend");
    }
    *out = found;
    return 0;
}
