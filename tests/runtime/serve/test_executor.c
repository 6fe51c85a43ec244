/* The executor with a backend that computes what the test can foretell: row s is (first id, last id, length,
 * normalize). */
#include <CUnit/CUnit.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/serve/executor.h"

enum { DIMENSIONS = 4, POISON = 13, FAILING = 14 };

static status fake_forward(backend *b, const batch *in, float *out, error *err)
{
    (void)b;
    for (int s = 0; s < in->S; s++) {
        float *row = out + s * DIMENSIONS;
        row[0] = (float)in->ids[in->starts[s]];
        row[1] = (float)in->ids[in->starts[s + 1] - 1];
        row[2] = (float)(in->starts[s + 1] - in->starts[s]);
        row[3] = in->normalize[s];
        if (in->ids[in->starts[s]] == POISON) row[1] = NAN;
        if (in->ids[in->starts[s]] == FAILING) return fail(err, GPU_FAILED, "the device said no");
    }
    return OK;
}

static const backend_ops fake = {.abi = BACKEND_ABI, .name = "fake", .forward = fake_forward};

typedef struct {
    job j;
    int32_t ids[64], starts[17];
    float rows[16 * DIMENSIONS];
    sem_t finished;
    status result;
    char why[256];
} request;

static void done(job *j, status result, const error *err)
{
    request *r = j->owner;
    r->result = result;
    memcpy(r->why, err->text, sizeof r->why);
    sem_post(&r->finished);
}

/* n sequences; sequence s is s + 1 tokens that begin with `first` + s */
static request *make(int n, int first)
{
    request *r = calloc(1, sizeof *r);
    int at = 0;
    for (int s = 0; s < n; s++) {
        r->starts[s] = at;
        for (int i = 0; i <= s; i++) r->ids[at++] = first + s + i;
    }
    r->starts[n] = at;
    r->j.n = n;
    r->j.ids = r->ids;
    r->j.starts = r->starts;
    r->j.normalize = first % 2;
    r->j.rows = r->rows;
    r->j.done = done;
    r->j.owner = r;
    sem_init(&r->finished, 0, 0);
    return r;
}

static void end(request *r)
{
    sem_destroy(&r->finished);
    free(r);
}

typedef struct { engine e; batcher *queue; executor *x; } bench;

static void begin(bench *t, int tokens, int sequences)
{
    error err;
    memset(t, 0, sizeof *t);
    t->e.ops = &fake;
    t->e.description.dimensions = DIMENSIONS;
    t->e.options = (engine_options){.batch_tokens = tokens, .batch_sequences = sequences};
    CU_ASSERT_EQUAL_FATAL(batcher_open(&t->queue, (policy_limits){tokens, sequences, 1000}, &err), OK);
    CU_ASSERT_EQUAL_FATAL(executor_start(&t->x, &t->e, t->queue, &err), OK);
}

static void finish(bench *t)
{
    batcher_close(t->queue);
    executor_join(t->x);
    batcher_free(t->queue);
}

static bool rows_right(const request *r)
{
    for (int s = 0; s < r->j.n; s++) {
        const float *row = r->rows + s * DIMENSIONS;
        int first = r->ids[r->starts[s]];
        if ((int)row[0] != first || (int)row[1] != first + s || (int)row[2] != s + 1 || (int)row[3] != r->j.normalize)
            return false;
    }
    return true;
}

static void rows_reach_their_request(void)
{
    bench t;
    error err;
    int   retry;
    begin(&t, 12, 3); /* small: requests are spread over batches and share them */
    request *r[20];
    for (int i = 0; i < 20; i++) {
        r[i] = make(1 + i % 7, 100 * i + i % 2);
        CU_ASSERT_EQUAL(batcher_submit(t.queue, &r[i]->j, &retry, &err), OK);
    }
    for (int i = 0; i < 20; i++) {
        sem_wait(&r[i]->finished);
        CU_ASSERT_EQUAL(r[i]->result, OK);
        CU_ASSERT_TRUE(rows_right(r[i]));
        CU_ASSERT_TRUE(r[i]->j.submitted_ns <= r[i]->j.cut_ns && r[i]->j.cut_ns <= r[i]->j.computed_ns);
    }
    finish(&t);
    for (int i = 0; i < 20; i++) end(r[i]);
}

static void bad_rows_cost_only_their_request(void)
{
    bench t;
    error err;
    int   retry;
    begin(&t, 64, 16);
    request *good = make(2, 50), *poison = make(1, POISON), *failing = make(1, FAILING), *later = make(3, 70);
    CU_ASSERT_EQUAL(batcher_submit(t.queue, &good->j, &retry, &err), OK);
    CU_ASSERT_EQUAL(batcher_submit(t.queue, &poison->j, &retry, &err), OK);
    sem_wait(&good->finished);
    sem_wait(&poison->finished);
    CU_ASSERT_EQUAL(batcher_submit(t.queue, &failing->j, &retry, &err), OK);
    sem_wait(&failing->finished);
    CU_ASSERT_EQUAL(batcher_submit(t.queue, &later->j, &retry, &err), OK);
    sem_wait(&later->finished);
    CU_ASSERT_TRUE(good->result == OK && rows_right(good) && later->result == OK && rows_right(later));
    CU_ASSERT_EQUAL(poison->result, NOT_FINITE);
    CU_ASSERT_EQUAL(failing->result, GPU_FAILED);
    CU_ASSERT_STRING_EQUAL(failing->why, "the device said no");
    finish(&t);
    end(good), end(poison), end(failing), end(later);
}

void executor_suite(CU_pSuite s)
{
    CU_add_test(s, "every row reaches its request, however batches are cut", rows_reach_their_request);
    CU_add_test(s, "a row that is not finite and a failed batch cost only their own requests",
                bad_rows_cost_only_their_request);
}
