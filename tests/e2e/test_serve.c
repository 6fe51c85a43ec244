/* The real program with the real model over real sockets: what clients see. */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/support/client.h"
#include "tests/support/server.h"

enum { DIMENSIONS = 384 };
static server_process server;
static bool running;

static void be_running(void)
{
    if (!running) running = server_start(&server, SERVER_MODEL, NULL);
    CU_ASSERT_TRUE_FATAL(running);
}

static client_reply post_bytes(client *c, const char *path, const char *body, size_t n, const char *headers)
{
    char *text = malloc(n + 1024);
    int head = snprintf(text, 1024, "POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %zu\r\n%s\r\n", path, n, headers);
    memcpy(text + head, body, n);
    client_reply none = {0};
    be_running();
    bool sent = client_open(c, server.port) && client_send(c, text, (size_t)head + n);
    free(text);
    return sent ? client_read_final(c) : none;
}
#define JSON_TYPE "content-type: application/json\r\n"
static client_reply post(client *c, const char *path, const char *body)
{
    return post_bytes(c, path, body, strlen(body), JSON_TYPE);
}

static client_reply get(client *c, const char *path)
{
    char text[256];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nhost: x\r\n\r\n", path);
    be_running();
    return client_ask(c, server.port, text);
}

static cJSON *parsed(client_reply r) { return r.status ? cJSON_Parse(r.body) : NULL; }

/* Refused with this status, this type, and words that contain `part`. */
static void refused_bytes(const char *path, const char *body, size_t n, const char *headers, int status,
                          const char *type, const char *part)
{
    client c;
    client_reply r = post_bytes(&c, path, body, n, headers);
    cJSON *tree = parsed(r), *e = cJSON_GetObjectItem(tree, "error");
    bool openai = !strncmp(path, "/v1/", 4);
    const char *text = cJSON_GetStringValue(openai ? cJSON_GetObjectItem(e, "message") : e);
    const char *kind =
        cJSON_GetStringValue(openai ? cJSON_GetObjectItem(e, "type") : cJSON_GetObjectItem(tree, "error_type"));
    if (r.status != status || !text || !strstr(text, part) || !kind || strcmp(kind, type))
        fprintf(stderr, "%s %.60s: %d %.200s\n", path, body, r.status, r.body ? r.body : "");
    CU_ASSERT_EQUAL(r.status, status);
    CU_ASSERT_TRUE(kind && !strcmp(kind, type));
    CU_ASSERT_TRUE(text && strstr(text, part) != NULL);
    cJSON_Delete(tree);
    client_close(&c);
}

static void refused(const char *path, const char *body, int status, const char *type, const char *part)
{
    refused_bytes(path, body, strlen(body), JSON_TYPE, status, type, part);
}

static double length_of(const cJSON *row)
{
    double square = 0;
    for (const cJSON *v = row->child; v; v = v->next) square += v->valuedouble * v->valuedouble;
    return sqrt(square);
}

/* ---- vectors */

static void embed_gives_reference_vectors(void)
{
    FILE *texts = fopen(BEELINE_SOURCE_DIR "/tests/golden/data/minilm_reference.jsonl", "r");
    FILE *rows = fopen(BEELINE_SOURCE_DIR "/tests/golden/data/minilm_reference.f32", "rb");
    char *line = NULL;
    size_t space = 0;
    int n = 0;
    double worst = 0;
    CU_ASSERT_FATAL(texts && rows);
    while (n < 40 && getline(&line, &space, texts) > 0) {
        float want[DIMENSIONS];
        CU_ASSERT_EQUAL_FATAL(fread(want, sizeof *want, DIMENSIONS, rows), DIMENSIONS);
        cJSON *one = cJSON_Parse(line), *body = cJSON_CreateObject();
        cJSON_AddItemToObject(body, "inputs", cJSON_Duplicate(cJSON_GetObjectItem(one, "text"), 1));
        char *text = cJSON_PrintUnformatted(body);
        client c;
        client_reply r = post(&c, "/embed", text);
        cJSON *reply = parsed(r);
        CU_ASSERT_EQUAL_FATAL(r.status, 200);
        CU_ASSERT_EQUAL_FATAL(cJSON_GetArraySize(cJSON_GetArrayItem(reply, 0)), DIMENSIONS);
        int k = 0;
        for (const cJSON *v = cJSON_GetArrayItem(reply, 0)->child; v; v = v->next, k++)
            worst = fmax(worst, fabs(v->valuedouble - (double)want[k]));
        n++;
        client_close(&c);
        cJSON_Delete(reply);
        cJSON_Delete(one);
        cJSON_Delete(body);
        free(text);
    }
    CU_ASSERT_EQUAL(n, 40);
    CU_ASSERT_TRUE(worst <= 2e-6);
    free(line);
    fclose(texts);
    fclose(rows);
}

