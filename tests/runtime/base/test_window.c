/* test_window.c - on times of its own, against exactly the values of the seconds that count. */
#include "runtime/base/window.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/clock.h"

enum { EVENTS = 60000, RING = WINDOW_SECONDS + 2, PATIENCE_S = 30 };
static const int64_t SECOND = 1000000000;
static const int lengths[] = {1, 10, 60, 299, WINDOW_SECONDS};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

typedef struct {
    int64_t now_ns, took_ns;
} event;
static event events[EVENTS];
static int n_events;

static uint64_t state = 1;
static uint64_t random_below(uint64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
}

static window *opened(void)
{
    window *w;
    error err;
    CU_ASSERT_EQUAL_FATAL(window_open(&w, &err), OK);
    n_events = 0;
    return w;
}

static void record(window *w, int64_t now_ns, int64_t took_ns)
{
    CU_ASSERT_FATAL(n_events < EVENTS);
    events[n_events++] = (event){now_ns, took_ns};
    window_record(w, now_ns, took_ns);
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* At now_ns: the same counters, and the quantiles of the sorted values. */
static void check(const window *w, int64_t now_ns)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    static int64_t sorted[EVENTS];
    for (int l = 0; l < LENGTHS; l++) {
        histogram_sum seen = {0}, want = {0};
        int n = 0;
        for (int i = n_events - 1; i >= 0; i--) {
            if (events[i].now_ns / SECOND <= now_ns / SECOND - lengths[l]) break;
            histogram_sum_record(&want, sorted[n++] = events[i].took_ns);
        }
        window_add(&seen, w, now_ns, lengths[l]);
        CU_ASSERT_EQUAL(seen.total, (uint64_t)n);
        CU_ASSERT_EQUAL(memcmp(&seen, &want, sizeof seen), 0);
        qsort(sorted, (size_t)n, sizeof *sorted, ascending);
        for (size_t q = 0; n && q < sizeof quantiles / sizeof *quantiles; q++) {
            const int64_t rank = (llround(quantiles[q] * 1000) * n + 999) / 1000, exact = sorted[rank - 1];
            CU_ASSERT((double)llabs(histogram_quantile(&seen, quantiles[q]) - exact) <=
                      fmax(0.016 * (double)exact, 1024));
        }
    }
}

static void a_window_holds_exactly_its_seconds(void)
{
    window *w = opened();
    int64_t now = 12345 * SECOND + 678;
    check(w, now);
    for (int i = 1; i <= 40000; i++) {
        record(w, now, (int64_t)(exp((double)random_below(1000) / 100) * 1e5));
        now += (int64_t)random_below(50000000);                       /* 40 a second, 1,000 seconds in all */
        if (i % 3000 == 0) now += (int64_t)random_below(40) * SECOND; /* idle */
        if (i == 30000) now = (now / SECOND + 10 * RING) * SECOND;    /* beyond the whole ring, into the same slot */
        if (i % 997 == 0) check(w, events[n_events - 1].now_ns);      /* in the second that goes on */
        if (i % 4999 == 0) check(w, events[n_events - 1].now_ns + 7 * SECOND); /* nothing came lately */
    }
    window_close(w);
}

static void a_second_ends_where_the_next_begins(void)
{
    window *w = opened();
    const int64_t at = 1000 * SECOND;
    record(w, at - 1, 1000000);
    record(w, at, 2000000);
    record(w, at + SECOND - 1, 3000000);
    record(w, at + SECOND, 4000000);
    check(w, at + SECOND);
    check(w, at + 2 * SECOND - 1);
    check(w, at + 9 * SECOND);
    check(w, at + 10 * SECOND);
    window_close(w);
}

static void what_is_older_than_the_longest_window_is_in_none(void)
{
    window *w = opened();
    record(w, 5 * SECOND, 1000000);
    for (int idle = 0; idle <= 2 * RING; idle++) check(w, (5 + idle) * SECOND);
    record(w, (5 + RING) * SECOND, 2000000); /* the same place in the ring */
    check(w, (5 + RING) * SECOND);
    record(w, (5 + 7 * RING) * SECOND, 3000000);
    check(w, (5 + 7 * RING) * SECOND);
    window_close(w);
}

static void the_first_seconds_of_a_clock_have_nothing_before_them(void)
{
    window *w = opened();
    check(w, 0);
    record(w, 0, 1000000);
    record(w, SECOND, 2000000);
    check(w, SECOND);
    window_close(w);
}

