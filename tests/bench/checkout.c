/* One checkout, for bench_checkout.py: checkout REPOSITORY REVISION FOLDER. */
#include <stdio.h>

#include "vcs.h"

int
main(int argc, char **argv)
{
    struct prf_error err = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: checkout REPOSITORY REVISION FOLDER\n");
        return 4;
    }
    if (prf_vcs_checkout(argv[1], NULL, argv[2], argv[3], &err) < 0) {
        fprintf(stderr, "checkout: %s\n", err.text);
        return 1;
    }
    return 0;
}
