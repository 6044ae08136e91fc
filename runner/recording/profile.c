/* The model of a measured case; see profile.h. */
#include "profile.h"

#include <stdlib.h>
#include <string.h>

int
prf_column_find(const struct prf_column *columns, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(columns[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

void
prf_profile_free(struct prf_profile *profile)
{
    if (profile != NULL) {
        prf_arena_release(&profile->arena);
        free(profile);
    }
}
