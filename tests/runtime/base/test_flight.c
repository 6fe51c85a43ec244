/* test_flight.c - each record proves itself: its last number follows from the others. */
#include "runtime/base/flight.h"
#include <CUnit/CUnit.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"

enum { PATIENCE_S = 30, READS = 300, WRITERS = 3 };
static flight_record seen[FLIGHT_EVENTS];

static uint64_t proof(uint64_t n) { return (n + 1) * 0x9e3779b97f4a7c15u; }
static void note(uint64_t n)
{
    flight_note((int64_t)n, (flight_kind)(n % FLIGHT_KINDS), (uint32_t)proof(n), proof(n) ^ n, ~proof(n));
}
static int is_whole(const flight_record *r)
{
    const uint64_t n = (uint64_t)r->ns;
    return r->kind == (flight_kind)(n % FLIGHT_KINDS) && r->a == (uint32_t)proof(n) && r->b == (proof(n) ^ n) &&
           r->c == ~proof(n);
}

/* All whole, and one after the other up to `last`. */
static int in_order(const flight_record *r, int n, uint64_t last)
{
    for (int i = 0; i < n; i++)
        if (!is_whole(&r[i]) || (uint64_t)r[i].ns != last - (uint64_t)(n - 1 - i)) return 0;
    return 1;
}

static void attach(const char *name)
{
    error err;
    CU_ASSERT_EQUAL_FATAL(flight_attach(name, &err), OK);
}

static int ring_named(const char *name)
{
    char seen_name[32];
    for (int i = 0; i < flight_rings(); i++)
        if (!strcmp(flight_ring_name(i, seen_name), name)) return i;
    CU_FAIL_FATAL("no ring has this name");
    return -1;
}

static void a_thread_without_a_ring_records_nothing(void)
{
    const int before = flight_rings();
    note(1);
    flight_detach();
    CU_ASSERT_EQUAL(flight_rings(), before);
}

static void events_come_back_in_order(void)
{
    attach("in order");
    const int ring = ring_named("in order");
    CU_ASSERT_EQUAL(flight_read(ring, seen), 0);
    for (uint64_t n = 0; n < 100; n++) note(n);
    CU_ASSERT_EQUAL(flight_read(ring, seen), 100);
    CU_ASSERT(in_order(seen, 100, 99));
    flight_detach();
    note(100); /* nowhere */
    CU_ASSERT_EQUAL(flight_read(ring, seen), 100);
}

static void numbers_come_back_whole(void)
{
    attach("numbers");
    flight_note(INT64_MAX, FLIGHT_PHASE, UINT32_MAX, UINT64_MAX, UINT64_MAX - 1);
    flight_note(-1, FLIGHT_REQUEST, 0, 0, 1);
    const int n = flight_read(ring_named("numbers"), seen);
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT_EQUAL(seen[0].ns, INT64_MAX);
    CU_ASSERT_EQUAL(seen[0].kind, FLIGHT_PHASE);
    CU_ASSERT_EQUAL(seen[0].a, UINT32_MAX);
    CU_ASSERT_EQUAL(seen[0].b, UINT64_MAX);
    CU_ASSERT_EQUAL(seen[0].c, UINT64_MAX - 1);
    CU_ASSERT_EQUAL(seen[1].ns, -1);
    CU_ASSERT_EQUAL(seen[1].kind, FLIGHT_REQUEST);
    flight_detach();
}

static void the_oldest_are_overwritten(void)
{
    attach("overwritten");
    const int ring = ring_named("overwritten");
    for (uint64_t n = 0; n < 3 * FLIGHT_EVENTS + 5; n++) {
        note(n);
        const int want = n + 1 < FLIGHT_EVENTS ? (int)n + 1 : FLIGHT_EVENTS - 1;
        if (n % 1000 == 0 || n % FLIGHT_EVENTS < 3 || n % FLIGHT_EVENTS > FLIGHT_EVENTS - 3) {
            CU_ASSERT_EQUAL(flight_read(ring, seen), want);
            CU_ASSERT(in_order(seen, want, n));
        }
    }
    flight_detach();
}

static void a_ring_stays_readable_until_another_takes_it_over(void)
{
    attach("before");
    const int ring = ring_named("before"), rings = flight_rings();
    for (uint64_t n = 0; n < FLIGHT_EVENTS + 10; n++) note(n);
    flight_detach();
    CU_ASSERT_EQUAL(flight_read(ring, seen), FLIGHT_EVENTS - 1);
    attach("after");
    CU_ASSERT_EQUAL(ring_named("after"), ring);
    CU_ASSERT_EQUAL(flight_rings(), rings);
    CU_ASSERT_EQUAL(flight_read(ring, seen), 0); /* not the other's */
    for (uint64_t n = 0; n < 7; n++) note(n);
    CU_ASSERT_EQUAL(flight_read(ring, seen), 7);
    CU_ASSERT(in_order(seen, 7, 6));
    flight_detach();
}

