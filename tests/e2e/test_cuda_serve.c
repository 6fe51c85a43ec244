/* test_cuda_serve.c - the real program on a GPU that is the fake one: loaded as the real one is, real sockets, the real
 * model; and what becomes of a server whose GPU is missing, broken, silent or wrong.
 *
 * At which launch a fault strikes is counted on the same model in this process, where nothing else uses the fake. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/serve/engine.h"
#include "tests/fake_cuda/fake_cuda.h"
#include "tests/support/client.h"
#include "tests/support/server.h"
#include "tests/support/tiny_model.h"

enum { DIMENSIONS = 384, TEXTS = 6, TINY_TOKENS = 16, TINY_SEQUENCES = 8 /* as add_words() says */ };

extern const backend_ops beeline_backend; /* of the CUDA backend that this program is linked with */

/* Every start from here on: this device. */
static void on_fake(const char *settings)
{
    static char fake[512];
    static const char *const variables[] = {"LD_LIBRARY_PATH=" BEELINE_FAKE_DIR, fake, NULL};
    snprintf(fake, sizeof fake, "FAKE_CUDA=%s", settings);
    server_environment(variables);
}

static client_reply post_embed(client *c, int port, const char *body)
{
    char text[8192];
    snprintf(text, sizeof text,
             "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
             strlen(body), body);
    return client_ask(c, port, text);
}

static void says_info(int port, const char *name, const char *precision)
{
    client c;
    client_reply r = client_ask(&c, port, "GET /info HTTP/1.1\r\nhost: x\r\n\r\n");
    cJSON *info = cJSON_Parse(r.body);
    CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(cJSON_GetObjectItem(info, "backend")), name);
    CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(cJSON_GetObjectItem(info, "precision")), precision);
    CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(cJSON_GetObjectItem(info, "model_dtype")), precision);
    CU_ASSERT_EQUAL(strstr(cJSON_GetStringValue(cJSON_GetObjectItem(info, "device")), "fake device") != NULL,
                    !strcmp(name, "cuda"));
    cJSON_Delete(info);
    client_close(&c);
}

/* ---- the real model ---- */

static double least_cosine(const cJSON *rows, FILE *reference)
{
    double least = 1;
    for (const cJSON *row = rows->child; row; row = row->next) {
        float want[DIMENSIONS];
        CU_ASSERT_EQUAL_FATAL(fread(want, sizeof *want, DIMENSIONS, reference), DIMENSIONS);
        CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(row), DIMENSIONS);
        double xy = 0, xx = 0, yy = 0;
        int i = 0;
        for (const cJSON *v = row->child; v; v = v->next, i++) {
            xy += v->valuedouble * (double)want[i];
            xx += v->valuedouble * v->valuedouble;
            yy += (double)want[i] * (double)want[i];
        }
        const double seen = xy / sqrt(xx * yy);
        if (!(seen >= least)) least = seen;
    }
    return least;
}

static void the_real_model_is_served(void)
{
    static const char *const words[] = {"--backend", "cuda", "--batch-tokens", "256", "--batch-sequences", "16",
                                        "--cache-dir", "", "--batch-deadline-ms", "600000", NULL};
    FILE *texts = fopen(BEELINE_SOURCE_DIR "/tests/golden/data/minilm_reference.jsonl", "r");
    FILE *reference = fopen(BEELINE_SOURCE_DIR "/tests/golden/data/minilm_reference.f32", "rb");
    char *line = NULL;
    size_t space = 0;
    server_process s;
    CU_ASSERT_FATAL(texts && reference);
    cJSON *body = cJSON_CreateObject(), *inputs = cJSON_AddArrayToObject(body, "inputs");
    for (int i = 0; i < TEXTS && getline(&line, &space, texts) > 0; i++) {
        cJSON *one = cJSON_Parse(line);
        cJSON_AddItemToArray(inputs, cJSON_Duplicate(cJSON_GetObjectItem(one, "text"), 1));
        cJSON_Delete(one);
    }
    char *text = cJSON_PrintUnformatted(body);
    on_fake("leaks=fatal");
    CU_ASSERT_TRUE_FATAL(server_start(&s, SERVER_MODEL, words));
    says_info(s.port, "cuda", "float16");
    client c;
    client_reply r = post_embed(&c, s.port, text);
    CU_ASSERT_EQUAL(r.status, 200);
    cJSON *rows = cJSON_Parse(r.body);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(rows), TEXTS);
    CU_ASSERT(least_cosine(rows, reference) >= 0.9999);
    client_close(&c);
    CU_ASSERT_EQUAL(server_end(&s, SIGTERM), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.log, "6 sequences, 247 tokens on the fp32 CPU in"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.log, "cuda on fake device"));
    cJSON_Delete(rows);
    cJSON_Delete(body);
    free(text);
    free(line);
    fclose(texts);
    fclose(reference);
}

