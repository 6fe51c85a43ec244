/* test_sleeping_device.c - the device that tests of times lean on: right rows, no earlier than it says, and settings
 * that are what they say or refused.  That it is not much later is not asserted: machines are noisy. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/wait.h"
#include "tests/support/small_model.h"

enum { THREE = 3 };
static const int lengths[THREE] = {5, 9, 2};

static const backend_ops *loaded(void)
{
    const backend_ops *ops;
    error err = {""};
    CU_ASSERT_EQUAL_FATAL(backend_load(&ops, BEELINE_SLEEPING_DIR "/libbeeline_cuda.so", &err), OK);
    return ops;
}

static status open_with(const char *settings, model *m, backend **out, error *err)
{
    const backend_reserve reserve = {.max_tokens = SMALL_TOKENS, .max_sequences = SMALL_SEQUENCES};
    if (settings) setenv("SLEEPING_DEVICE", settings, 1);
    else unsetenv("SLEEPING_DEVICE");
    return loaded()->open(out, m, reserve, err);
}

static void only_what_is_known_is_taken(void)
{
    static const struct {
        const char *settings, *part;
    } bad[] = {{NULL, "is not set"},
               {"", "no such setting"},
               {"base_us", "no key=number"},
               {"base_us=", "no key=number"},
               {"base_us=1,", "no such setting"},
               {"base_us=-1", "no key=number"},
               {"base_us=1ms", "no key=number"},
               {"base_us= 1", "no key=number"},
               {"base=1", "no such setting"},
               {"base_us=1,base_us=1", "for the second time"},
               {"base_us=60000001", "must be 0 to 60000000"},
               {"base_us=1000000000000000000000", "no key=number"},
               {"token_ns=1;sequence_ns=1", "no NAME:settings"},
               {"token_ns=1;;", "no NAME:settings"},
               {"token_ns=1;tiny:", "no such setting"},
               {"token_ns=1;tiny:base_us=1,base_us=2", "for the second time"},
               {"nan_after=1000001", "nan_after is 1000001, must be 0 to 1000000"},
               {"slots=0", "slots is 0, must be 1 to 3"},
               {"slots=4", "slots is 4, must be 1 to 3"}};
    model *m = small_model_open((tiny_model){0});
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        backend *b = NULL;
        error err = {""};
        CU_ASSERT_EQUAL(open_with(bad[i].settings, m, &b, &err), BAD_INPUT);
        CU_ASSERT_PTR_NULL(b);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i].part));
        if (!strstr(err.text, bad[i].part)) printf("\n    %s: \"%s\"", bad[i].settings, err.text);
    }
    model_close(m);
}

static void batches_take_their_time_one_after_the_other(void)
{
    static small_batch x;
    static float rows[THREE * SMALL_COLUMNS], truth[THREE * SMALL_COLUMNS];
    const backend_ops *ops = loaded();
    model *m = small_model_open((tiny_model){0});
    const int columns = backend_columns(&m->description);
    backend *b;
    error err = {""};
    uint8_t finite[THREE] = {0};
    CU_ASSERT_EQUAL_FATAL(open_with("base_us=3000,token_ns=500000,sequence_ns=1000000,slots=2", m, &b, &err), OK);
    CU_ASSERT_EQUAL(ops->slots, 2);
    CU_ASSERT_STRING_EQUAL(ops->name, "cuda");
    CU_ASSERT_PTR_NOT_NULL(strstr(ops->describe(b), "3000 us + 500000 ns a token + 1000000 ns a sequence"));
    small_batch_make(&x, lengths, THREE, 1);
    small_model_truth(m, &x.in, truth);
    const int64_t takes_ns = 3000000 + 16 * 500000 + 3 * 1000000; /* 14 ms */
    for (int round = 0; round < 2; round++) {
        const int64_t begun_ns = clock_ns();
        CU_ASSERT_EQUAL(ops->submit(b, 0, &x.in, &err), OK);
        CU_ASSERT_EQUAL(ops->submit(b, 1, &x.in, &err), OK);
        CU_ASSERT_EQUAL(ops->submit(b, 0, &x.in, &err), GPU_FAILED); /* not free */
        for (int n = 0; n < 2; n++) {
            status rc;
            while ((rc = ops->collect(b, n, rows, finite, &err)) == PENDING) wait_relax();
            CU_ASSERT_EQUAL(rc, OK);
            CU_ASSERT(clock_ns() - begun_ns >= (n + 1) * takes_ns);
            CU_ASSERT(small_model_cosine(rows, truth, THREE, columns) > 0.999999);
            CU_ASSERT(finite[0] && finite[1] && finite[2]);
            memset(rows, 0, sizeof rows);
        }
        CU_ASSERT_EQUAL(ops->collect(b, 0, rows, finite, &err), GPU_FAILED); /* nothing is there */
    }
    ops->close(b);
    model_close(m);
}

