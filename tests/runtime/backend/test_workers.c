/* The pool of threads: every task once, what it wrote is seen, nothing hangs when threads come late or sleep. */
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "runtime/backend/workers.h"

enum { TASKS = 1000 };

typedef struct {
    int        count[TASKS], worker[TASKS]; /* plain: the pool must order them, and a race detector watches */
    atomic_int met, want;
    int        threads;
} tally;

static void count_task(void *context, int task, int worker)
{
    tally *t = context;
    t->count[task]++;
    t->worker[task] = worker;
}

static workers *open_workers(int threads)
{
    workers *w = NULL;
    error    err;
    CU_ASSERT_EQUAL(workers_open(&w, threads, &err), OK);
    return w;
}

static void every_task_runs_once(void)
{
    static tally t;
    for (int threads = 1; threads <= 5; threads++) {
        workers *w = open_workers(threads);
        CU_ASSERT_EQUAL(workers_count(w), threads);
        for (int tasks = 0; tasks <= TASKS; tasks = tasks * 3 + 1) {
            memset(&t, 0, sizeof t);
            workers_run(w, tasks, count_task, &t);
            int wrong = 0;
            for (int i = 0; i < TASKS; i++)
                wrong += t.count[i] != (i < tasks) || t.worker[i] < 0 || t.worker[i] >= threads;
            CU_ASSERT_EQUAL(wrong, 0);
        }
        workers_close(w);
    }
}

/* Far more runs than the pool can keep up with: late threads meet runs that are over and runs that are new. */
static void many_short_runs_follow_each_other(void)
{
    static tally t;
    workers *w = open_workers(4);
    memset(&t, 0, sizeof t);
    int runs = *BEELINE_SANITIZED ? 2000 : 20000, wrong = 0;
    for (int run = 0; run < runs; run++) workers_run(w, 1 + run % 7, count_task, &t);
    for (int i = 0; i < 7; i++) {
        int want = 0;
        for (int run = 0; run < runs; run++) want += 1 + run % 7 > i;
        wrong += t.count[i] != want;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    memset(&t, 0, sizeof t);
    for (int run = 0; run < 1000; run++) workers_run(w, TASKS, count_task, &t); /* and a crowd around every claim */
    for (int i = 0; i < TASKS; i++) wrong += t.count[i] != 1000;
    CU_ASSERT_EQUAL(wrong, 0);
    workers_close(w);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void nap_task(void *context, int task, int worker)
{
    if (worker > 0) pause_ms(2); /* long past the caller's patience: it sleeps, and has to be woken */
    count_task(context, task, worker);
}

static void sleepers_are_woken_and_the_caller_too(void)
{
    static tally t;
    workers *w = open_workers(3);
    for (int run = 0; run < 20; run++) {
        memset(&t, 0, sizeof t);
        if (run % 2) pause_ms(1); /* by now every thread sleeps */
        workers_run(w, 40, nap_task, &t);
        int wrong = 0;
        for (int i = 0; i < 40; i++) wrong += t.count[i] != 1;
        CU_ASSERT_EQUAL(wrong, 0);
    }
    workers_close(w);
}

/* Each task waits until all of them have begun: only as many threads as tasks can do that. */
static void meet_task(void *context, int task, int worker)
{
    tally *t = context;
    atomic_fetch_add(&t->met, 1);
    while (atomic_load(&t->met) < atomic_load(&t->want)) sched_yield();
    count_task(context, task, worker);
}

static void all_threads_take_part(void)
{
    static tally t;
    workers *w = open_workers(3);
    for (int run = 0; run < 50; run++) {
        atomic_store(&t.met, 0);
        atomic_store(&t.want, 3);
        workers_run(w, 3, meet_task, &t);
    }
    CU_ASSERT(t.worker[0] != t.worker[1] && t.worker[1] != t.worker[2] && t.worker[0] != t.worker[2]);
    workers_close(w);
}

enum { MEETINGS = 200, MEETERS = 4 };

typedef struct {
    workers *w;
    int      said[MEETERS], wrong[MEETERS]; /* plain: a meeting must order them */
    int      late;                          /* this one naps before each meeting, so that others sleep there */
} meeting;

/* Everyone writes, everyone meets, everyone reads what all wrote; and nobody writes again before all have read. */
static void meetings_task(void *context, int task, int worker)
{
    meeting *m = context;
    (void)worker;
    for (int i = 0, met = 0; i < (m->late < 0 ? MEETINGS : 10); i++) {
        if (met) workers_await(m->w, met);
        m->said[task] = i;
        if (task == m->late) pause_ms(1);
        workers_arrive(m->w);
        workers_await(m->w, ++met);
        for (int other = 0; other < MEETERS; other++) m->wrong[task] += m->said[other] != i;
        workers_arrive(m->w);
        met++;
    }
}

static void tasks_meet(void)
{
    workers *w = open_workers(MEETERS);
    for (int late = -1; late < MEETERS; late++)
        for (int run = 0; run < 3; run++) { /* each begins to count anew */
            meeting m = {.w = w, .late = late};
            workers_run(w, MEETERS, meetings_task, &m);
            for (int i = 0; i < MEETERS; i++) CU_ASSERT_EQUAL(m.wrong[i], 0);
        }
    workers_close(w);
}

static void a_pool_that_never_ran_ends(void)
{
    for (int i = 0; i < 50; i++) workers_close(open_workers(1 + i % 4));
    workers_close(NULL);
}

static void the_affinity_mask_counts(void)
{
    cpu_set_t before, one;
    CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof before, &before), 0);
    workers *w = open_workers(0);
    CU_ASSERT_EQUAL(workers_count(w), CPU_COUNT(&before));
    workers_close(w);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    w = open_workers(0);
    CU_ASSERT_EQUAL(workers_count(w), 1);
    workers_close(w);
    w = open_workers(3); /* more threads than cores is slow, not wrong */
    static tally t;
    memset(&t, 0, sizeof t);
    workers_run(w, 50, count_task, &t);
    CU_ASSERT(t.count[0] == 1 && t.count[49] == 1);
    workers_close(w);
    sched_setaffinity(0, sizeof before, &before);
}

