/* test_incident_signs.c - signs in the numbers of a real monitor, on a clock of our own. */
#include "server/incident_signs.h"
#include <CUnit/CUnit.h>
#include <string.h>

static const int64_t MS = 1000000, S = 1000000000;

static void run(call *c) { (void)c; }
static const route table[] = {{"GET", "/info", run, 0, SHAPE_TEI, "tells"},
                              {"POST", "/embed", run, 100, SHAPE_TEI, "computes"}};
static bool is_embed(const route *r) { return r == &table[1]; }

typedef struct {
    monitor *m;
    incident_signs signs;
    int64_t now_ns;
    int began[SIGNS];
} watch;

static void open_watch(watch *w)
{
    error err;
    *w = (watch){.now_ns = 1000 * S};
    monitor_options o = {.loops = 1,
                         .objective_ns = 100 * MS,
                         .objective_ratio = 0.99,
                         .routes = table,
                         .n_routes = 2,
                         .computes = is_embed};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&w->m, o, &err), OK);
}

static void end_requests(watch *w, const route *r, int code, int n)
{
    call_record c = {.route = r, .status = code, .compute_type = code == 200 ? "cpu" : NULL};
    for (int s = 0; s <= STAGES; s++) c.times.at[s] = w->now_ns - (s < STAGES ? MS : 0);
    for (int i = 0; i < n; i++) monitor_ended(w->m, 0, &c);
}

/* `seconds` ticks; in each so many requests to /embed that are answered so. */
static void pass(watch *w, int seconds, int good, int bad, int bad_code)
{
    for (int i = 0; i < seconds; i++) {
        end_requests(w, &table[1], 200, good);
        end_requests(w, &table[1], bad_code, bad);
        w->now_ns += S;
        monitor_tick(w->m, w->now_ns);
        incident_signs_look(&w->signs, w->m, w->now_ns);
        for (int k = 0; k < SIGNS; k++) w->began[k] += w->signs.of[k].began;
    }
}

static void burning_in_both_windows_is_a_sign(void)
{
    watch w;
    open_watch(&w);
    pass(&w, 600, 100, 10, 500); /* 9.1 % bad of 1 %: 9 times too fast */
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 0);
    monitor_close(w.m);
    open_watch(&w);
    pass(&w, 600, 100, 20, 500); /* 16.7 times */
    CU_ASSERT_TRUE(w.signs.of[SIGN_BURN].on);
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.signs.of[SIGN_BURN].summary,
                                  "burns 16.7 times too fast over 5m and 16.7 times over "
                                  "1h, the limit is 14.4"));
    pass(&w, 600, 100, 0, 0); /* 5 minutes are clean; an hour is not */
    CU_ASSERT_FALSE(w.signs.of[SIGN_BURN].on);
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 1);
    pass(&w, 300, 0, 100, 500);
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 2);
    monitor_close(w.m);
}

static void a_short_burst_is_none_while_the_hour_is_good(void)
{
    watch w;
    open_watch(&w);
    pass(&w, 3600, 20, 0, 0);
    pass(&w, 60, 10, 10, 500); /* 5 minutes: 10 % and more; the hour: 0.8 % */
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 0);
    monitor_close(w.m);
}

static void a_slower_burn_of_hours_is_a_sign_too(void)
{
    watch w;
    open_watch(&w);
    pass(&w, 3500, 92, 8, 500); /* not yet: the hours are one hour at most, and that is young */
    CU_ASSERT_FALSE(w.signs.of[SIGN_BURN].on);
    pass(&w, 500, 92, 8, 500);
    CU_ASSERT_TRUE(w.signs.of[SIGN_BURN].on);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(w.signs.of[SIGN_BURN].summary, "8.0 times too fast over 1h and 8.0 times over 6h, the limit is 6:"));
    monitor_close(w.m);
    open_watch(&w);
    pass(&w, 4000, 95, 5, 500);
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 0);
    monitor_close(w.m);
}

static void a_few_bad_requests_are_no_sign(void)
{
    watch w;
    open_watch(&w);
    pass(&w, 1, 10, 9, 500);
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 0);
    pass(&w, 700, 0, 0, 0); /* they are none of the last 5 minutes any more */
    pass(&w, 1, 0, 9, 500);
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 0);
    pass(&w, 1, 0, 1, 500);
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.signs.of[SIGN_BURN].summary, ": 10 requests were bad in 5 minutes"));
    monitor_close(w.m);
}

static void mostly_refused_for_a_minute_is_a_sign(void)
{
    watch w;
    open_watch(&w);
    pass(&w, 61, 1, 2, 422);
    CU_ASSERT_TRUE(w.signs.of[SIGN_CONTRACT].on);
    CU_ASSERT_EQUAL(w.began[SIGN_CONTRACT], 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.signs.of[SIGN_CONTRACT].summary, "122 of 183 requests in a minute"));
    pass(&w, 60, 1, 2, 400); /* goes on */
    CU_ASSERT_TRUE(w.signs.of[SIGN_CONTRACT].on);
    CU_ASSERT_EQUAL(w.began[SIGN_CONTRACT], 1);
    pass(&w, 60, 2, 1, 400);
    CU_ASSERT_FALSE(w.signs.of[SIGN_CONTRACT].on);
    pass(&w, 60, 1, 2, 400);
    CU_ASSERT_EQUAL(w.began[SIGN_CONTRACT], 2);
    CU_ASSERT_EQUAL(w.began[SIGN_BURN], 0); /* it is the clients' doing */
    monitor_close(w.m);
}

static void half_is_not_most_and_a_hundred_is_wanted(void)
{
    watch w;
    open_watch(&w);
    pass(&w, 61, 2, 2, 422);
    CU_ASSERT_EQUAL(w.began[SIGN_CONTRACT], 0);
    pass(&w, 60, 0, 0, 0);
    pass(&w, 1, 0, 99, 422);
    pass(&w, 120, 0, 0, 0);
    CU_ASSERT_EQUAL(w.began[SIGN_CONTRACT], 0);
    pass(&w, 1, 0, 100, 422);
    pass(&w, 120, 0, 0, 0);
    CU_ASSERT_EQUAL(w.began[SIGN_CONTRACT], 1);
    monitor_close(w.m);
}

static void other_failures_and_other_routes_are_no_violations(void)
{
    watch w;
    open_watch(&w);
    pass(&w, 61, 0, 3, 413);
    pass(&w, 60, 1, 2, 429);
    end_requests(&w, &table[0], 400, 1000);
    end_requests(&w, NULL, 400, 1000);
    pass(&w, 60, 2, 0, 0);
    CU_ASSERT_EQUAL(w.began[SIGN_CONTRACT], 0);
    monitor_close(w.m);
}

void incident_signs_suite(CU_pSuite s)
{
    CU_ADD_TEST(s, burning_in_both_windows_is_a_sign);
    CU_ADD_TEST(s, a_short_burst_is_none_while_the_hour_is_good);
    CU_ADD_TEST(s, a_slower_burn_of_hours_is_a_sign_too);
    CU_ADD_TEST(s, a_few_bad_requests_are_no_sign);
    CU_ADD_TEST(s, mostly_refused_for_a_minute_is_a_sign);
    CU_ADD_TEST(s, half_is_not_most_and_a_hundred_is_wanted);
    CU_ADD_TEST(s, other_failures_and_other_routes_are_no_violations);
}
