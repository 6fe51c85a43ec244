/* test_monitor.c - requests of made-up times, as the loops would report them; against plain sums. */
#include <CUnit/CUnit.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/monitor.h"

static const int64_t MS = 1000000, S = 1000000000;
enum { OBJECTIVE_MS = 100, EMBED = 0, DECODE = 1, OTHER = 2 };

static void run(call *c) { (void)c; }
static const route table[] = {{"GET", "/info", run, 0, SHAPE_TEI, "tells"},
                              {"POST", "/embed", run, 100, SHAPE_TEI, "computes"},
                              {"POST", "/decode", run, 100, SHAPE_TEI, "computes nothing"}};
static const route *const info = &table[0], *const embed = &table[1], *const decode = &table[2];
static bool is_embed(const route *r) { return r == embed; }

static monitor *opened(int loops)
{
    monitor *m;
    error err;
    monitor_options o = {.loops = loops,
                         .objective_ns = OBJECTIVE_MS * MS,
                         .objective_ratio = 0.99,
                         .routes = table,
                         .n_routes = 3,
                         .computes = is_embed};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&m, o, &err), OK);
    return m;
}

/* Ends at ended_ns; its time is all computing. */
static call_record record(const route *r, int code, int64_t ended_ns, int64_t took_ns)
{
    call_record c = {.route = r, .status = code, .sequences = 1, .tokens = 10};
    for (int s = 0; s <= STAGES; s++) c.times.at[s] = s <= STAGE_COMPUTE ? ended_ns - took_ns : ended_ns;
    if (code == 200) c.compute_type = "cpu";
    return c;
}

static void end(monitor *m, const route *r, int code, int64_t ended_ns, int64_t took_ns)
{
    const call_record c = record(r, code, ended_ns, took_ns);
    monitor_ended(m, 0, &c);
}

static int code_index(int code)
{
    int i = MONITOR_CODES - 1;
    while (i > 0 && monitor_codes[i] != code) i--;
    return i;
}

/* ---- counts */

typedef struct {
    int code;
    call_failure said, reason;
    int good, bad;           /* within the objective */
    int late_good, late_bad; /* after it */
} verdict;
static const verdict verdicts[] = {
    {200, FAILURE_NONE, FAILURE_NONE, 1, 0, 0, 1},         {0, FAILURE_NONE, FAILURE_CANCELLED, 0, 0, 0, 1},
    {400, FAILURE_NONE, FAILURE_INVALID, 0, 0, 0, 0},      {422, FAILURE_NONE, FAILURE_INVALID, 0, 0, 0, 0},
    {422, FAILURE_TOO_LONG, FAILURE_TOO_LONG, 0, 0, 0, 0}, {408, FAILURE_NONE, FAILURE_INVALID, 0, 0, 0, 0},
    {413, FAILURE_NONE, FAILURE_TOO_LARGE, 0, 0, 0, 0},    {414, FAILURE_NONE, FAILURE_TOO_LARGE, 0, 0, 0, 0},
    {431, FAILURE_NONE, FAILURE_TOO_LARGE, 0, 0, 0, 0},    {424, FAILURE_NONE, FAILURE_BACKEND, 0, 0, 0, 0},
    {501, FAILURE_NONE, FAILURE_INVALID, 0, 0, 0, 0},      {505, FAILURE_NONE, FAILURE_INVALID, 0, 0, 0, 0},
    {429, FAILURE_NONE, FAILURE_OVERLOADED, 0, 1, 0, 1},   {500, FAILURE_NONE, FAILURE_BACKEND, 0, 1, 0, 1},
    {503, FAILURE_NONE, FAILURE_BACKEND, 0, 1, 0, 1},      {503, FAILURE_OVERLOADED, FAILURE_OVERLOADED, 0, 1, 0, 1},
    {503, FAILURE_DRAINING, FAILURE_DRAINING, 0, 1, 0, 1}, {504, FAILURE_NONE, FAILURE_DEADLINE, 0, 1, 0, 1},
};

