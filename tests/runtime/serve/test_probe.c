/* test_probe.c - a version beside the one that serves, through a real queue and executor: a tiny model on the CPU,
 * before which a device writes down what it is given, and fails when it is told to. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "runtime/base/clock.h"
#include "runtime/serve/executor.h"
#include "runtime/serve/probe.h"
#include "tests/support/bundle.h"
#include "tests/support/tiny_model.h"
#include "tests/support/versions_of.h"

enum { LONGEST = 64, BATCH_TOKENS = 512, ROOM = 64, COLUMNS = 32, PATIENT_MS = 60000, NOTES = 400 };
static const int64_t S = 1000000000;
/* t = 2304 us + 1 us a token: of the room's 512 tokens, half of their speed is had with 231. */
static const service_table times = {.row = {{1, 1, 2305000, 0}, {BATCH_TOKENS, 1, 2816000, 0}}, .n = 2};
enum { QUANTUM = 231 };

/* ---- a device that takes notes ---- */

static struct {
    const backend *of;
    int sequences, tokens, longest;
} notes[NOTES];
static atomic_int n_notes; /* written by the executor's thread alone */
static status result;      /* of what collect() says; set before anything is submitted */
static int poisoned;       /* sequence of a batch whose row is not finite; -1: none */
static int slow_tokens;    /* of a batch that takes its time */

static status noting_submit(backend *b, int slot, const batch *in, error *err)
{
    const int i = atomic_load(&n_notes);
    if (i < NOTES) {
        notes[i].of = b;
        notes[i].sequences = in->S;
        notes[i].tokens = in->T;
        notes[i].longest = in->longest;
        atomic_store(&n_notes, i + 1);
    }
    return backend_cpu.submit(b, slot, in, err);
}

static status telling_collect(backend *b, int slot, float *out, uint8_t *finite, error *err)
{
    const status rc = backend_cpu.collect(b, slot, out, finite, err);
    if (notes[atomic_load(&n_notes) - 1].tokens == slow_tokens)
        nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    if (rc == OK && result != OK) return fail(err, result, "as told");
    if (rc == OK && poisoned >= 0) finite[poisoned] = 0;
    return rc;
}

static backend_ops noting;

/* ---- two versions ---- */

static char *folders[2];
static engine *live, *candidate;
static versions *vs;
static batcher *door;
static executor *x;
static error err;

static engine *open_engine(const char *folder, int sequences, bool beside)
{
    engine *e;
    const engine_options o = {.batch_tokens = BATCH_TOKENS,
                              .batch_sequences = sequences,
                              .threads = 1,
                              .backend = ENGINE_CPU,
                              .beside = beside};
    CU_ASSERT_EQUAL_FATAL(engine_open(&e, folder, o, &err), OK);
    CU_ASSERT_EQUAL_FATAL(backend_columns(&e->description), COLUMNS);
    e->ops = &noting;
    return e;
}

/* Nothing runs before go(). */
static void begin_with(int sequences, int max_requests)
{
    noting = backend_cpu;
    noting.submit = noting_submit;
    noting.collect = telling_collect;
    atomic_store(&n_notes, 0);
    result = OK;
    poisoned = -1;
    slow_tokens = 0;
    for (int i = 0; i < 2; i++) {
        folders[i] = tiny_folder_make();
        tiny_model_write(folders[i], (tiny_model){.pooling = "mean_tokens", .normalize = 1, .seed = (unsigned)i + 1});
        bundle_pack(folders[i], i ? "2" : "1");
    }
    live = open_engine(folders[0], sequences, false);
    candidate = open_engine(folders[1], sequences, true);
    vs = versions_of(live);
    const policy_limits limits = {.objective_ns = 10000 * S, /* batches of all the tokens that there is room for */
                                  .max_wait_ns = 10000 * S,
                                  .batch_tokens = BATCH_TOKENS,
                                  .batch_sequences = sequences,
                                  .longest = LONGEST,
                                  .executors = 1,
                                  .max_requests = max_requests};
    CU_ASSERT_EQUAL_FATAL(batcher_open(&door, limits, &times, &err), OK);
    CU_ASSERT_EQUAL_FATAL(batcher_plan(door).quantum_tokens, QUANTUM);
    x = NULL;
}