static void what_is_left_out_is_zero(void)
{
    static small_batch x;
    static float rows[THREE * SMALL_COLUMNS];
    const backend_ops *ops = loaded();
    model *m = small_model_open((tiny_model){0});
    backend *b;
    error err = {""};
    CU_ASSERT_EQUAL_FATAL(open_with("base_us=0", m, &b, &err), OK);
    CU_ASSERT_EQUAL(ops->slots, 3);
    small_batch_make(&x, lengths, THREE, 1);
    CU_ASSERT_EQUAL(backend_forward(ops, b, &x.in, rows, &err), OK);
    ops->close(b);
    ops->close(NULL);
    model_close(m);
}

/* After two batches, as the first group says of every model, or the second of this one. */
static void faults_come_after_so_many_batches(void)
{
    static small_batch x;
    static float rows[THREE * SMALL_COLUMNS], truth[THREE * SMALL_COLUMNS];
    static const struct {
        const char *fault;
        status result;
        bool agrees;
    } cases[] = {{"nan_after=2", NOT_FINITE, false}, {"fail_after=2", GPU_FAILED, false}, {"drift_after=2", OK, false},
                 {"base_us=1", OK, true}};
    const backend_ops *ops = loaded();
    model *m = small_model_open((tiny_model){0});
    strcpy(m->description.name, "this");
    const int columns = backend_columns(&m->description);
    small_batch_make(&x, lengths, THREE, 1);
    small_model_truth(m, &x.in, truth);
    for (size_t i = 0; i < 3 * sizeof cases / sizeof *cases; i++) {
        char settings[80];
        backend *b;
        error err = {""};
        const size_t c = i / 3, way = i % 3; /* of every model, of this one, of another */
        snprintf(settings, sizeof settings, way == 0 ? "%s" : way == 1 ? "slots=1;other:slots=2;this:%s" : "slots=1;that:%s",
                 cases[c].fault);
        CU_ASSERT_EQUAL_FATAL(open_with(settings, m, &b, &err), OK);
        for (int n = 0; n < 2; n++) CU_ASSERT_EQUAL(backend_forward(ops, b, &x.in, rows, &err), OK);
        CU_ASSERT(small_model_cosine(rows, truth, THREE, columns) > 0.999999);
        CU_ASSERT_EQUAL(backend_forward(ops, b, &x.in, rows, &err), way == 2 ? OK : cases[c].result);
        const bool agrees = small_model_cosine(rows, truth, THREE, columns) > 0.9;
        if (way == 2 || cases[c].result == OK) CU_ASSERT_EQUAL(agrees, way == 2 || cases[c].agrees);
        ops->close(b);
    }
    model_close(m);
}

static void room_is_what_it_is_told(void)
{
    const backend_ops *ops = loaded();
    model *m = small_model_open((tiny_model){0});
    for (int told = 0; told < 2; told++) {
        backend *b;
        error err = {""};
        int64_t wanted = 0, available = 0;
        CU_ASSERT_EQUAL_FATAL(open_with(told ? "room_mib=3" : "base_us=1", m, &b, &err), OK);
        ops->room(b, &m->description, &wanted, &available);
        CU_ASSERT(wanted > 0);
        CU_ASSERT_EQUAL(available, told ? 3 << 20 : -1);
        ops->close(b);
    }
    model_close(m);
}

void sleeping_device_suite(CU_pSuite s)
{
    CU_add_test(s, "settings are taken as they are meant, or refused", only_what_is_known_is_taken);
    CU_add_test(s, "batches take their time, one after the other, and have the CPU's rows",
                batches_take_their_time_one_after_the_other);
    CU_add_test(s, "faults come after so many batches, to all models or to one", faults_come_after_so_many_batches);
    CU_add_test(s, "what is free is what it is told", room_is_what_it_is_told);
    CU_add_test(s, "what is left out is zero, and three slots", what_is_left_out_is_zero);
}