static int decode_base64(const char *text, unsigned char *bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    int n = 0;
    unsigned bits = 0, held = 0;
    for (; *text && *text != '='; text++) {
        bits = bits << 6 | (unsigned)(strchr(alphabet, *text) - alphabet);
        held += 6;
        if (held >= 8) bytes[n++] = (unsigned char)(bits >> (held -= 8));
    }
    return n;
}

static void three_forms_hold_the_same_floats(void)
{
    client a, b, d;
    client_reply json = post(&a, "/embed", "{\"inputs\":[\"hello world\",\"second\"]}");
    client_reply binary = post_bytes(&b, "/embed", "{\"inputs\":[\"hello world\",\"second\"]}", 35,
                                     JSON_TYPE "accept: application/octet-stream\r\n");
    client_reply base64 =
        post(&d, "/v1/embeddings",
             "{\"input\":[\"hello world\",\"second\"],\"encoding_format\":\"base64\",\"model\":\"any\"}");
    char shape[32];
    CU_ASSERT_TRUE_FATAL(json.status == 200 && binary.status == 200 && base64.status == 200);
    CU_ASSERT_EQUAL_FATAL(binary.body_bytes, 2 * DIMENSIONS * sizeof(float));
    CU_ASSERT_TRUE(client_field(&binary, "x-embedding-shape", shape, sizeof shape) && !strcmp(shape, "2,384"));
    cJSON *rows = parsed(json), *openai = parsed(base64), *data = cJSON_GetObjectItem(openai, "data");
    int differ = 0;
    for (int i = 0; i < 2; i++) {
        float from_binary[DIMENSIONS], from_base64[DIMENSIONS + 8];
        memcpy(from_binary, binary.body + (size_t)i * sizeof from_binary, sizeof from_binary);
        const cJSON *item = cJSON_GetArrayItem(data, i);
        CU_ASSERT_EQUAL(cJSON_GetObjectItem(item, "index")->valueint, i);
        CU_ASSERT_EQUAL(
            decode_base64(cJSON_GetStringValue(cJSON_GetObjectItem(item, "embedding")), (unsigned char *)from_base64),
            sizeof from_binary);
        int k = 0;
        for (const cJSON *v = cJSON_GetArrayItem(rows, i)->child; v; v = v->next, k++)
            differ += (float)v->valuedouble != from_binary[k] || fabsf(from_binary[k] - from_base64[k]) > 1e-6f;
    }
    CU_ASSERT_EQUAL(differ, 0);
    const cJSON *usage = cJSON_GetObjectItem(openai, "usage");
    CU_ASSERT_EQUAL(cJSON_GetObjectItem(usage, "prompt_tokens")->valueint, 7);
    CU_ASSERT_STRING_EQUAL(cJSON_GetStringValue(cJSON_GetObjectItem(openai, "model")), "all-MiniLM-L6-v2");
    cJSON_Delete(rows);
    cJSON_Delete(openai);
    client_close(&a), client_close(&b), client_close(&d);
}

static void settings_change_the_vector(void)
{
    client c;
    cJSON *tree = parsed(post(&c, "/embed", "{\"inputs\":\"hello\",\"dimensions\":16}"));
    CU_ASSERT_EQUAL(cJSON_GetArraySize(cJSON_GetArrayItem(tree, 0)), 16);
    CU_ASSERT_DOUBLE_EQUAL(length_of(cJSON_GetArrayItem(tree, 0)), 1, 1e-5);
    cJSON_Delete(tree);
    client_close(&c);
    tree = parsed(post(&c, "/embed", "{\"inputs\":\"hello\",\"normalize\":false}"));
    CU_ASSERT_TRUE(fabs(length_of(cJSON_GetArrayItem(tree, 0)) - 1) > 0.1);
    cJSON_Delete(tree);
    client_close(&c);
    tree = parsed(post(&c, "/", "{\"inputs\":[101,7592,2088,102]}")); /* "hello world" with its template */
    cJSON *texts;
    client other;
    texts = parsed(post(&other, "/embed", "{\"inputs\":\"hello world\"}"));
    double worst = 0;
    for (int i = 0; i < DIMENSIONS; i++)
        worst = fmax(worst,
                     fabs(cJSON_GetArrayItem(cJSON_GetArrayItem(tree, 0), i)->valuedouble -
                          cJSON_GetArrayItem(cJSON_GetArrayItem(texts, 0), i)->valuedouble));
    CU_ASSERT_TRUE(worst <= 1e-6);
    cJSON_Delete(tree);
    cJSON_Delete(texts);
    client_close(&c), client_close(&other);
}