/* ---- a tiny one, for what goes wrong: of 16 positions, so that a start has one size of batch to time ---- */

static char *tiny_make(void)
{
    char *folder = tiny_folder_make();
    tiny_model_write(folder, (tiny_model){.hidden = 64, .heads = 2, .inner = 128, .positions = 16,
                                          .pooling = "mean_tokens", .normalize = 1});
    return folder;
}

enum { WORDS = 16 };

/* A batch takes milliseconds, under sanitizers some hundred; no machine is so busy that PATIENT would end it. */
static const char PATIENT[] = "600000", QUICK[] = "1500", QUICK_SANITIZED[] = "5000";

static void add_words(const char *words[WORDS], int n, const char *folder, const char *device, const char *deadline_ms)
{
    const char *const all[] = {"--backend", device, "--batch-tokens", "16", "--batch-sequences", "8", "--cache-dir",
                               folder, "--batch-deadline-ms", deadline_ms, NULL};
    memcpy(words + n, all, sizeof all);
}

static bool start_tiny(server_process *s, const char *folder, const char *settings, const char *device)
{
    static char state[300];
    const char *words[WORDS] = {"--state", state}, *quick = *BEELINE_SANITIZED ? QUICK_SANITIZED : QUICK;
    snprintf(state, sizeof state, "%s/state", folder);
    add_words(words, 2, folder, device, strstr(settings, "hang=") ? quick : PATIENT);
    on_fake(settings);
    return server_start(s, folder, words);
}

/* Calls of a start: up to the moment before the first request.  A start that has nothing to time makes the same ones
 * each time, so the first ones only leave their choices beside the model. */
static long calls_of_start(const char *folder, const char *call)
{
    const engine_options o = {.batch_tokens = TINY_TOKENS, .batch_sequences = TINY_SEQUENCES, .backend = ENGINE_CUDA,
                              .cache_dir = folder, .cuda = &beeline_backend};
    long timed = 1, n = 0;
    for (int starts = 0; timed && starts < 20; starts++) {
        engine *e;
        error err;
        fake_cuda_reset();
        CU_ASSERT_EQUAL_FATAL(engine_open(&e, folder, o, &err), OK);
        timed = fake_cuda_calls("cudaEventElapsedTime");
        n = fake_cuda_calls(call);
        engine_close(e);
    }
    CU_ASSERT_EQUAL(timed, 0);
    return n;
}

/* Refused to start with this code, for a reason that says `part`. */
static void refused(const char *folder, const char *settings, const char *device, int code, const char *part)
{
    static char text[1 << 16];
    const char *words[WORDS] = {"serve", folder, "--listen", "127.0.0.1:0"};
    add_words(words, 4, folder, device, PATIENT);
    on_fake(settings);
    const int seen = server_command(words, NULL, text, sizeof text);
    if (seen != code || !strstr(text, part)) printf("\n    %s, %s: %d %s", settings, device, seen, text);
    CU_ASSERT_EQUAL(seen, code);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
}

static void without_a_gpu(void)
{
    static const struct { const char *device, *why; } rows[] = {{"device=none", "no CUDA driver is installed"},
                                                                {"device=absent", "but no GPU"}};
    char *folder = tiny_make();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        server_process s;
        CU_ASSERT_TRUE_FATAL(start_tiny(&s, folder, rows[i].device, "auto"));
        says_info(s.port, "cpu", "float32");
        CU_ASSERT_EQUAL(server_end(&s, SIGTERM), 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(s.log, "cpu, as there is no GPU to use"));
        CU_ASSERT_PTR_NOT_NULL(strstr(s.log, rows[i].why));
        refused(folder, rows[i].device, "cuda", 71, rows[i].why);
    }
    refused(folder, "device=old", "auto", 71, "the CUDA driver is for");
    tiny_folder_remove(folder);
}

