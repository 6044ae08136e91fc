/* The launcher's malloc and mmap: this program has them in the place of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <pyprofiler/interpose.h>

#define MIB ((size_t)1 << 20)

static const struct prf_interpose *interpose;

static struct prf_interpose_counts
counts(void)
{
    struct prf_interpose_counts now;
    interpose->read(&now);
    return now;
}

static int
set_up(void **state)
{
    (void)state;
    interpose = dlsym(RTLD_DEFAULT, PRF_INTERPOSE_SYMBOL);
    return 0;
}

static void
skip_without(void)
{
    if (interpose == NULL) {
        skip(); /* a sanitizer has the place */
    }
    assert_int_equal(interpose->abi, PRF_INTERPOSE_ABI);
}

/* The compiler must not see that a block is of no use. */
static void *volatile kept;

static void
test_blocks(void **state)
{
    (void)state;
    skip_without();
    interpose->count(true);
    void *block = kept = malloc(MIB);
    int64_t size = (int64_t)malloc_usable_size(block);
    assert_int_equal(counts().n_bytes, size);
    assert_int_equal(counts().n_allocations, 1);
    block = kept = realloc(block, 3 * MIB);
    int64_t grown = (int64_t)malloc_usable_size(block);
    assert_int_equal(counts().n_bytes, grown);
    free(block);
    assert_int_equal(counts().n_bytes, 0);
    assert_true(counts().peak >= grown);
    interpose->count(false);
    kept = malloc(MIB);
    assert_int_equal(counts().n_bytes, 0);
    free(kept);
}

static void
test_every_door(void **state)
{
    (void)state;
    skip_without();
    void *aligned = NULL;
    interpose->count(true);
    void *const blocks[] = {calloc(3, 1000), aligned_alloc(64, 640), valloc(10),
                            strdup("a text that the C library copies")};
    assert_int_equal(posix_memalign(&aligned, 256, 512), 0);
    assert_int_equal((uintptr_t)aligned % 256, 0);
    assert_int_equal((uintptr_t)blocks[1] % 64, 0);
    int64_t sum = (int64_t)malloc_usable_size(aligned);
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(blocks[i]);
        sum += (int64_t)malloc_usable_size(blocks[i]);
    }
    assert_int_equal(counts().n_bytes, sum);
    for (size_t i = 0; i < 4; i++) {
        free(blocks[i]);
    }
    free(aligned);
    assert_int_equal(counts().n_bytes, 0);
    interpose->count(false);
    assert_int_not_equal(posix_memalign(&aligned, 3, 8), 0);
}

static void
test_counts_begin_at_zero(void **state)
{
    (void)state;
    skip_without();
    void *before = kept = malloc(MIB);
    interpose->count(true);
    assert_int_equal(counts().n_bytes, 0);
    int64_t size = (int64_t)malloc_usable_size(before);
    free(before);
    assert_int_equal(counts().n_bytes, -size);
    assert_int_equal(counts().peak, 0);
    interpose->count(false);
}

static void
test_mappings(void **state)
{
    (void)state;
    skip_without();
    interpose->count(true);
    unsigned char *map =
        mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(counts().n_bytes, 4 * MIB);
    assert_int_equal(munmap(map + MIB, MIB), 0); /* a hole in the middle */
    assert_int_equal(counts().n_bytes, 3 * MIB);
    assert_int_equal(munmap(map, 4 * MIB), 0);
    assert_int_equal(counts().n_bytes, 0);
    assert_int_equal(munmap(map, 4 * MIB), 0); /* nothing was left there */
    assert_int_equal(counts().n_bytes, 0);
    assert_true(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                MAP_FAILED);
    map = mmap(NULL, MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    map = mremap(map, MIB, 2 * MIB, MREMAP_MAYMOVE);
    assert_true(map != MAP_FAILED);
    assert_int_equal(counts().n_bytes, 2 * MIB);
    munmap(map, 2 * MIB);
    assert_int_equal(counts().n_bytes, 0);
    interpose->count(false);
}

static void *
allocate_in_thread(void *block)
{
    *(void **)block = malloc(MIB);
    return NULL;
}

static void
test_threads(void **state)
{
    (void)state;
    skip_without();
    pthread_t threads[4];
    void *blocks[4];
    interpose->count(true);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, allocate_in_thread, &blocks[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(counts().n_bytes >= (int64_t)(4 * MIB));
    for (size_t i = 0; i < 4; i++) {
        free(blocks[i]); /* by another thread than allocated it */
    }
    assert_true(counts().n_bytes < (int64_t)MIB);
    interpose->count(false);
}

static void
test_fork(void **state)
{
    (void)state;
    skip_without();
    pid_t pid = fork();
    if (pid == 0) {
        interpose->count(true);
        void *map = mmap(NULL, MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        _exit(counts().n_bytes == (int64_t)MIB && munmap(map, MIB) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_every_door),
        cmocka_unit_test(test_counts_begin_at_zero),
        cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
