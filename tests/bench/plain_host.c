/* A Python interpreter hosted as the worker hosts it, and nothing else: a program that
   links no Python opens a libpython and runs its command line.

       plain_host LIBPYTHON ARGUMENT...  */
#include <dlfcn.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
    int (*run)(int, char **) = NULL;
    if (library != NULL) {
        *(void **)&run = dlsym(library, "Py_BytesMain");
    }
    if (run == NULL) {
        fprintf(stderr, "plain_host: no libpython: %s\n",
                argc > 1 ? dlerror() : "name one");
        return 2;
    }
    return run(argc - 1, argv + 1);
}