static char *words(const char *word, int n, const char *before, const char *after)
{
    size_t each = strlen(word), at = strlen(before);
    char *text = malloc(at + each * (size_t)n + strlen(after) + 1);
    strcpy(text, before);
    for (int i = 0; i < n; i++, at += each) memcpy(text + at, word, each);
    strcpy(text + at, after);
    return text;
}

static void too_long_inputs(void)
{
    client c;
    char value[32];
    char *text = words("word ", 300, "{\"inputs\":[\"short\",\"", "\"]}");
    client_reply r = post(&c, "/embed", text);
    CU_ASSERT_EQUAL(r.status, 200);
    CU_ASSERT_TRUE(client_field(&r, "x-truncated", value, sizeof value) && !strcmp(value, "1"));
    client_close(&c);
    free(text);
    text = words("word ", 300, "{\"truncate\":false,\"inputs\":[\"short\",\"", "\"]}");
    refused("/embed", text, 422, "Validation", "input 1 has 302 tokens, the limit is 256");
    free(text);
}

static void headers_of_a_reply(void)
{
    static const char *const names[] = {
        "date",           "x-model-digest",      "x-model-version",      "server-timing",
        "x-compute-type", "x-compute-time",      "x-compute-characters", "x-compute-tokens",
        "x-total-time",   "x-tokenization-time", "x-queue-time",         "x-inference-time"};
    client c;
    char value[256];
    client_reply r = post_bytes(&c, "/embed", "{\"inputs\":\"hello\"}", 18, JSON_TYPE "x-request-id: my-id.1\r\n");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CU_ASSERT_TRUE(client_field(&r, names[i], value, sizeof value));
    CU_ASSERT_TRUE(client_field(&r, "x-request-id", value, sizeof value) && !strcmp(value, "my-id.1"));
    CU_ASSERT_TRUE(client_field(&r, "x-model-digest", value, sizeof value) && strlen(value) == 64);
    CU_ASSERT_TRUE(client_field(&r, "x-compute-tokens", value, sizeof value) && !strcmp(value, "3"));
    CU_ASSERT_TRUE(client_field(&r, "server-timing", value, sizeof value) && strstr(value, "parse;dur=") &&
                   strstr(value, "total;dur="));
    client_close(&c);
}

/* ---- the other routes */

static void tokenize_and_decode(void)
{
    client c;
    client_reply r = post(&c, "/tokenize", "{\"inputs\":\"Caf\xc3\xa9 [MASK] d\xc3\xa9j\xc3\xa0\"}");
    CU_ASSERT_STRING_EQUAL(r.body,
                           "[[{\"id\":101,\"text\":\"[CLS]\",\"special\":true,\"start\":null,\"stop\":null},{\"id\":"
                           "7668,\"text\":\"Caf\xc3\xa9\",\"special\":false,\"start\":0,\"stop\":5},"
                           "{\"id\":103,\"text\":\"[MASK]\",\"special\":false,\"start\":6,\"stop\":12},{\"id\":2139,"
                           "\"text\":\"d\xc3\xa9\",\"special\":false,\"start\":13,\"stop\":16},"
                           "{\"id\":3900,\"text\":\"j\xc3\xa0\",\"special\":false,\"start\":16,\"stop\":19},{\"id\":"
                           "102,\"text\":\"[SEP]\",\"special\":true,\"start\":null,\"stop\":null}]]");
    client_close(&c);
    r = post(&c, "/tokenize", "{\"inputs\":[\"a\",\"b\"],\"add_special_tokens\":false}");
    CU_ASSERT_STRING_EQUAL(r.body,
                           "[[{\"id\":1037,\"text\":\"a\",\"special\":false,\"start\":0,\"stop\":1}],[{\"id\":1038,"
                           "\"text\":\"b\",\"special\":false,\"start\":0,\"stop\":1}]]");
    client_close(&c);
    r = post(&c, "/decode", "{\"ids\":[[101,7592,2088,999,102],[102]],\"skip_special_tokens\":false}");
    CU_ASSERT_STRING_EQUAL(r.body, "[\"[CLS] hello world! [SEP]\",\"[SEP]\"]");
    client_close(&c);
    r = post(&c, "/decode", "{\"ids\":[101,7592,2088,999,102]}");
    CU_ASSERT_STRING_EQUAL(r.body, "[\"hello world!\"]");
    client_close(&c);
    refused("/tokenize", "{\"inputs\":[[1]]}", 422, "Validation", "\"inputs\"[0] is of type array");
    refused("/decode", "{\"ids\":[30522]}", 422, "Validation", "0 to 30521");
    refused("/decode", "{\"ids\":\"x\"}", 422, "Validation", "\"ids\" is string");
    refused("/decode", "{\"ids\":[]}", 400, "Empty", "empty list");
    refused("/decode", "{\"ids\":[[1],2]}", 422, "Validation", "a value of type number");
    refused("/embed", "{\"inputs\":[[1,30522]]}", 422, "Validation", "token id 30522");
}