static void mask_task(void *context, int task, int worker)
{
    tally   *t = context;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    meet_task(context, task, worker);
    t->count[task] = sigismember(&blocked, SIGTERM) == (worker > 0);
}

static void signals_stay_with_the_caller(void)
{
    static tally t;
    workers *w = open_workers(2);
    atomic_store(&t.want, 2);
    workers_run(w, 2, mask_task, &t);
    CU_ASSERT(t.count[0] && t.count[1]);
    workers_close(w);
}

static void a_foolish_number_is_refused(void)
{
    workers *w;
    error    err;
    CU_ASSERT_EQUAL(workers_open(&w, -1, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(w);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "-1"));
    CU_ASSERT_EQUAL(workers_open(&w, WORKERS_MOST + 1, &err), BAD_INPUT);
}

static void pools_of_one_size_are_one(void)
{
    static tally t;
    workers *first = open_workers(3), *second = open_workers(3), *other = open_workers(2);
    CU_ASSERT_PTR_EQUAL(first, second);
    CU_ASSERT_PTR_NOT_EQUAL(first, other);
    workers_close(first);
    memset(&t, 0, sizeof t);
    workers_run(second, TASKS, count_task, &t);
    int wrong = 0;
    for (int i = 0; i < TASKS; i++) wrong += t.count[i] != 1;
    CU_ASSERT_EQUAL(wrong, 0);
    workers_close(second);
    workers_close(other);
}

static void *call_again_and_again(void *arg)
{
    static _Thread_local tally t;
    workers *w = arg;
    intptr_t wrong = 0;
    for (int run = 0; run < 300; run++) {
        memset(&t, 0, sizeof t);
        workers_run(w, 20, count_task, &t);
        for (int i = 0; i < 20; i++) wrong += t.count[i] != 1;
    }
    return (void *)wrong;
}

static void callers_wait_for_each_other(void)
{
    pthread_t caller[3];
    workers *w = open_workers(3);
    for (int i = 0; i < 3; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&caller[i], NULL, call_again_and_again, w), 0);
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(caller[i], &wrong);
        CU_ASSERT_PTR_NULL(wrong);
    }
    workers_close(w);
}

void workers_suite(CU_pSuite s)
{
    CU_add_test(s, "every task runs once, on a worker that exists", every_task_runs_once);
    CU_add_test(s, "thousands of short runs in a row lose and repeat nothing", many_short_runs_follow_each_other);
    CU_add_test(s, "threads that sleep are woken, and so is a caller that waits",
                sleepers_are_woken_and_the_caller_too);
    CU_add_test(s, "all threads take part, each under its own number", all_threads_take_part);
    CU_add_test(s, "tasks of a run meet, again and again, and who waits long is woken", tasks_meet);
    CU_add_test(s, "a pool that never ran can be closed", a_pool_that_never_ran_ends);
    CU_add_test(s, "0 threads means one for each core of the affinity mask", the_affinity_mask_counts);
    CU_add_test(s, "the pool's threads block signals, the caller does not", signals_stay_with_the_caller);
    CU_add_test(s, "pools of one size are one, which the last to leave ends", pools_of_one_size_are_one);
    CU_add_test(s, "callers wait for each other", callers_wait_for_each_other);
    CU_add_test(s, "fewer than 0 or more than 256 threads are refused", a_foolish_number_is_refused);
}
