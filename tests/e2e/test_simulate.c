/* The simulator against the real server: the same schedule and the same texts, once through the real program on a
 * device whose times are known exactly, once through the simulation.
 *
 *   t(T) = 20 ms + 0.2 ms a token; batches of at most 512 tokens: 122.4 ms, so 120 requests/s of 35 tokens each
 *
 * A slow device, so that what a busy machine adds is small beside it: a millisecond or two where a thread waits for its
 * core.  Noise only ever makes the real one slower: a rate
 * counts when one of its tries agrees. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench/load_run.h"
#include "bench/simulation_plan.h"
#include "tests/support/client.h"
#include "tests/support/server.h"
#include "tests/support/tiny_model.h"

enum { MS = 1000000, BASE_NS = 20 * MS, TOKEN_NS = 200000, BATCH_TOKENS = 512, WORDS = 100, OBJECTIVE_MS = 300 };
enum { TRIES = 3, SEED = 11 };
static const int lengths[] = {8, 60, 21, 33, 47, 12, 55, 40, 29, 36, 60, 18};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static char *folder;
static server_process server;
static simulation_question question;

/* file NULL: without a calibration. */
static void start_server(const char *file)
{
    const char *const options[] = {
        "--backend",           "cuda",  "--batch-tokens",           "512", "--max-wait", "1s", "--slo", "p99=300ms",
        "--batch-deadline-ms", "60000", file ? "--capacity" : NULL, file,  NULL};
    CU_ASSERT_TRUE_FATAL(server_start(&server, folder, options));
}

static void make_model(void)
{
    static const char *const variables[] = {"LD_LIBRARY_PATH=" BEELINE_SLEEPING_DIR,
                                            "SLEEPING_DEVICE=base_us=20000,token_ns=200000,sequence_ns=0,slots=3",
                                            NULL};
    char text[WORDS * 12] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    server_environment(variables);
    folder = tiny_folder_make();
    tiny_model_write(folder, (tiny_model){.words = WORDS, .pooling = "mean_tokens", .normalize = 1});
    for (int i = 5; i < WORDS; i++) sprintf(text + strlen(text), "word%d\n", i); /* any other word is one token */
    tiny_file_text(folder, "vocab.txt", text);
}

static void copy(char *to, size_t cap, const cJSON *info, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(info, name));
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    snprintf(to, cap, "%s", text);
}

/* The device as it is; the host's costs as a calibration of this model comes to, microseconds. */
static capacity machine(void)
{
    capacity c = {.build = "0.1.0",
                  .made_at = "2026-11-25T00:00:00Z",
                  .model = "tiny",
                  .parse_per_kib = {5000, 0},
                  .tokenize_per_token = {50, 0},
                  .row_json = {2000, 0},
                  .row_base64 = {1000, 0},
                  .row_binary = {100, 0},
                  .objective_ms = OBJECTIVE_MS,
                  .objective_ratio = 0.99};
    c.service.n = 2;
    c.service.row[0] = (service_row){16, 1, BASE_NS + 16 * TOKEN_NS, 0};
    c.service.row[1] = (service_row){BATCH_TOKENS, 1, BASE_NS + BATCH_TOKENS * TOKEN_NS, 0};
    return c;
}

/* Whose it is, the server says. */
static void read_info(capacity *c)
{
    client k;
    const client_reply r = client_ask(&k, server.port, "GET /info HTTP/1.1\r\nhost: localhost\r\n\r\n");
    cJSON *info = cJSON_Parse(r.body);
    CU_ASSERT_PTR_NOT_NULL_FATAL(info);
    copy(c->digest, sizeof c->digest, info, "digest");
    copy(c->backend, sizeof c->backend, info, "backend");
    copy(c->device, sizeof c->device, info, "device");
    copy(c->precision, sizeof c->precision, info, "precision");
    cJSON_Delete(info);
    client_close(&k);
}

/* The server and the simulator read the same file. */
static void start_calibrated(capacity *c)
{
    capacity stated = machine();
    error err;
    make_model();
    start_server(NULL);
    read_info(&stated);
    CU_ASSERT_EQUAL_FATAL(server_end(&server, SIGTERM), 0);
    char *file = tiny_path(folder, "capacity.json");
    CU_ASSERT_EQUAL_FATAL(capacity_save(&stated, file, &err), OK);
    start_server(file);
    CU_ASSERT_EQUAL_FATAL(capacity_read(c, file, &err), OK);
    free(file);
}

static void ask(const capacity *c)
{
    question = (simulation_question){.ratio = c->objective_ratio};
    question.mix = (simulation_mix){.arrivals = LOAD_POISSON,
                                    .lengths = lengths,
                                    .n_lengths = LENGTHS,
                                    .inputs = 1,
                                    .longest = 64,
                                    .length_factor = 1,
                                    .seed = SEED};
    simulation_input *in = &question.input;
    simulation_machine(in, c, &c->row_json);
    in->host.threads = 1;
    in->objective_ns = (int64_t)OBJECTIVE_MS * MS;
    in->limits = (policy_limits){.objective_ns = in->objective_ns,
                                 .max_wait_ns = 1000 * MS,
                                 .batch_tokens = BATCH_TOKENS,
                                 .batch_sequences = 256,
                                 .longest = 64,
                                 .executors = 1,
                                 .max_requests = 4096};
}