static void what_get_answers(void)
{
    static const struct { const char *path, *part;
    } rows[] = {{"/info", "\"max_input_length\":256"},
                {"/info", "\"backend\":\"cpu\",\"device\":\""},
                {"/info", "\"model_type\":{\"embedding\":{\"pooling\":\"mean\"}}"},
                {"/v1/models", "{\"object\":\"list\",\"data\":[{\"id\":\"all-MiniLM-L6-v2\",\"object\":\"model\""},
                {"/health", ""},
                {"/health/live", "live"},
                {"/health/ready", "ready"},
                {"/health/startup", "ready"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        client c;
        client_reply r = get(&c, rows[i].path);
        CU_ASSERT_EQUAL(r.status, 200);
        CU_ASSERT_PTR_NOT_NULL(strstr(r.body, rows[i].part));
        client_close(&c);
    }
}

/* ---- bad bodies */

static void bad_json(void)
{
    static const char *const bodies[] = {"{\"inputs\":\"a\"}{}",
                                         "{\"inputs\":\"a\"} x",
                                         "{\"inputs\":NaN}",
                                         "{\"inputs\":\"a\",\"dimensions\":Infinity}",
                                         "{\"inputs\":\"a\",\"dimensions\":0x10}",
                                         "{\"inputs\":\"a\"/**/}",
                                         "{'inputs':'a'}",
                                         "{\"inputs\":\"a\",\"inputs\":\"a\"}",
                                         ""};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) refused("/embed", bodies[i], 400, "Validation", "");
    refused("/embed", "null", 422, "Validation", "the body is of type null");
    refused("/embed", "7", 422, "Validation", "number");
    refused("/embed", "[]", 422, "Validation", "array");
    refused("/v1/embeddings", "{}", 422, "Validation", "\"input\" is missing");
    refused("/v1/embeddings", "{\"input\":[]}", 400, "Empty", "empty");
}

static void cut_bodies(void)
{
    static const char whole[] = "{\"inputs\":[\"h\\u00e9llo\",[1,2]],\"truncate\":true}";
    for (size_t n = 0; n < sizeof whole - 1; n++)
        refused_bytes("/embed", whole, n, JSON_TYPE, 400, "Validation", "JSON");
}

static void deep_and_wide(void)
{
    char *text = words("[", 100000, "{\"inputs\":", "}");
    refused("/embed", text, 400, "Validation", "deeper than");
    free(text);
    text = words("0,", 1000000, "{\"inputs\":[", "0]}");
    refused("/embed", text, 400, "Validation", "more than 200000 values");
    free(text);
    text = words("\"x\",", 256, "{\"inputs\":[", "\"x\"]}");
    refused("/embed", text, 422, "Validation", "has 257 items, the limit is 256");
    free(text);
    client c;
    text = words("\"k\":0,", 100000, "{", "\"inputs\":\"a\"}");
    CU_ASSERT_EQUAL(post(&c, "/embed", text).status, 200);
    client_close(&c);
    free(text);
    text = words("k", 1 << 20, "{\"", "\":1,\"inputs\":\"a\"}");
    CU_ASSERT_EQUAL(post(&c, "/embed", text).status, 200);
    client_close(&c);
    free(text);
}