static void go(void)
{
    const executor_options o = {.batch_deadline_ms = PATIENT_MS, .golden_every_ms = EXECUTOR_GOLDEN_MS};
    CU_ASSERT_EQUAL_FATAL(executor_start(&x, vs, door, 0, o, &err), OK);
}

static void begin(void)
{
    begin_with(4, 100);
    go();
}

static void finish(void)
{
    batcher_close(door);
    if (!x) go(); /* what is queued is answered */
    CU_ASSERT_EQUAL(executor_join(x, &err), OK);
    CU_ASSERT_EQUAL(batcher_count(door).in_hand, 0);
    batcher_free(door);
    versions_close(vs);
    engine_close(candidate);
    for (int i = 0; i < 2; i++) tiny_folder_remove(folders[i]);
}

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

/* Waits up to half a minute, no longer than needed. */
#define EVENTUALLY(condition)                                                                                          \
    do {                                                                                                               \
        for (int naps = 0; !(condition) && naps < 30000; naps++) nap();                                                \
        CU_ASSERT_FATAL(condition);                                                                                    \
    } while (0)

/* ---- texts, and a probe on a thread of its own ---- */

static int32_t ids[ROOM * LONGEST], starts[ROOM + 1];

static void texts(int n)
{
    for (int s = 0, at = 0; s < n; s++) {
        for (int i = 0; i < 2 + s % 7; i++) ids[at++] = (5 * s + 11 * i) % 100;
        starts[s + 1] = at;
    }
}

typedef struct {
    pthread_t thread;
    int limit_ms;
    float rows[COLUMNS * 2];
    status rc;
    error why;
} prober;

static void *probe(void *arg)
{
    prober *p = arg;
    p->rc = probe_run(door, candidate, ids, starts, 2, p->rows, NULL, p->limit_ms, &p->why);
    return NULL;
}

static void start(prober *p, int limit_ms)
{
    p->limit_ms = limit_ms;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&p->thread, NULL, probe, p), 0);
}

static float job_rows[COLUMNS];

static void done(job *j, status rc, const error *why)
{
    (void)why;
    CU_ASSERT_EQUAL(rc, OK);
    sem_post(j->owner);
}

/* A client's request, of one sequence. */
static job request(sem_t *ended)
{
    sem_init(ended, 0, 0);
    return (job){.engine = live,
                 .n = 1,
                 .ids = ids,
                 .starts = starts,
                 .deadline_ns = INT64_MAX,
                 .rows = job_rows,
                 .done = done,
                 .owner = ended};
}

static void submit(job *j)
{
    int retry_after_s;
    CU_ASSERT_EQUAL_FATAL(batcher_submit(door, j, &retry_after_s, &err), OK);
}

/* ---- rows ---- */

/* As the backend gives them for each alone. */
static bool rows_are(const engine *e, const float *rows, int n)
{
    float alone[COLUMNS];
    const uint8_t normalize = 1;
    for (int s = 0; s < n; s++) {
        const int length = starts[s + 1] - starts[s];
        const batch one = {.S = 1,
                           .T = length,
                           .longest = length,
                           .ids = ids + starts[s],
                           .starts = (int32_t[]){0, length},
                           .normalize = &normalize};
        CU_ASSERT_EQUAL_FATAL(backend_forward(&backend_cpu, e->device, &one, alone, &err), OK);
        for (int i = 0; i < COLUMNS; i++)
            if (!(fabsf(rows[s * COLUMNS + i] - alone[i]) < 1e-5f)) return false;
    }
    return true;
}

static void rows_are_of_the_version_that_is_asked(void)
{
    static float rows[ROOM * COLUMNS];
    begin();
    texts(ROOM);
    for (int i = 0; i < 2; i++) {
        int64_t took_ns = 0;
        const int n = i ? 3 : ROOM; /* more than one batch has room for */
        CU_ASSERT_EQUAL(probe_run(door, candidate, ids, starts, n, rows, &took_ns, PATIENT_MS, &err), OK);
        CU_ASSERT(rows_are(candidate, rows, n));
        CU_ASSERT_FALSE(rows_are(live, rows, 1));
        CU_ASSERT(took_ns > 0);
    }
    CU_ASSERT_EQUAL(probe_run(door, live, ids, starts, 3, rows, NULL, PATIENT_MS, &err), OK);
    CU_ASSERT(rows_are(live, rows, 3));
    finish();
}

