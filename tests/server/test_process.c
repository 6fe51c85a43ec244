/* test_process.c - what the kernel says, against what this process does. */
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "server/process.h"

static process_facts facts(void)
{
    process_facts f;
    error err = {""};
    CU_ASSERT_EQUAL_FATAL(process_read(&f, &err), OK);
    return f;
}

static void descriptors_are_counted(void)
{
    const process_facts before = facts();
    struct rlimit limit;
    int fd[3];
    for (int i = 0; i < 3; i++) fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CU_ASSERT_EQUAL(facts().open_fds, before.open_fds + 3);
    for (int i = 0; i < 3; i++) close(fd[i]);
    CU_ASSERT_EQUAL(facts().open_fds, before.open_fds);
    getrlimit(RLIMIT_NOFILE, &limit);
    CU_ASSERT_EQUAL((rlim_t)before.max_fds, limit.rlim_cur);
    int open_now = 0;
    for (int i = 0; i < 4096; i++) open_now += fcntl(i, F_GETFD) >= 0;
    CU_ASSERT_EQUAL(before.open_fds, open_now);
}

static void memory_is_in_bytes(void)
{
    enum { SIZE = 64 << 20 };
    const process_facts before = facts();
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CU_ASSERT_FATAL(p != MAP_FAILED);
    CU_ASSERT(facts().virtual_bytes >= before.virtual_bytes + SIZE);
    memset(p, 1, SIZE);
    CU_ASSERT(facts().resident_bytes >= before.resident_bytes + SIZE / 2); /* some may have been taken out meanwhile */
    CU_ASSERT(facts().resident_bytes <= facts().virtual_bytes);
    munmap(p, SIZE);
}

static void *wait_for_end(void *fd)
{
    char ch;
    (void)!read(*(int *)fd, &ch, 1);
    return NULL;
}

/* The first is there before anyone counts: a sanitizer starts a thread of its own beside it. */
static void threads_are_counted(void)
{
    int ends[2];
    pthread_t thread[3];
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    pthread_create(&thread[0], NULL, wait_for_end, &ends[0]);
    const process_facts before = facts();
    pthread_create(&thread[1], NULL, wait_for_end, &ends[0]);
    pthread_create(&thread[2], NULL, wait_for_end, &ends[0]);
    CU_ASSERT_EQUAL(facts().threads, before.threads + 2);
    close(ends[1]);
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
    close(ends[0]);
}

/* The clock of the process ticks in hundredths: no more is known. */
static void time_is_in_seconds(void)
{
    const double before = facts().cpu_s;
    clock_t begin = clock();
    while (clock() - begin < CLOCKS_PER_SEC / 20) {
    }
    const double used = facts().cpu_s - before;
    CU_ASSERT(used > 0.01);
    CU_ASSERT(fabs(facts().cpu_s - (double)clock() / CLOCKS_PER_SEC) < 0.5);
    const double now = (double)time(NULL);
    CU_ASSERT(facts().start_unix_s <= now + 1 && facts().start_unix_s > now - 86400);
    CU_ASSERT(fabs(facts().start_unix_s - facts().start_unix_s) < 0.1); /* it does not move */
}

/* The kernel writes it between brackets, as it is. */
static void any_name_is_read(void)
{
    char name[16];
    prctl(PR_GET_NAME, name);
    prctl(PR_SET_NAME, ") R 1 (x) 2");
    const process_facts f = facts();
    prctl(PR_SET_NAME, name);
    CU_ASSERT(f.start_unix_s > 1e9 && f.threads >= 1 && f.virtual_bytes > f.resident_bytes);
}

void process_suite(CU_pSuite s)
{
    CU_add_test(s, "open descriptors are counted, without the one that counts", descriptors_are_counted);
    CU_add_test(s, "memory is in bytes", memory_is_in_bytes);
    CU_add_test(s, "threads are counted", threads_are_counted);
    CU_add_test(s, "processor time and the start are in seconds", time_is_in_seconds);
    CU_add_test(s, "a name with brackets and blanks misleads nobody", any_name_is_read);
}