static void each_end_has_one_verdict(void)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        const verdict *v = &verdicts[i];
        for (int late = 0; late < 2; late++) {
            monitor *m = opened(1);
            monitor_sum sum;
            call_record c = record(embed, v->code, 10 * S, OBJECTIVE_MS * MS + late);
            c.failure = v->said;
            monitor_ended(m, 0, &c);
            monitor_add_up(m, &sum);
            int64_t failures = 0;
            for (int f = 0; f < FAILURES; f++) failures += sum.failures[f];
            CU_ASSERT_EQUAL(failures, v->reason != FAILURE_NONE);
            CU_ASSERT_EQUAL(sum.failures[v->reason], v->reason != FAILURE_NONE);
            CU_ASSERT_EQUAL(sum.good, late ? v->late_good : v->good);
            CU_ASSERT_EQUAL(sum.bad, late ? v->late_bad : v->bad);
            if (sum.good != (late ? v->late_good : v->good) || sum.bad != (late ? v->late_bad : v->bad))
                printf("\n    %d, late %d: good %lld, bad %lld", v->code, late, (long long)sum.good,
                       (long long)sum.bad);
            int64_t answered = 0;
            for (int k = 0; k < MONITOR_CODES; k++) answered += sum.requests[EMBED][k];
            CU_ASSERT_EQUAL(answered, v->code != 0);
            CU_ASSERT_EQUAL(sum.requests[EMBED][code_index(v->code)], v->code != 0);
            monitor_close(m);
        }
    }
}

static void the_slo_is_about_what_computes(void)
{
    monitor *m = opened(1);
    monitor_sum sum;
    histogram_sum lately = {0};
    monitor_slow slow;
    end(m, info, 200, 10 * S, S);
    end(m, decode, 200, 10 * S, S);
    end(m, decode, 500, 10 * S, S);
    end(m, NULL, 404, 10 * S, S);
    monitor_add_up(m, &sum);
    monitor_window(m, 10 * S, 300, &lately);
    CU_ASSERT_EQUAL(sum.good + sum.bad + sum.tokens + sum.sequences + sum.tokens_accepted + sum.tokens_shed, 0);
    CU_ASSERT_EQUAL(lately.total, 0);
    CU_ASSERT_EQUAL(monitor_slowest(m, 10 * S, &slow, 1), 0);
    CU_ASSERT_EQUAL(sum.failures[FAILURE_BACKEND], 1);
    monitor_close(m);
}

static void endpoints_are_post_routes_and_the_rest(void)
{
    monitor *m = opened(1);
    monitor_sum sum;
    CU_ASSERT_EQUAL_FATAL(monitor_endpoints(m), 3);
    CU_ASSERT_STRING_EQUAL(monitor_endpoint(m, EMBED), "/embed");
    CU_ASSERT_STRING_EQUAL(monitor_endpoint(m, DECODE), "/decode");
    CU_ASSERT_STRING_EQUAL(monitor_endpoint(m, OTHER), "other");
    end(m, embed, 200, S, MS);
    end(m, decode, 200, S, MS);
    end(m, decode, 200, S, MS);
    end(m, info, 200, S, MS);
    end(m, NULL, 404, S, MS);
    end(m, NULL, 299, S, MS); /* a code that nobody has foreseen */
    monitor_add_up(m, &sum);
    CU_ASSERT_EQUAL(sum.requests[EMBED][code_index(200)], 1);
    CU_ASSERT_EQUAL(sum.requests[DECODE][code_index(200)], 2);
    CU_ASSERT_EQUAL(sum.requests[OTHER][code_index(200)], 1);
    CU_ASSERT_EQUAL(sum.requests[OTHER][code_index(404)], 1);
    CU_ASSERT_EQUAL(sum.requests[OTHER][0], 1);
    monitor_close(m);
}

/* 2xx is completed; what was never computed for want of time or room is shed; the client's own is no load. */
static void tokens_are_offered_completed_or_shed(void)
{
    monitor *m = opened(1);
    monitor_sum sum;
    call_record c = record(embed, 200, S, MS);
    c.sequences = 3;
    c.tokens = 33;
    monitor_ended(m, 0, &c);
    c = record(embed, 429, S, MS);
    c.tokens = 5;
    monitor_ended(m, 0, &c);
    c.tokens = 0;
    c.characters = 9; /* three tokens, about */
    monitor_ended(m, 0, &c);
    c = record(embed, 504, S, MS);
    c.tokens = 7;
    monitor_ended(m, 0, &c); /* never computed */
    c.compute_type = "cpu";
    monitor_ended(m, 0, &c); /* computed, too late */
    end(m, embed, 422, S, MS);
    c = record(embed, 0, S, MS);
    c.tokens = 100;
    monitor_ended(m, 0, &c);
    monitor_add_up(m, &sum);
    CU_ASSERT_EQUAL(sum.sequences, 3);
    CU_ASSERT_EQUAL(sum.tokens, 33);
    CU_ASSERT_EQUAL(sum.tokens_accepted, 33 + 7 + 100);
    CU_ASSERT_EQUAL(sum.tokens_shed, 5 + 3 + 7);
    CU_ASSERT_EQUAL(sum.request_tokens[6], 1); /* 32 < 33 <= 64 */
    monitor_close(m);
}