static void windows_of_several_threads_add_up(void)
{
    window *a = opened(), *b = opened();
    histogram_sum seen = {0}, want = {0};
    for (int i = 0; i < 5000; i++) {
        const int64_t took = 1000 + (int64_t)random_below(1000000000);
        window_record(i % 3 ? a : b, i * (SECOND / 100), took);
        histogram_sum_record(&want, took);
    }
    window_add(&seen, a, 50 * SECOND, 60);
    window_add(&seen, b, 50 * SECOND, 60);
    CU_ASSERT_EQUAL(memcmp(&seen, &want, sizeof seen), 0);
    window_close(a);
    window_close(b);
}

/* Every second has two counters of its own, far from each other: a value of a second that is not in the window gives
 * itself away, and so does a second that was half cleared. */
enum { PER_SECOND = 20, ROUNDS_LEAST = 3, READS_LEAST = 10000, APART = HISTOGRAM_COUNTERS / 2 };
typedef struct {
    window *w;
    _Atomic int64_t now_ns, written; /* virtual; of records that are whole */
    atomic_int stop;
} shared;

static void *write_on(void *arg)
{
    shared *s = arg;
    for (int64_t n = 0; !atomic_load(&s->stop); n++) {
        const int64_t now = n * (SECOND / PER_SECOND);
        atomic_store(&s->now_ns, now);
        atomic_store(&s->written, n + 1);
        window_record(s->w, now, histogram_low((int)(now / SECOND % APART + n % 2 * APART)));
    }
    return NULL;
}

/* How many seconds are not as they were: whole or left out, but for the one under way. */
static int64_t check_read(const histogram_sum *seen, int64_t last, int seconds, int64_t under_way)
{
    int64_t total = 0, bad = 0;
    for (int64_t second = last; second > last - seconds && second >= 0; second--) {
        const int64_t a = (int64_t)seen->n[second % APART], b = (int64_t)seen->n[second % APART + APART];
        bad +=
            a > PER_SECOND / 2 || b > PER_SECOND / 2 || (second < under_way && (a != b || (a && a < PER_SECOND / 2)));
        total += a + b;
    }
    return bad + ((int64_t)seen->total != total); /* the rest would be of other seconds */
}

static void a_reader_never_sees_more_than_was_recorded(void)
{
    static shared s;
    s = (shared){.w = opened()};
    pthread_t writer;
    int64_t bad = 0, reads = 0;
    uint64_t most = 0;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&writer, NULL, write_on, &s), 0);
    for (const int64_t end = clock_ns() + PATIENCE_S * SECOND; clock_ns() < end;) {
        /* Mostly as one who was held up: the two seconds that the writer clears next. */
        const int seconds = reads % 100 ? 2 : WINDOW_SECONDS;
        const int64_t now = atomic_load(&s.now_ns), behind = reads % 100 ? WINDOW_SECONDS : 0;
        if (now / SECOND <= WINDOW_SECONDS) continue;
        histogram_sum seen = {0};
        window_add(&seen, s.w, now - behind * SECOND, seconds);
        bad += check_read(&seen, now / SECOND - behind, seconds, now / SECOND) +
               ((int64_t)seen.total > atomic_load(&s.written));
        if (seen.total > most) most = seen.total;
        if (++reads >= READS_LEAST && now / SECOND > ROUNDS_LEAST * RING) break;
    }
    atomic_store(&s.stop, 1);
    pthread_join(writer, NULL);
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT(most > 0);
    CU_ASSERT(reads >= READS_LEAST);
    histogram_sum rest = {0};
    const int64_t now = atomic_load(&s.now_ns);
    window_add(&rest, s.w, now, 60);
    CU_ASSERT_EQUAL(rest.total, (uint64_t)(59 * PER_SECOND + now % SECOND / (SECOND / PER_SECOND) + 1));
    window_close(s.w);
}

void window_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, a_window_holds_exactly_its_seconds);
    CU_ADD_TEST(s, a_second_ends_where_the_next_begins);
    CU_ADD_TEST(s, what_is_older_than_the_longest_window_is_in_none);
    CU_ADD_TEST(s, the_first_seconds_of_a_clock_have_nothing_before_them);
    CU_ADD_TEST(s, windows_of_several_threads_add_up);
    CU_ADD_TEST(s, a_reader_never_sees_more_than_was_recorded);
}