static void a_gpu_that_fails_at_start(void)
{
    static const struct { const char *settings; int code; const char *part; } rows[] = {
        {"device=broken", 71, "999"},
        {"memory=100000", 1, "MiB for"},
        {"fail=cudaMallocHost:1:2", 1, "pinned memory"},
        {"fail=cublasLtCreate:1:1", 71, "cuBLASLt"},
        {"fail=cudaGraphLaunch:1:719", 71, "cudaGraphLaunch: 719"},
        {"wrong=1", 1, "wrong numbers: cosine"},
    };
    char *folder = tiny_make();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        refused(folder, rows[i].settings, "auto", rows[i].code, rows[i].part);
        refused(folder, rows[i].settings, "cuda", rows[i].code, rows[i].part);
    }
    tiny_folder_remove(folder);
}

/* ---- while it serves ---- */

static const char one_text[] = "{\"inputs\":\"wordaaa wordaab\"}",
                  four_texts[] = "{\"inputs\":[\"wordaaa\",\"wordaab wordaac\",\"wordaad\",\"wordaae\"]}";

static int asked(int port, const char *body, char text[512])
{
    client c;
    char value[32];
    client_reply r = post_embed(&c, port, body);
    snprintf(text, 512, "%.511s", r.status ? r.body : "");
    if (r.status == 503) CU_ASSERT_TRUE(client_field(&r, "retry-after", value, sizeof value));
    client_close(&c);
    return r.status;
}

/* What the next process, and whoever is called, is told of it: an incident, and how this process ended. */
static void leaves_an_incident(const char *folder, const char *cause, const char *part)
{
    char path[400], *text = NULL;
    size_t n;
    snprintf(path, sizeof path, "%s/state/incidents", folder);
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (strstr(e->d_name, cause)) {
            free(text);
            text = tiny_file_read(path, e->d_name, &n);
        }
    if (d) closedir(d);
    cJSON *incident = cJSON_Parse(text ? text : "");
    const char *summary = cJSON_GetStringValue(cJSON_GetObjectItem(incident, "summary"));
    CU_ASSERT_PTR_NOT_NULL(summary);
    if (cJSON_GetNumberValue(cJSON_GetObjectItem(incident, "count")) == 1) /* later ones are counted in it */
        CU_ASSERT_PTR_NOT_NULL(strstr(summary ? summary : "", part));
    cJSON_Delete(incident);
    free(text);
    snprintf(path, sizeof path, "%s/state", folder);
    text = tiny_file_read(path, "exits.json", &n);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, strcmp(cause, "gpu_fault") ? "\"gpu_hang\":" : "\"gpu_fault\":"));
    free(text);
}

/* The first request is answered, one of the next ones is not, with the words `part`; nobody gets a 200 after that; the
 * process ends with 70 and has said why once. */
static void dies(const char *folder, const char *settings, const char *part)
{
    server_process s;
    client idle;
    char text[512];
    CU_ASSERT_TRUE_FATAL(start_tiny(&s, folder, settings, "cuda"));
    CU_ASSERT_EQUAL(asked(s.port, one_text, text), 200);
    CU_ASSERT_TRUE(client_open(&idle, s.port)); /* one that asks nothing holds nobody up */
    int code = 200;
    for (int more = 0; code == 200 && more < 50; more++) code = asked(s.port, one_text, text);
    CU_ASSERT_EQUAL(code, 503);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, part));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "Unhealthy"));
    CU_ASSERT_NOT_EQUAL(asked(s.port, one_text, text), 200);
    CU_ASSERT_EQUAL(server_end(&s, 0), 70);
    client_close(&idle);
    const char *line = strstr(s.log, "\"device_lost\"");
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, part));
    CU_ASSERT_PTR_NULL(strstr(line + 1, "\"device_lost\""));
    if (!strstr(line, part)) printf("\n    %s: %s", settings, line);
    leaves_an_incident(folder, strstr(settings, "hang=") ? "stalled_executor" : "gpu_fault", part);
}

static void a_sticky_error_ends_the_process(void)
{
    static const struct { const char *how; int code; } rows[] = {{"late", 700}, {"late", 214}, {"late", 220},
                                                                 {"fail", 719}};
    char *folder = tiny_make(), settings[128], part[32];
    const long launches = calls_of_start(folder, "cudaGraphLaunch");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(settings, sizeof settings, "%s=cudaGraphLaunch:%ld:%d", rows[i].how, launches + 3, rows[i].code);
        snprintf(part, sizeof part, ": %d ", rows[i].code);
        dies(folder, settings, part);
    }
    tiny_folder_remove(folder);
}