static void sizes_are_counted_by_powers_of_two(void)
{
    monitor *m = opened(1);
    monitor_sum sum;
    static const int sizes[] = {1, 2, 3, 4, 5, 8, 9, 32768, 32769, 1 << 20};
    static const int at[] = {0, 1, 2, 2, 3, 3, 4, 15, 16, 16};
    int64_t wanted[MONITOR_TOKEN_EDGES + 1] = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        call_record c = record(embed, 200, S, MS);
        c.tokens = sizes[i];
        monitor_ended(m, 0, &c);
        wanted[at[i]]++;
    }
    monitor_add_up(m, &sum);
    for (int i = 0; i <= MONITOR_TOKEN_EDGES; i++) CU_ASSERT_EQUAL(sum.request_tokens[i], wanted[i]);
    monitor_close(m);
}

/* ---- durations */

static void edges_hold_the_objective(void)
{
    monitor *m = opened(1);
    const int64_t *edge = monitor_edges_ns(m);
    int objectives = 0;
    CU_ASSERT_EQUAL(edge[0], 100000);
    CU_ASSERT(edge[MONITOR_EDGES - 1] > 12700 * MS && edge[MONITOR_EDGES - 1] < 12800 * MS);
    for (int i = 0; i < MONITOR_EDGES; i++) {
        objectives += edge[i] == OBJECTIVE_MS * MS;
        if (i) CU_ASSERT(edge[i] > edge[i - 1] && (double)edge[i] < 1.51 * (double)edge[i - 1]);
    }
    CU_ASSERT_EQUAL(objectives, 1);
    monitor_close(m);
    error err;
    monitor_options o = {.loops = 1,
                         .objective_ns = 225000,
                         .objective_ratio = 0.9,
                         .routes = table,
                         .n_routes = 3,
                         .computes = is_embed};
    CU_ASSERT_EQUAL_FATAL(monitor_open(&m, o, &err), OK);
    edge = monitor_edges_ns(m); /* an edge already */
    for (int i = 1; i < MONITOR_EDGES; i++) CU_ASSERT(edge[i] > edge[i - 1]);
    monitor_close(m);
}

static void an_edge_belongs_to_what_is_below_it(void)
{
    monitor *m = opened(1);
    monitor_sum sum;
    const int64_t *edge = monitor_edges_ns(m);
    double total = 0;
    for (int i = 0; i < MONITOR_EDGES; i++) {
        end(m, decode, 200, 100 * S, edge[i]);
        end(m, decode, 200, 100 * S, edge[i] + 1);
        total += (double)(2 * edge[i] + 1) * 1e-9;
    }
    monitor_add_up(m, &sum);
    const monitor_durations *d = &sum.durations[DECODE];
    CU_ASSERT_EQUAL(d->count[0], 1);
    for (int i = 1; i < MONITOR_EDGES; i++) CU_ASSERT_EQUAL(d->count[i], 2);
    CU_ASSERT_EQUAL(d->count[MONITOR_EDGES], 1);
    CU_ASSERT(fabs(d->sum_s - total) < 1e-9);
    monitor_close(m);
}