static void a_failure_says_why(void)
{
    float rows[2 * COLUMNS];
    begin();
    texts(2);
    result = GPU_FAILED;
    CU_ASSERT_EQUAL(probe_run(door, candidate, ids, starts, 2, rows, NULL, PATIENT_MS, &err), GPU_FAILED);
    CU_ASSERT_STRING_EQUAL(err.text, "as told");
    result = OK;
    poisoned = 1;
    CU_ASSERT_EQUAL(probe_run(door, candidate, ids, starts, 2, rows, NULL, PATIENT_MS, &err), NOT_FINITE);
    poisoned = -1;
    CU_ASSERT_EQUAL(probe_run(door, candidate, ids, starts, 2, rows, NULL, PATIENT_MS, &err), OK);
    finish();
}

/* ---- the queue ---- */

static void a_full_queue_is_waited_out(void)
{
    static prober p;
    sem_t ended;
    begin_with(4, 1);
    texts(2);
    job client = request(&ended);
    submit(&client);
    start(&p, PATIENT_MS);
    EVENTUALLY(batcher_count(door).overloaded > 1);
    CU_ASSERT_EQUAL(batcher_count(door).submitted, 1);
    go();
    pthread_join(p.thread, NULL);
    CU_ASSERT_EQUAL(p.rc, OK);
    CU_ASSERT(rows_are(candidate, p.rows, 2));
    sem_wait(&ended);
    finish();
}

static void a_queue_that_stays_full_ends_it(void)
{
    float rows[2 * COLUMNS];
    sem_t ended;
    begin_with(4, 1);
    texts(2);
    job client = request(&ended);
    submit(&client);
    CU_ASSERT_EQUAL(probe_run(door, candidate, ids, starts, 2, rows, NULL, 1, &err), EXPIRED);
    CU_ASSERT_STRING_EQUAL(err.text, "no room in the queue until the time was over");
    CU_ASSERT(batcher_count(door).overloaded > 0);
    CU_ASSERT_EQUAL(batcher_count(door).submitted, 1); /* of it nothing is kept */
    finish();
    sem_wait(&ended);
}

static void a_closed_queue_takes_none(void)
{
    double least;
    float rows[2 * COLUMNS];
    service_table t;
    begin();
    texts(2);
    batcher_close(door);
    CU_ASSERT_EQUAL(probe_run(door, candidate, ids, starts, 2, rows, NULL, PATIENT_MS, &err), UNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "stopping"));
    CU_ASSERT_EQUAL(probe_golden(door, candidate, &least, PATIENT_MS, &err), UNAVAILABLE);
    CU_ASSERT_EQUAL(probe_times(door, candidate, 1, &t, &err), UNAVAILABLE);
    CU_ASSERT_EQUAL(t.n, 0);
    finish();
}

/* A probe that came first is cut last, as long as clients came within its patience. */
static void clients_go_first(void)
{
    for (bool told = false; !told;) {
        static prober p;
        sem_t ended[3];
        job clients[3];
        begin_with(2, 100);
        texts(2);
        const int64_t since_ns = clock_ns();
        start(&p, PATIENT_MS);
        EVENTUALLY(batcher_count(door).queued_requests == 1);
        for (int i = 0; i < 3; i++) {
            clients[i] = request(&ended[i]);
            submit(&clients[i]);
        }
        told = clock_ns() - since_ns < POLICY_BULK_PATIENCE_NS / 2; /* else the machine was too slow to say anything */
        go();
        pthread_join(p.thread, NULL);
        CU_ASSERT_EQUAL(p.rc, OK);
        for (int i = 0; i < 3; i++) sem_wait(&ended[i]);
        CU_ASSERT_EQUAL_FATAL(atomic_load(&n_notes), 3); /* two and one of theirs, then the probe's */
        if (told)
            for (int i = 0; i < 3; i++) CU_ASSERT_PTR_EQUAL(notes[i].of, i < 2 ? live->device : candidate->device);
        finish();
    }
}

/* ---- what batches take ---- */