static double find_knee(void)
{
    double knee = 0;
    error err;
    simulation_question q = question;
    q.mix.duration_ns = 30000000000;
    q.least_requests = 50000;
    CU_ASSERT_EQUAL_FATAL(simulation_highest(&knee, &q, 1, &err), OK);
    return knee;
}

typedef struct {
    double p50_ms, p99_ms;
} times;

static times times_of(const load_latency *l)
{
    return (times){(double)histogram_quantile(&l->sum, 0.5) * 1e-6, (double)histogram_quantile(&l->sum, 0.99) * 1e-6};
}

static times simulate(double rate, int64_t duration_ns)
{
    static simulation_figures f;
    error err;
    simulation_question q = question;
    q.mix.duration_ns = duration_ns;
    CU_ASSERT_EQUAL_FATAL(simulation_try(&f, &q, rate, 1, &err), OK);
    CU_ASSERT_EQUAL(f.answered, f.due);
    return times_of(&f.latency);
}

static times measure(double rate, int64_t duration_ns)
{
    static load_plan plan;
    static load_latency intended, service;
    char url[64];
    error err;
    load_outcome run;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/embed", server.port);
    const bench_options words = {.target = url, .connections = "512", .warmup = "0"};
    CU_ASSERT_EQUAL_FATAL(load_plan_read(&plan, &words, &err), OK);
    memcpy(plan.lengths, lengths, sizeof lengths);
    plan.n_lengths = LENGTHS;
    plan.rate = rate;
    plan.duration_ns = duration_ns;
    plan.seed = SEED;
    CU_ASSERT_EQUAL_FATAL(load_run(&run, &plan, &err), OK);
    load_served(&intended, &service, run.tally);
    CU_ASSERT_EQUAL(load_errors(run.tally), 0);
    CU_ASSERT_EQUAL((int)intended.sum.total, run.due); /* nobody was refused */
    load_outcome_close(&run);
    return times_of(&intended);
}

/* Where that is allowed, before whatever else runs on the machine, with all that it starts: a thread that waits for a
 * core is no part of the model. */
static void hurry(int policy)
{
    const struct sched_param p = {.sched_priority = policy == SCHED_FIFO ? 1 : 0};
    (void)sched_setscheduler(0, policy, &p);
}

static bool agree(times simulated, times measured)
{
    return fabs(simulated.p50_ms / measured.p50_ms - 1) <= 0.10 && fabs(simulated.p99_ms / measured.p99_ms - 1) <= 0.15;
}

static void the_server_is_as_simulated(void)
{
    static const struct {
        int percent, requests;
    } rows[] = {{20, 300}, {50, 500}, {70, 600}, {85, 700}};
    if (*BEELINE_SANITIZED) return; /* ten times the host */
    capacity c;
    hurry(SCHED_FIFO);
    start_calibrated(&c);
    ask(&c);
    const double knee = find_knee();
    CU_ASSERT_TRUE(knee > 80 && knee < 125);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const double rate = knee * rows[i].percent / 100;
        const int64_t duration_ns = (int64_t)(rows[i].requests / rate * 1e9);
        const times simulated = simulate(rate, duration_ns);
        bool agreed = false;
        for (int try = 0; try < TRIES && !agreed; try++) {
            const times measured = measure(rate, duration_ns);
            agreed = agree(simulated, measured);
            if (!agreed)
                fprintf(stderr, "%d %% of %.0f/s: p50 %.2f ms simulated, %.2f measured; p99 %.2f, %.2f\n",
                        rows[i].percent, knee, simulated.p50_ms, measured.p50_ms, simulated.p99_ms, measured.p99_ms);
        }
        CU_ASSERT_TRUE(agreed);
    }
    CU_ASSERT_EQUAL(server_end(&server, SIGTERM), 0);
    hurry(SCHED_OTHER);
    server_environment(NULL);
    tiny_folder_remove(folder);
}

/* ---- the command ---- */

/* NULL-ended words after `simulate --capacity FILE --json FILE`; the exit status, and the report, the caller's. */
static int command(const capacity *c, const char *const *words, cJSON **said)
{
    const char *argv[24] = {BEELINE_BENCH, "simulate", "--capacity", NULL, "--json", NULL};
    error err;
    size_t n;
    int how = 0, at = 6;
    folder = tiny_folder_make();
    char *machine_file = tiny_path(folder, "capacity.json"), *json = tiny_path(folder, "report.json");
    CU_ASSERT_EQUAL_FATAL(capacity_save(c, machine_file, &err), OK);
    tiny_file_text(folder, "report.json", "null");
    argv[3] = machine_file;
    argv[5] = json;
    while (*words) argv[at++] = *words++;
    const pid_t pid = fork();
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(126);
        execv(BEELINE_BENCH, (char **)(size_t)argv);
        _exit(127);
    }
    waitpid(pid, &how, 0);
    char *text = tiny_file_read(folder, "report.json", &n);
    *said = cJSON_Parse(text);
    free(text);
    free(machine_file);
    free(json);
    tiny_folder_remove(folder);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