static void stages_add_up_to_the_whole(void)
{
    monitor *m = opened(1);
    monitor_sum sum;
    double stages = 0;
    srand(7);
    for (int i = 0; i < 1000; i++) {
        call_record c = record(embed, 200, 0, 0);
        c.times.at[0] = 10 * S;
        for (int s = 1; s <= STAGES; s++) c.times.at[s] = c.times.at[s - 1] + rand() % (20 * MS);
        monitor_ended(m, 0, &c);
    }
    end(m, embed, 429, 20 * S, MS); /* was never computed: no stage hears of it */
    monitor_add_up(m, &sum);
    for (int s = 0; s < STAGES; s++) {
        int64_t n = 0;
        for (int i = 0; i <= MONITOR_EDGES; i++) n += sum.stages[s].count[i];
        CU_ASSERT_EQUAL(n, 1000);
        stages += sum.stages[s].sum_s;
    }
    CU_ASSERT(fabs(stages + 1e-3 - sum.durations[EMBED].sum_s) < 1e-6);
    monitor_close(m);
}

/* ---- lately */

static void windows_hold_what_was_taken(void)
{
    monitor *m = opened(2);
    histogram_sum lately = {0};
    end(m, embed, 200, 100 * S, 10 * MS);
    end(m, embed, 504, 100 * S, 20 * MS);
    end(m, embed, 0, 100 * S, 300 * MS); /* left when it was late */
    end(m, embed, 0, 100 * S, 5 * MS);   /* left sooner */
    end(m, embed, 429, 100 * S, MS);
    end(m, embed, 503, 100 * S, MS);
    end(m, embed, 400, 100 * S, MS);
    const call_record c = record(embed, 200, 100 * S, 40 * MS);
    monitor_ended(m, 1, &c);
    monitor_window(m, 101 * S, 10, &lately);
    CU_ASSERT_EQUAL(lately.total, 4);
    CU_ASSERT(llabs(histogram_quantile(&lately, 0.25) - 10 * MS) < MS);
    CU_ASSERT(llabs(histogram_quantile(&lately, 0.75) - 40 * MS) < MS);
    lately = (histogram_sum){0};
    monitor_window(m, 111 * S, 10, &lately);
    CU_ASSERT_EQUAL(lately.total, 0);
    monitor_close(m);
}

static void quantiles_are_worked_out_once_a_second(void)
{
    monitor *m = opened(1);
    int64_t took[MONITOR_WINDOWS][MONITOR_QUANTILES];
    for (int i = 1; i <= 1000; i++) end(m, embed, 200, 100 * S, i * MS);
    for (int i = 0; i < 1000; i++) end(m, embed, 200, 200 * S, 2 * MS);
    monitor_lately(m, 200 * S, took);
    static const double share[MONITOR_QUANTILES] = {0.5, 0.9, 0.99, 0.999};
    for (int q = 0; q < MONITOR_QUANTILES; q++) {
        const double whole = share[q] > 0.5 ? (2 * share[q] - 1) * 1e9 : 2e6; /* half of all took 2 ms */
        CU_ASSERT(llabs(took[0][q] - 2 * MS) < MS / 20);
        CU_ASSERT(llabs(took[1][q] - 2 * MS) < MS / 20);
        CU_ASSERT(fabs((double)took[2][q] / whole - 1) < 0.02);
    }
    for (int i = 0; i < 9000; i++) end(m, embed, 200, 200 * S + 1, 50 * MS);
    monitor_lately(m, 200 * S + 2, took);
    CU_ASSERT(llabs(took[0][0] - 2 * MS) < MS / 20); /* still of this second */
    monitor_lately(m, 201 * S, took);
    CU_ASSERT(llabs(took[0][0] - 50 * MS) < MS);
    monitor_close(m);
}

static void each_second_keeps_its_slowest(void)
{
    monitor *m = opened(2);
    monitor_slow slow[MONITOR_SLOWEST];
    for (int second = 1000; second < 1100; second++) {
        for (int i = 0; i < 5; i++) {
            call_record c = record(embed, 200, second * S + i, (10 + (i * 2 + second) % 5) * MS);
            snprintf(c.request_id, sizeof c.request_id, "%d-%d", second, (int)((i * 2 + second) % 5));
            monitor_ended(m, i % 2, &c);
        }
    }
    end(m, embed, 429, 1099 * S + 9, 100 * MS); /* refused, however slowly */
    CU_ASSERT_EQUAL_FATAL(monitor_slowest(m, 1099 * S + 10, slow, MONITOR_SLOWEST), MONITOR_SLOWEST);
    for (int i = 0; i < MONITOR_SLOWEST; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d-4", 1099 - i);
        CU_ASSERT_STRING_EQUAL(slow[i].record.request_id, id);
        CU_ASSERT_EQUAL(slow[i].ended_ns / S, 1099 - i);
        CU_ASSERT_EQUAL(stage_ns(&slow[i].record.times, STAGE_COMPUTE), 14 * MS);
    }
    CU_ASSERT_EQUAL(monitor_slowest(m, 1099 * S + 10, slow, 3), 3);
    CU_ASSERT_EQUAL(monitor_slowest(m, 1109 * S, slow, MONITOR_SLOWEST), MONITOR_SLOWEST - 10);
    CU_ASSERT_EQUAL(monitor_slowest(m, 1159 * S, slow, MONITOR_SLOWEST), 0);
    monitor_close(m);
}