static void times_are_a_table_of_what_was_run(void)
{
    enum { RUNS = 3 };
    static const struct {
        int sequences, tokens;
    } shapes[] = {{1, 16}, {1, LONGEST}, {3, 3 * LONGEST}};
    service_table t;
    begin();
    CU_ASSERT_EQUAL(probe_times(door, candidate, RUNS, &t, &err), OK);
    CU_ASSERT_EQUAL(service_check(&t, &err), OK);
    CU_ASSERT(t.n >= 1 && t.n <= 3); /* what a larger batch undercuts is left out */
    CU_ASSERT_EQUAL(t.row[t.n - 1].tokens, 3 * LONGEST);
    CU_ASSERT_EQUAL_FATAL(atomic_load(&n_notes), 3 * RUNS);
    for (int i = 0; i < 3 * RUNS; i++) {
        CU_ASSERT_PTR_EQUAL(notes[i].of, candidate->device);
        CU_ASSERT_EQUAL(notes[i].sequences, shapes[i / RUNS].sequences);
        CU_ASSERT_EQUAL(notes[i].tokens, shapes[i / RUNS].tokens);
    }
    finish();
}

static void few_sequences_are_no_longer_than_the_model_reads(void)
{
    for (int sequences = 1; sequences <= 2; sequences++) {
        service_table t;
        begin_with(sequences, 100);
        go();
        CU_ASSERT_EQUAL(probe_times(door, candidate, 1, &t, &err), OK);
        CU_ASSERT_EQUAL(service_check(&t, &err), OK);
        CU_ASSERT_EQUAL(t.row[t.n - 1].tokens, sequences * LONGEST);
        for (int i = 0; i < atomic_load(&n_notes); i++) CU_ASSERT(notes[i].longest <= LONGEST);
        finish();
    }
}

static void many_sequences_are_short(void)
{
    service_table t;
    begin_with(32, 100);
    candidate->description.max_tokens = 10; /* as of a model that reads less than 16 tokens */
    go();
    CU_ASSERT_EQUAL(probe_times(door, candidate, 1, &t, &err), OK);
    CU_ASSERT_EQUAL(service_check(&t, &err), OK);
    CU_ASSERT_EQUAL(t.row[t.n - 1].tokens, 230);
    CU_ASSERT_EQUAL(t.row[t.n - 1].sequences, 23);
    CU_ASSERT_EQUAL_FATAL(atomic_load(&n_notes), 2); /* 10 tokens once */
    CU_ASSERT_EQUAL(notes[0].tokens, 10);
    for (int i = 0; i < 2; i++) CU_ASSERT(notes[i].longest <= 10);
    finish();
}

static void a_small_batch_that_took_longer_is_left_out(void)
{
    service_table t;
    begin();
    slow_tokens = 16;
    CU_ASSERT_EQUAL(probe_times(door, candidate, 1, &t, &err), OK);
    CU_ASSERT_EQUAL(service_check(&t, &err), OK);
    finish();
}

static void without_a_quantum_there_is_one_at_a_time(void)
{
    static const service_table even = {.row = {{1, 1, 1000, 0}, {BATCH_TOKENS, 1, BATCH_TOKENS * 1000, 0}}, .n = 2};
    service_table t;
    service_model m;
    begin();
    service_seed(&m, &even); /* nothing is gained by large batches */
    CU_ASSERT_EQUAL(batcher_set_service(door, live, LONGEST, &m, &err), OK);
    CU_ASSERT_FATAL(batcher_plan(door).quantum_tokens < LONGEST);
    CU_ASSERT_EQUAL(probe_times(door, candidate, 1, &t, &err), OK);
    CU_ASSERT_EQUAL(t.row[t.n - 1].tokens, LONGEST);
    CU_ASSERT_EQUAL(atomic_load(&n_notes), 2);
    finish();
}

