/* Reading memory from /proc, in a process that closes what it did not open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "procmem.h"
#include "proctree.h"

#define SIZE ((size_t)32 << 20)
#define SLACK ((int64_t)8 << 20)

static void
assert_near(int64_t got, int64_t want)
{
    assert_true(got > want - SLACK && got < want + SLACK);
}

static void *
touched(void)
{
    void *data =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(data, MAP_FAILED);
    memset(data, 1, SIZE);
    return data;
}

static void
each_kind_grows_with_what_is_touched(void **state)
{
    (void)state;
    for (int kind = PRF_PROCMEM_RSS; kind <= PRF_PROCMEM_USS; kind++) {
        struct prf_procmem reader;
        struct prf_error err = {0};
        assert_int_equal(
            prf_procmem_open(&reader, 0, (enum prf_procmem_kind)kind, &err), 0);
        int64_t before = prf_procmem_read(&reader);
        void *data = touched();
        int64_t with = prf_procmem_read(&reader);
        munmap(data, SIZE);
        assert_true(before > 0);
        assert_near(with - before, (int64_t)SIZE);
        assert_true(prf_procmem_read(&reader) < with - SLACK);
        prf_procmem_close(&reader);
        prf_procmem_close(&reader);
    }
}

/* The program closes the reader's file and opens one of its own under the number. */
static void
a_descriptor_that_was_taken_away(void **state)
{
    (void)state;
    struct prf_procmem reader;
    struct prf_error err = {0};
    assert_int_equal(prf_procmem_open(&reader, 0, PRF_PROCMEM_RSS, &err), 0);
    int64_t before = prf_procmem_read(&reader);
    int taken = reader.fd, zero = open("/dev/zero", O_RDONLY);
    assert_int_equal(dup2(zero, taken), taken);
    int64_t after = prf_procmem_read(&reader);
    assert_near(after, before);
    assert_int_not_equal(reader.fd, taken);
    /* Again, and closed while it is gone: what the program opened stays. */
    int second = reader.fd;
    assert_int_equal(dup2(zero, second), second);
    prf_procmem_close(&reader);
    assert_true(fcntl(taken, F_GETFD) >= 0 && fcntl(second, F_GETFD) >= 0);
    close(zero);
    close(taken);
    close(second);
}

static void
where_descriptors_are_few(void **state)
{
    (void)state;
    struct rlimit before, low = {64, 64};
    struct prf_procmem reader;
    struct prf_error err = {0};
    getrlimit(RLIMIT_NOFILE, &before);
    low.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(prf_procmem_open(&reader, 0, PRF_PROCMEM_RSS, &err), 0);
    assert_true(prf_procmem_read(&reader) > 0 && reader.fd < 64);
    prf_procmem_close(&reader);
    low.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(prf_procmem_open(&reader, 0, PRF_PROCMEM_RSS, &err),
                     PRF_EUNAVAILABLE);
    assert_non_null(strstr(err.text, "/proc/self/statm"));
    assert_int_equal(prf_procmem_peak(), -1);
    assert_false(prf_procmem_reset_peak());
    setrlimit(RLIMIT_NOFILE, &before);
}

static void
a_peak_begins_anew(void **state)
{
    (void)state;
    struct prf_procmem reader;
    struct prf_error err = {0};
    assert_int_equal(prf_procmem_open(&reader, 0, PRF_PROCMEM_RSS, &err), 0);
    munmap(touched(), SIZE);
    int64_t now = prf_procmem_read(&reader);
    assert_true(prf_procmem_peak() > now + (int64_t)SIZE - SLACK);
    if (!prf_procmem_reset_peak()) {
        prf_procmem_close(&reader);
        skip(); /* this kernel does not allow it */
    }
    assert_near(prf_procmem_peak(), now);
    prf_procmem_close(&reader);
}

/* A child that waits to be killed. */
static pid_t
child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    assert_true(pid > 0);
    return pid;
}

static void
children_come_and_go(void **state)
{
    (void)state;
    struct prf_proctree tree;
    struct prf_error err = {0};
    assert_int_equal(prf_proctree_init(&tree, PRF_PROCMEM_RSS, &err), 0);
    assert_int_equal(prf_proctree_sample(&tree), 0);
    assert_int_equal(tree.n, 0);
    pid_t first = child();
    int64_t one = prf_proctree_sample(&tree);
    assert_true(one > 0);
    assert_int_equal(tree.n, 1);
    assert_int_equal(tree.children[0].number, 1);
    pid_t second = child();
    assert_true(prf_proctree_sample(&tree) > one);
    assert_int_equal(tree.n, 2);
    kill(first, SIGKILL);
    siginfo_t ended;
    waitid(P_PID, (id_t)first, &ended, WEXITED | WNOWAIT); /* a zombie */
    int64_t other = prf_proctree_sample(&tree);
    assert_int_equal(tree.n, 2);
    waitpid(first, NULL, 0);
    assert_int_equal(prf_proctree_sample(&tree), other);
    assert_int_equal(tree.n, 1);
    assert_int_equal(tree.children[0].number, 2);
    assert_int_equal(tree.children[0].reader.pid, second);
    kill(second, SIGKILL);
    waitpid(second, NULL, 0);
    prf_proctree_release(&tree);
    prf_proctree_release(&tree);
}

static void
more_children_than_there_is_room_for(void **state)
{
    (void)state;
    struct prf_proctree tree;
    struct prf_error err = {0};
    assert_int_equal(prf_proctree_init(&tree, PRF_PROCMEM_RSS, &err), 0);
    tree.max = 2;
    pid_t pids[3] = {child(), 0, 0};
    prf_proctree_sample(&tree);
    assert_int_equal(tree.n_missed, 0);
    pids[1] = child();
    pids[2] = child();
    assert_true(prf_proctree_sample(&tree) > 0);
    assert_int_equal(tree.n, 2);
    assert_int_equal(tree.n_missed, 1);
    for (size_t i = 0; i < 3; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    prf_proctree_release(&tree);
}

static void
a_process_that_is_gone(void **state)
{
    (void)state;
    struct prf_procmem reader;
    struct prf_error err = {0};
    pid_t pid = child(), pids[4];
    assert_int_equal(prf_procmem_children(0, pids, 4), 1);
    assert_int_equal(pids[0], pid);
    assert_int_equal(prf_procmem_children(0, pids, 0), 0);
    assert_int_equal(prf_procmem_open(&reader, pid, PRF_PROCMEM_RSS, &err), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(prf_procmem_read(&reader), -1);
    prf_procmem_close(&reader);
    assert_int_equal(prf_procmem_open(&reader, pid, PRF_PROCMEM_RSS, &err),
                     PRF_EUNAVAILABLE);
    assert_int_equal(prf_procmem_children(pid, pids, 4), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_grows_with_what_is_touched),
        cmocka_unit_test(a_descriptor_that_was_taken_away),
        cmocka_unit_test(where_descriptors_are_few),
        cmocka_unit_test(a_peak_begins_anew),
        cmocka_unit_test(children_come_and_go),
        cmocka_unit_test(more_children_than_there_is_room_for),
        cmocka_unit_test(a_process_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