/* ---- the SLO over time */

static void many(monitor *m, int code, int n, int64_t now_ns)
{
    for (int i = 0; i < n; i++) end(m, embed, code, now_ns, MS);
}

static void burn_is_the_share_of_bad_over_what_is_allowed(void)
{
    monitor *m = opened(1);
    double burn[MONITOR_BURN_WINDOWS];
    int64_t second = 1000;
    monitor_tick(m, second * S);
    monitor_burn(m, burn);
    for (int i = 0; i < MONITOR_BURN_WINDOWS; i++) CU_ASSERT_EQUAL(burn[i], 0);
    for (int64_t end_s = second + 7200; second < end_s; monitor_tick(m, ++second * S)) many(m, 200, 1, second * S);
    for (int64_t end_s = second + 600; second < end_s; monitor_tick(m, ++second * S))
        many(m, second % 10 ? 200 : 500, 1, second * S);
    monitor_burn(m, burn);
    CU_ASSERT(fabs(burn[0] - 10) < 0.5);                 /* one in ten, where one in a hundred may be */
    CU_ASSERT(fabs(burn[1] - 10.0 / 6) < 0.1);           /* 60 of 3,600 */
    CU_ASSERT(fabs(burn[2] - 100 * 60.0 / 7800) < 0.05); /* of all there was */
    for (int64_t end_s = second + 6 * 3600 + 20; second < end_s; monitor_tick(m, ++second * S))
        many(m, 200, second % 100 == 0, second * S);
    monitor_burn(m, burn);
    for (int i = 0; i < MONITOR_BURN_WINDOWS; i++) CU_ASSERT_EQUAL(burn[i], 0);
    monitor_close(m);
}

static void offered_is_what_came_in_the_last_seconds(void)
{
    monitor *m = opened(1);
    CU_ASSERT_EQUAL(monitor_offered_per_s(m), 0);
    int64_t second = 1000;
    monitor_tick(m, second * S);
    for (; second < 1100; monitor_tick(m, ++second * S)) {
        many(m, 200, 30, second * S); /* ten tokens each */
        many(m, 429, 20, second * S);
        many(m, 422, 10, second * S);
    }
    CU_ASSERT(fabs(monitor_offered_per_s(m) - 500) < 1e-6);
    for (; second < 1121; second++) monitor_tick(m, (second + 1) * S);
    CU_ASSERT_EQUAL(monitor_offered_per_s(m), 0);
    monitor_close(m);
}

/* ---- threads */

enum { LOOPS = 3, REQUESTS = 20000 };
typedef struct {
    monitor *m;
    int loop;
} loop_thread;

static void *run_loop(void *arg)
{
    const loop_thread *l = arg;
    for (int i = 0; i < REQUESTS; i++) {
        call_record c = record(embed, i % 4 ? 200 : 429, 1000 * S + i * (S / 1000), MS + i % 7 * MS);
        snprintf(c.request_id, sizeof c.request_id, "%d", l->loop);
        monitor_ended(l->m, l->loop, &c);
    }
    return NULL;
}

static atomic_bool done;
static void *read_all(void *arg)
{
    monitor *m = arg;
    static monitor_sum sum;
    static monitor_slow slow[MONITOR_SLOWEST];
    int64_t before = 0, backwards = 0, torn = 0;
    for (int64_t second = 1000; !atomic_load(&done); second++) {
        monitor_tick(m, second * S);
        monitor_add_up(m, &sum);
        backwards += sum.good + sum.bad < before;
        before = sum.good + sum.bad;
        for (int n = monitor_slowest(m, 1010 * S, slow, MONITOR_SLOWEST), i = 0; i < n; i++)
            torn += slow[i].ended_ns != slow[i].record.times.at[STAGES];
    }
    CU_ASSERT_EQUAL(backwards, 0);
    CU_ASSERT_EQUAL(torn, 0);
    return NULL;
}