static double figure(const cJSON *said, const char *table, const char *name, const char *key)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(said, "rows"))
    {
        const char *t = cJSON_GetStringValue(cJSON_GetObjectItem(row, "table"));
        const char *n = cJSON_GetStringValue(cJSON_GetObjectItem(row, "name"));
        if (!strcmp(t, table) && !strcmp(n, name)) return cJSON_GetNumberValue(cJSON_GetObjectItem(row, key));
    }
    return NAN;
}

/* Of a machine that carries some 100 requests/s. */
static void the_command_says_how_many_and_what_they_cost(void)
{
    static const char *const range[] = {"--rate", "250", "--tokens", "35", "--replicas", "1..8", "--price", "2", NULL};
    static const char *const plan[] = {"--plan", "10k/s", "--tokens", "35", "--zones", "3", "--price", "2", NULL};
    capacity c = machine();
    cJSON *said;
    strcpy(c.backend, "cuda");
    CU_ASSERT_EQUAL(command(&c, range, &said), 0);
    CU_ASSERT_EQUAL(figure(said, "simulated replicas", "3", "holds"), 1);
    CU_ASSERT_EQUAL(figure(said, "simulated replicas", "2", "holds"), 0);
    CU_ASSERT_EQUAL(figure(said, "simulated", "3 replicas", "holds"), 1);
    CU_ASSERT_DOUBLE_EQUAL(figure(said, "simulated fleet", "in use", "replica_hours"), 3 * 10 / 3600.0, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(figure(said, "simulated fleet", "in use", "cost_per_million"),
                           2 * 3 * 10 / 3600.0 * 1e6 / figure(said, "simulated latency, ms", "answered", "n"), 1e-6);
    CU_ASSERT_TRUE(figure(said, "simulated with one input moved", "service time +10 %", "highest_per_s") <
                   figure(said, "simulated with one input moved", "service time -10 %", "highest_per_s"));
    cJSON_Delete(said);
    CU_ASSERT_EQUAL(command(&c, plan, &said), 0);
    const double each = figure(said, "plan", "none may be lost", "per_replica_per_s"),
                 least = figure(said, "plan", "none may be lost", "replicas"),
                 all = figure(said, "plan", "one of 3 zones may be lost", "replicas");
    CU_ASSERT_TRUE(each > 80 && each < 125);
    CU_ASSERT_EQUAL(least, ceil(10000 / each));
    CU_ASSERT_TRUE(all - ceil(all / 3) >= least && all <= 1.5 * least + 2);
    CU_ASSERT_DOUBLE_EQUAL(figure(said, "plan", "none may be lost", "cost_per_day"), least * 2 * 24, 1e-6);
    CU_ASSERT_TRUE(figure(said, "plan wires", "JSON", "out_gbit_per_s") >
                   figure(said, "plan wires", "binary float32", "out_gbit_per_s"));
    cJSON_Delete(said);
}

static void it_ends_with_what_became_of_the_objective(void)
{
    static const char *const slow[] = {"--rate", "250", "--tokens", "35", NULL};
    static const char *const unknown[] = {"--rate", "250", "--slo", "fast", NULL};
    static const char *const beyond[] = {"--rate", "2k", "--tokens", "35", "--batch-tokens", "700", NULL};
    capacity c = machine();
    cJSON *said;
    strcpy(c.backend, "cuda");
    CU_ASSERT_EQUAL(command(&c, slow, &said), 1);
    CU_ASSERT_EQUAL(figure(said, "simulated", "1 replica", "holds"), 0);
    cJSON_Delete(said);
    CU_ASSERT_EQUAL(command(&c, unknown, &said), 2);
    cJSON_Delete(said);
    CU_ASSERT_EQUAL(command(&c, beyond, &said), 2); /* 512 were measured */
    CU_ASSERT_TRUE(isnan(figure(said, "simulated", "1 replica", "holds")));
    cJSON_Delete(said);
}

void simulate_suite(CU_pSuite s)
{
    CU_add_test(s, "the command says how many are needed, what they cost and what goes over the wires",
                the_command_says_how_many_and_what_they_cost);
    CU_add_test(s, "it exits 0 where the objective holds, 1 where not, 2 where nobody can say",
                it_ends_with_what_became_of_the_objective);
    CU_add_test(s, "at 20, 50, 70 and 85 % of the knee p50 is within 10 % and p99 within 15 % of the simulated",
                the_server_is_as_simulated);
}