static void a_name_is_cut_at_31_bytes(void)
{
    char name[32];
    attach("0123456789012345678901234567890123456789");
    CU_ASSERT_STRING_EQUAL(flight_ring_name(ring_named("0123456789012345678901234567890"), name),
                           "0123456789012345678901234567890");
    flight_detach();
}

static void every_event_has_its_row(void)
{
    for (int k = 0; k < FLIGHT_KINDS; k++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(flight_rows[k].name);
        CU_ASSERT(flight_rows[k].name[0] && flight_rows[k].a && flight_rows[k].b && flight_rows[k].c);
        for (int other = 0; other < k; other++)
            CU_ASSERT_STRING_NOT_EQUAL(flight_rows[k].name, flight_rows[other].name);
    }
}

typedef struct {
    char name[32];
    atomic_int attached, stop;
    uint64_t last;
} writer;

static void *write_on(void *arg)
{
    writer *w = arg;
    error err;
    if (flight_attach(w->name, &err) != OK) return NULL;
    atomic_store(&w->attached, 1);
    for (uint64_t n = 0; !atomic_load(&w->stop); n++) note(w->last = n);
    flight_detach();
    return NULL;
}

static void a_reader_never_sees_a_torn_record(void)
{
    static writer writers[WRITERS];
    pthread_t threads[WRITERS];
    int torn = 0, reads = 0;
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.name = "writer 0"};
        writers[i].name[7] = (char)('0' + i);
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, write_on, &writers[i]), 0);
    }
    const int64_t end = clock_ns() + PATIENCE_S * (int64_t)1000000000;
    for (int i = 0; i < WRITERS; i++)
        while (!atomic_load(&writers[i].attached) && clock_ns() < end) sched_yield();
    while (reads < READS && clock_ns() < end) {
        for (int i = 0; i < WRITERS; i++) {
            const int n = flight_read(ring_named(writers[i].name), seen);
            if (n == 0) continue; /* the writer was all around meanwhile */
            torn += !in_order(seen, n, (uint64_t)seen[n - 1].ns);
            reads++;
        }
    }
    for (int i = 0; i < WRITERS; i++) atomic_store(&writers[i].stop, 1);
    for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(torn, 0);
    CU_ASSERT(reads >= READS);
    for (int i = 0; i < WRITERS; i++) { /* each its own, to the last one */
        const int n = flight_read(ring_named(writers[i].name), seen);
        CU_ASSERT(n > 0 && in_order(seen, n, writers[i].last));
    }
}

typedef struct {
    pthread_barrier_t all;
    atomic_int attached, refused;
    char why[256];
} crowd;

static void *join_crowd(void *arg)
{
    crowd *c = arg;
    error err = {""};
    const status rc = flight_attach("crowd", &err);
    note(1);
    if (rc == OK) atomic_fetch_add(&c->attached, 1);
    if (rc == OVERLOADED && atomic_fetch_add(&c->refused, 1) == 0) memcpy(c->why, err.text, sizeof c->why);
    pthread_barrier_wait(&c->all);
    flight_detach();
    return NULL;
}

static void one_thread_too_many_is_told_so(void)
{
    enum { MORE = FLIGHT_THREADS_MAX + 1 };
    static crowd c;
    static pthread_t threads[MORE];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    pthread_barrier_init(&c.all, NULL, MORE);
    for (int i = 0; i < MORE; i++) CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], &small, join_crowd, &c), 0);
    for (int i = 0; i < MORE; i++) pthread_join(threads[i], NULL);
    pthread_attr_destroy(&small);
    pthread_barrier_destroy(&c.all);
    CU_ASSERT_EQUAL(c.attached, FLIGHT_THREADS_MAX);
    CU_ASSERT_EQUAL(c.refused, 1);
    CU_ASSERT_STRING_EQUAL(c.why, "flight recorder: 600 threads have a ring, \"crowd\" is one too many");
    CU_ASSERT_EQUAL(flight_rings(), FLIGHT_THREADS_MAX);
    attach("after the crowd"); /* places are free again */
    flight_detach();
}

void flight_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, a_thread_without_a_ring_records_nothing);
    CU_ADD_TEST(s, events_come_back_in_order);
    CU_ADD_TEST(s, numbers_come_back_whole);
    CU_ADD_TEST(s, the_oldest_are_overwritten);
    CU_ADD_TEST(s, a_ring_stays_readable_until_another_takes_it_over);
    CU_ADD_TEST(s, a_name_is_cut_at_31_bytes);
    CU_ADD_TEST(s, every_event_has_its_row);
    CU_ADD_TEST(s, a_reader_never_sees_a_torn_record);
    CU_ADD_TEST(s, one_thread_too_many_is_told_so);
}