static void loops_and_readers_do_not_meet(void)
{
    monitor *m = opened(LOOPS);
    monitor_sum sum;
    pthread_t loop[LOOPS], reader;
    loop_thread arg[LOOPS];
    atomic_store(&done, false);
    pthread_create(&reader, NULL, read_all, m);
    for (int i = 0; i < LOOPS; i++) {
        arg[i] = (loop_thread){m, i};
        pthread_create(&loop[i], NULL, run_loop, &arg[i]);
    }
    for (int i = 0; i < LOOPS; i++) pthread_join(loop[i], NULL);
    atomic_store(&done, true);
    pthread_join(reader, NULL);
    monitor_add_up(m, &sum);
    CU_ASSERT_EQUAL(sum.good, LOOPS * REQUESTS / 4 * 3);
    CU_ASSERT_EQUAL(sum.bad, LOOPS * REQUESTS / 4);
    CU_ASSERT_EQUAL(sum.requests[EMBED][code_index(429)], LOOPS * REQUESTS / 4);
    CU_ASSERT_EQUAL(sum.tokens, LOOPS * REQUESTS / 4 * 3 * 10);
    monitor_close(m);
}

static void what_cannot_be_judged_is_refused(void)
{
    static route many_posts[MONITOR_ENDPOINTS_MAX];
    for (int i = 0; i < MONITOR_ENDPOINTS_MAX; i++) many_posts[i] = *embed;
    const monitor_options good = {.loops = 1,
                                  .objective_ns = 1,
                                  .objective_ratio = 0.5,
                                  .routes = many_posts,
                                  .n_routes = MONITOR_ENDPOINTS_MAX - 1,
                                  .computes = is_embed};
    monitor_options bad[6];
    for (int i = 0; i < 6; i++) bad[i] = good;
    bad[0].loops = 0;
    bad[1].objective_ns = 0;
    bad[2].objective_ratio = 0;
    bad[3].objective_ratio = 1;
    bad[4].objective_ratio = NAN;
    bad[5].n_routes = MONITOR_ENDPOINTS_MAX;
    monitor *m;
    error err;
    for (int i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(monitor_open(&m, bad[i], &err), BAD_INPUT);
        CU_ASSERT_PTR_NULL(m);
    }
    CU_ASSERT_EQUAL(monitor_open(&m, good, &err), OK);
    monitor_close(m);
    monitor_close(NULL);
}

void monitor_suite(CU_pSuite s)
{
    CU_add_test(s, "each end of a request has one reason and one verdict", each_end_has_one_verdict);
    CU_add_test(s, "the SLO is about routes that compute", the_slo_is_about_what_computes);
    CU_add_test(s, "endpoints are the POST routes, and one for all others", endpoints_are_post_routes_and_the_rest);
    CU_add_test(s, "tokens are accepted or shed, and completed", tokens_are_offered_completed_or_shed);
    CU_add_test(s, "sizes are counted by powers of two", sizes_are_counted_by_powers_of_two);
    CU_add_test(s, "the edges grow by half and hold the objective once", edges_hold_the_objective);
    CU_add_test(s, "what takes as long as an edge is within it", an_edge_belongs_to_what_is_below_it);
    CU_add_test(s, "the stages add up to the whole", stages_add_up_to_the_whole);
    CU_add_test(s, "windows hold what was taken, not what was refused", windows_hold_what_was_taken);
    CU_add_test(s, "quantiles of the windows are worked out once a second", quantiles_are_worked_out_once_a_second);
    CU_add_test(s, "each second keeps its slowest request with its stages", each_second_keeps_its_slowest);
    CU_add_test(s, "the burn rate is the share of bad over the share allowed, in each window",
                burn_is_the_share_of_bad_over_what_is_allowed);
    CU_add_test(s, "offered load is what came in the last seconds, accepted or not",
                offered_is_what_came_in_the_last_seconds);
    CU_add_test(s, "loops write and others read without losing a number", loops_and_readers_do_not_meet);
    CU_add_test(s, "an SLO that cannot be judged is refused", what_cannot_be_judged_is_refused);
}