static void media(void)
{
    static const char body[] = "{\"inputs\":\"a\"}";
    static const char *const bad[] = {"", "content-type: text/plain\r\n", "content-type: application/jsonx\r\n",
                                      "content-type: application/x-www-form-urlencoded\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused_bytes("/embed", body, sizeof body - 1, bad[i], 415, "Validation", "content-type");
    client c;
    CU_ASSERT_EQUAL(
        post_bytes(&c, "/embed", body, sizeof body - 1, "Content-Type: Application/JSON; charset=utf-8\r\n").status,
        200);
    client_close(&c);
}

static void compressed(void)
{
    static const char body[] = "\x1f\x8b\x08";
    refused_bytes("/embed", body, 3, JSON_TYPE "content-encoding: gzip\r\n", 415, "Validation",
                  "content-encoding is gzip");
}

static void text_bytes(void)
{
    static const struct { const char *inside; const char *part;
    } rows[] = {{"\x80", "invalid UTF-8"},
                {"\xc0\x80", "invalid UTF-8"},
                {"\xe0\x80\x80", "invalid UTF-8"},
                {"\xed\xa0\x80", "invalid UTF-8"},
                {"\xf0\x80\x80\x80", "invalid UTF-8"},
                {"\xf4\x90\x80\x80", "invalid UTF-8"},
                {"\xe4\xb8", "invalid UTF-8"},
                {"\xff", "invalid UTF-8"},
                {"\x01", "control character"},
                {"\\ud800", "surrogate"},
                {"\\udc00x", "surrogate"},
                {"a\\u0000b", "NUL"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"inputs\":\"%s\"}", rows[i].inside);
        refused("/embed", text, 400, "Validation", rows[i].part);
    }
    refused("/embed", "{\"inputs\":\"\"}", 400, "Empty", "empty string");
    client c;
    CU_ASSERT_EQUAL(post(&c, "/embed", "{\"inputs\":\"\\ud83d\\ude00 \xef\xbf\xbf \xe2\x80\xae \xe2\x80\x8d\"}").status,
                    200);
    client_close(&c);
}

static void hostile_lengths(void)
{
    static const struct {
        const char *word;
        int n;
    } rows[] = {{"a", 100000}, {".", 100000}, {"\xcc\x81", 300000}, {"\xe4\xb8\xad", 100000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        client c;
        char *text = words(rows[i].word, rows[i].n, "{\"inputs\":\"", "\"}");
        CU_ASSERT_EQUAL(post(&c, "/embed", text).status, 200);
        client_close(&c);
        free(text);
    }
}

static void a_refusal_changes_nothing(void)
{
    client c;
    be_running();
    refused("/embed", "{\"inputs\":\"\"}", 400, "Empty", "");
    CU_ASSERT_TRUE(client_open(&c, server.port));
    CU_ASSERT_TRUE(client_text(&c,
                               "POST /embed HTTP/1.1\r\nhost: x\r\n" JSON_TYPE "content-length: 2\r\n\r\n{}"
                               "POST /embed HTTP/1.1\r\nhost: x\r\n" JSON_TYPE
                               "content-length: 14\r\n\r\n{\"inputs\":\"a\"}"));
    CU_ASSERT_EQUAL(client_read_final(&c).status, 422);
    CU_ASSERT_EQUAL(client_read_final(&c).status, 200); /* the connection lives on */
    client_close(&c);
}

static void memory_stays_small(void)
{
    be_running();
    if (*BEELINE_SANITIZED) return;
    CU_ASSERT_TRUE(server_resident_kib(&server) < 300 * 1024);
}

static void the_end(void)
{
    CU_ASSERT_TRUE_FATAL(running);
    CU_ASSERT_EQUAL(server_end(&server, SIGTERM), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(server.log, "\"stopped\""));
    running = false;
}

void serve_suite(CU_pSuite s)
{
    CU_add_test(s, "/embed gives the reference's vectors", embed_gives_reference_vectors);
    CU_add_test(s, "JSON, binary and base64 hold the same floats", three_forms_hold_the_same_floats);
    CU_add_test(s, "dimensions, normalize and token ids do what they say", settings_change_the_vector);
    CU_add_test(s, "U48 a too long input is cut and counted, or refused", too_long_inputs);
    CU_add_test(s, "every header of the contract is there", headers_of_a_reply);
    CU_add_test(s, "/tokenize gives bytes of the input, /decode the text", tokenize_and_decode);
    CU_add_test(s, "what GET answers", what_get_answers);
    CU_add_test(s, "J29 J31 J33 J35 bad JSON is refused in words", bad_json);
    CU_add_test(s, "J30 a body cut at any byte is malformed", cut_bodies);
    CU_add_test(s, "J32 J36 J37 J38 depth, keys, values and inputs are bounded", deep_and_wide);
    CU_add_test(s, "J40 another content type is refused", media);
    CU_add_test(s, "J39 a compressed body is refused, never inflated", compressed);
    CU_add_test(s, "U43 U44 U45 U49 U50 bytes that are no text are refused, odd text is not", text_bytes);
    CU_add_test(s, "U46 long words, punctuation, marks and ideographs are answered", hostile_lengths);
    CU_add_test(s, "a refused request leaves its connection usable", a_refusal_changes_nothing);
    CU_add_test(s, "resident memory stays below 300 MiB", memory_stays_small);
    CU_add_test(s, "SIGTERM ends it with 0", the_end);
}