static void a_hang_ends_the_process(void)
{
    char *folder = tiny_make(), settings[128];
    snprintf(settings, sizeof settings, "hang=work:%ld", calls_of_start(folder, "work") + 10);
    dies(folder, settings, "is not done after");
    snprintf(settings, sizeof settings, "hang=cudaGraphLaunch:%ld", calls_of_start(folder, "cudaGraphLaunch") + 2);
    dies(folder, settings, "a call has not returned");
    tiny_folder_remove(folder);
}

static void a_signal_during_a_hang(void)
{
    char *folder = tiny_make(), settings[128], text[512];
    server_process s;
    client waiting[3];
    snprintf(settings, sizeof settings, "hang=cudaGraphLaunch:%ld", calls_of_start(folder, "cudaGraphLaunch") + 1);
    CU_ASSERT_TRUE_FATAL(start_tiny(&s, folder, settings, "cuda"));
    snprintf(text, sizeof text, "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
             "content-length: %zu\r\n\r\n%s", strlen(one_text), one_text);
    for (int i = 0; i < 3; i++) CU_ASSERT_TRUE(client_open(&waiting[i], s.port) && client_text(&waiting[i], text));
    usleep(100000);
    kill(s.pid, SIGTERM);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(client_read_final(&waiting[i]).status, 503);
        client_close(&waiting[i]);
    }
    CU_ASSERT_EQUAL(server_end(&s, 0), 70);
    tiny_folder_remove(folder);
}

static void a_small_failure_costs_its_batch(void)
{
    char *folder = tiny_make(), settings[256], text[512];
    server_process s;
    const long n = calls_of_start(folder, "cudaGraphLaunch");
    snprintf(settings, sizeof settings,
             "leaks=fatal;fail=cudaGraphLaunch:%ld:2;fail=cudaGraphLaunch:%ld:2;fail=cudaGraphLaunch:%ld:701", n + 1,
             n + 4, n + 6);
    CU_ASSERT_TRUE_FATAL(start_tiny(&s, folder, settings, "cuda"));
    CU_ASSERT_EQUAL(asked(s.port, four_texts, text), 200); /* n + 1 is out of memory, n + 2 and n + 3 are its halves */
    CU_ASSERT_EQUAL(asked(s.port, one_text, text), 503);   /* n + 4, and one sequence has no halves */
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "cudaGraphLaunch: 2 "));
    CU_ASSERT_EQUAL(asked(s.port, one_text, text), 200);
    CU_ASSERT_EQUAL(asked(s.port, one_text, text), 500);   /* n + 6 */
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "cudaGraphLaunch: 701 "));
    CU_ASSERT_EQUAL(asked(s.port, four_texts, text), 200);
    CU_ASSERT_EQUAL(server_end(&s, SIGTERM), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.log, "\"batch_halved\",\"message\":\"4 sequences"));
    CU_ASSERT_PTR_NULL(strstr(s.log, "device_lost"));
    tiny_folder_remove(folder);
}

void cuda_serve_suite(CU_pSuite s)
{
    CU_add_test(s, "the real model through the GPU: reference vectors, /info says so, nothing leaks",
                the_real_model_is_served);
    CU_add_test(s, "G88 no driver, no GPU, an old driver: auto serves on the CPU and says why, or 71", without_a_gpu);
    CU_add_test(s, "G82 G89 G90 G92 G93 a GPU that fails at start is refused, never replaced by the CPU",
                a_gpu_that_fails_at_start);
    CU_add_test(s, "G84 G85 G87 G94 a sticky error, also a late one: its batch 503, no 200 after, exit 70",
                a_sticky_error_ends_the_process);
    CU_add_test(s, "G86 work that never completes, a call that never returns: 503, exit 70", a_hang_ends_the_process);
    CU_add_test(s, "SIGTERM while the device hangs: everyone is answered 503, exit 70", a_signal_during_a_hang);
    CU_add_test(s, "G83 no memory: two halves, then 503; a bad launch: 500; the next is answered",
                a_small_failure_costs_its_batch);
}
