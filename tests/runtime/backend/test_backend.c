/* One batch through a device that takes its time. */
#include <CUnit/CUnit.h>
#include <string.h>
#include "runtime/backend/backend.h"

struct backend { const batch *in; int looks, pending; status submits, ends; uint8_t finite[3]; };

static status submit(backend *b, int slot, const batch *in, error *err)
{
    CU_ASSERT(slot == 0 && !b->in);
    if (b->submits != OK) return fail(err, b->submits, "refused");
    b->in = in;
    return OK;
}

static status collect(backend *b, int slot, float *out, uint8_t *finite, error *err)
{
    CU_ASSERT(slot == 0 && b->in);
    if (b->looks++ < b->pending) return PENDING;
    for (int s = 0; s < b->in->S; s++) out[s] = (float)b->in->ids[s] / 2;
    memcpy(finite, b->finite, (size_t)b->in->S);
    b->in = NULL;
    return b->ends == OK ? OK : fail(err, b->ends, "failed");
}

static const backend_ops ops = {.abi = BACKEND_ABI, .name = "slow", .slots = 2, .submit = submit, .collect = collect};
static const int32_t ids[] = {5, 6, 7}, starts[] = {0, 1, 2, 3};
static const batch in = {.S = 3, .T = 3, .longest = 1, .ids = ids, .starts = starts};

static void it_waits_for_the_rows(void)
{
    for (int pending = 0; pending < 5000; pending = pending * 10 + 1) { /* beyond the spin, too */
        backend b = {.pending = pending, .finite = {1, 1, 1}};
        float out[3] = {0};
        error err;
        CU_ASSERT_EQUAL(backend_forward(&ops, &b, &in, out, &err), OK);
        CU_ASSERT(out[0] == 2.5f && out[1] == 3.0f && out[2] == 3.5f && !b.in && b.looks == pending + 1);
    }
}

static void failures_are_passed_on(void)
{
    backend refuses = {.submits = BAD_INPUT}, fails = {.pending = 3, .ends = GPU_LOST},
            wrong = {.finite = {1, 0, 1}};
    float out[3];
    error err;
    CU_ASSERT_EQUAL(backend_forward(&ops, &refuses, &in, out, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "refused");
    CU_ASSERT_EQUAL(backend_forward(&ops, &fails, &in, out, &err), GPU_LOST);
    CU_ASSERT_STRING_EQUAL(err.text, "failed");
    CU_ASSERT_EQUAL(backend_forward(&ops, &wrong, &in, out, &err), NOT_FINITE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "sequence 1 of 3"));
}

void backend_suite(CU_pSuite s)
{
    CU_add_test(s, "a batch is waited for, however often it is pending", it_waits_for_the_rows);
    CU_add_test(s, "a refusal, a failure and a row that is not finite are passed on", failures_are_passed_on);
}