static void times_of_what_is_not_finite_are_none(void)
{
    service_table t;
    begin();
    poisoned = 0;
    CU_ASSERT_EQUAL(probe_times(door, candidate, 2, &t, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not finite"));
    CU_ASSERT_EQUAL(t.n, 0);
    CU_ASSERT_EQUAL(atomic_load(&n_notes), 1);
    finish();
}

/* ---- whether it is right ---- */

static void golden_rows_pass_and_fail(void)
{
    double least = 0;
    begin();
    CU_ASSERT_EQUAL(probe_golden(door, candidate, &least, PATIENT_MS, &err), OK);
    CU_ASSERT(least > 0.9999 && least <= 1.0001);
    CU_ASSERT_EQUAL(atomic_load(&n_notes), 1);
    CU_ASSERT_PTR_EQUAL(notes[0].of, candidate->device);
    for (int i = 0; i < COLUMNS; i++) candidate->manifest->cases[0].row[i] *= -1;
    CU_ASSERT_EQUAL(probe_golden(door, candidate, &least, PATIENT_MS, &err), BAD_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "golden case 1: cosine -1.0"));
    CU_ASSERT(least < -0.9999);
    finish();
}

/* Every version that bakes is looked at again and again: what is not a number must not pass for the best. */
static void a_golden_row_that_is_not_finite_is_wrong(void)
{
    double least = 0;
    begin();
    poisoned = 0;
    CU_ASSERT_EQUAL(probe_golden(door, candidate, &least, PATIENT_MS, &err), BAD_INPUT);
    CU_ASSERT_FALSE(least >= -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not finite"));
    finish();
}

static golden *golden_of(const char *folder)
{
    directory *d;
    model *m;
    golden *g;
    const backend_reserve reserve = {
        .max_tokens = BATCH_TOKENS, .max_sequences = 4, .threads = 1, .kernel = "portable"};
    CU_ASSERT_EQUAL_FATAL(directory_open(&d, folder, &err), OK);
    CU_ASSERT_EQUAL_FATAL(model_open(&m, d, 0, 100, &err), OK);
    CU_ASSERT_EQUAL_FATAL(golden_open(&g, m, reserve, 100, "float32", &err), OK);
    model_close(m);
    directory_close(d);
    return g;
}

static void a_device_has_golden_sequences_of_its_own(void)
{
    double least = 0;
    begin();
    candidate->golden = golden_of(folders[1]);
    CU_ASSERT_EQUAL(probe_golden(door, candidate, &least, PATIENT_MS, &err), OK);
    CU_ASSERT(atomic_load(&n_notes) >= 2);
    poisoned = 0;
    CU_ASSERT_EQUAL(probe_golden(door, candidate, &least, PATIENT_MS, &err), GPU_FAILED);
    poisoned = -1;
    golden_close(candidate->golden);
    candidate->golden = golden_of(folders[0]); /* as if the device computed another model */
    CU_ASSERT_EQUAL(probe_golden(door, candidate, &least, PATIENT_MS, &err), GPU_FAILED);
    CU_ASSERT_EQUAL(least, 1); /* of no case */
    finish();
}

static void a_plain_directory_has_no_golden_rows(void)
{
    double least = 0;
    begin();
    manifest_free(candidate->manifest);
    candidate->manifest = NULL;
    CU_ASSERT_EQUAL(probe_golden(door, candidate, &least, PATIENT_MS, &err), OK);
    CU_ASSERT_EQUAL(least, 1);
    CU_ASSERT_EQUAL(atomic_load(&n_notes), 0);
    finish();
}

void probe_suite(CU_pSuite s)
{
    CU_add_test(s, "rows are of the version that is asked", rows_are_of_the_version_that_is_asked);
    CU_add_test(s, "a failure says why", a_failure_says_why);
    CU_add_test(s, "a full queue is waited out", a_full_queue_is_waited_out);
    CU_add_test(s, "a queue that stays full ends it", a_queue_that_stays_full_ends_it);
    CU_add_test(s, "a closed queue takes none", a_closed_queue_takes_none);
    CU_add_test(s, "clients go first", clients_go_first);
    CU_add_test(s, "times are a table of what was run", times_are_a_table_of_what_was_run);
    CU_add_test(s, "few sequences are no longer than the model reads",
                few_sequences_are_no_longer_than_the_model_reads);
    CU_add_test(s, "many sequences are short", many_sequences_are_short);
    CU_add_test(s, "a small batch that took longer than a large one is left out",
                a_small_batch_that_took_longer_is_left_out);
    CU_add_test(s, "without a quantum there is one at a time", without_a_quantum_there_is_one_at_a_time);
    CU_add_test(s, "times of what is not finite are none", times_of_what_is_not_finite_are_none);
    CU_add_test(s, "golden rows pass, and fail", golden_rows_pass_and_fail);
    CU_add_test(s, "a golden row that is not finite is wrong", a_golden_row_that_is_not_finite_is_wrong);
    CU_add_test(s, "a device has golden sequences of its own", a_device_has_golden_sequences_of_its_own);
    CU_add_test(s, "a plain directory has no golden rows", a_plain_directory_has_no_golden_rows);
}
