/* Start, overload, departure, stop: the real program under signals. */
#include <CUnit/CUnit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/support/client.h"
#include "tests/support/server.h"
#include "tests/support/tiny_model.h"

enum { CLIENTS = 24 };

/* A request of n texts of about 250 tokens; of 40 under sanitizers, where a token costs ten times as much. */
static char *heavy(int n)
{
    const int words = *BEELINE_SANITIZED ? 40 : 250;
    size_t each = 250 * 5 + 4, at;
    char *body = malloc((size_t)n * each + 64), *request = malloc((size_t)n * each + 512);
    at = (size_t)sprintf(body, "{\"inputs\":[");
    for (int i = 0; i < n; i++) {
        at += (size_t)sprintf(body + at, i ? ",\"" : "\"");
        for (int k = 0; k < words; k++) at += (size_t)sprintf(body + at, "%s", k % 2 ? "word " : "text ");
        at += (size_t)sprintf(body + at, "\"");
    }
    sprintf(body + at, "]}");
    sprintf(request,
            "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
            strlen(body), body);
    free(body);
    return request;
}

static void stopping_answers_all(void)
{
    static const char *const patient[] = {"--max-wait", "300s", NULL};
    for (int sig = SIGINT; sig; sig = sig == SIGINT ? SIGTERM : 0) {
        server_process s;
        client c[CLIENTS];
        char *request = heavy(1);
        CU_ASSERT_TRUE_FATAL(server_start(&s, SERVER_MODEL, patient));
        for (int i = 0; i < CLIENTS; i++) CU_ASSERT_TRUE(client_open(&c[i], s.port) && client_text(&c[i], request));
        usleep(20000);
        kill(s.pid, sig);
        for (int i = 0; i < CLIENTS; i++) {
            client_reply r = client_read_final(&c[i]);
            char value[32] = "";
            CU_ASSERT_EQUAL(r.status, 200);
            client_field(&r, "connection", value, sizeof value);
            if (i + 1 == CLIENTS) CU_ASSERT_STRING_EQUAL(value, "close"); /* answered long after the signal */
            client_close(&c[i]);
        }
        CU_ASSERT_EQUAL(server_end(&s, 0), 0);
        free(request);
    }
}

static void a_second_signal_ends_at_once(void)
{
    server_process s;
    client c;
    CU_ASSERT_TRUE_FATAL(server_start(&s, SERVER_MODEL, NULL));
    CU_ASSERT_TRUE(
        client_open(&c, s.port) &&
        client_text(&c, "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")); /* a body that never comes */
    usleep(100000);
    kill(s.pid, SIGTERM);
    usleep(200000);
    CU_ASSERT_NOT_EQUAL(server_end(&s, SIGTERM), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.log, "second signal"));
    client_close(&c);
}

static void overload_is_refused(void)
{
    const char *const small[] = {"--max-wait", *BEELINE_SANITIZED ? "30ms" : "100ms", "--batch-tokens", "256", "--threads", "1", NULL};
    server_process s;
    client c[CLIENTS];
    char *request = heavy(1), value[32];
    int answered = 0, refused = 0;
    CU_ASSERT_TRUE_FATAL(server_start(&s, SERVER_MODEL, small));
    for (int i = 0; i < CLIENTS; i++) CU_ASSERT_TRUE(client_open(&c[i], s.port) && client_text(&c[i], request));
    for (int i = 0; i < CLIENTS; i++) {
        client_reply r = client_read_final(&c[i]);
        answered += r.status == 200;
        if (r.status == 429) {
            refused++;
            CU_ASSERT_TRUE(client_field(&r, "retry-after", value, sizeof value) && atoi(value) >= 1);
            CU_ASSERT_PTR_NOT_NULL(strstr(r.body, "\"Overloaded\""));
        }
        client_close(&c[i]);
    }
    CU_ASSERT_EQUAL(answered + refused, CLIENTS);
    CU_ASSERT_TRUE(answered >= 1 && refused >= 1); /* how many wait depends on how fast the machine is */
    CU_ASSERT_TRUE(client_open(&c[0], s.port) && client_text(&c[0], request));
    CU_ASSERT_EQUAL(client_read_final(&c[0]).status, 200); /* calm again */
    client_close(&c[0]);
    CU_ASSERT_EQUAL(server_end(&s, SIGTERM), 0);
    free(request);
}

static void the_departed_are_not_computed(void)
{
    static const char *const slow[] = {"--threads", "1", "--batch-tokens", "256", "--max-wait", "300s", NULL};
    server_process s;
    client first, gone;
    char *request = heavy(12);
    CU_ASSERT_TRUE_FATAL(server_start(&s, SERVER_MODEL, slow));
    CU_ASSERT_TRUE(client_open(&first, s.port) && client_text(&first, request));
    usleep(50000);
    CU_ASSERT_TRUE(client_open(&gone, s.port) && client_text(&gone, request));
    usleep(50000);
    client_reset(&gone);
    CU_ASSERT_EQUAL(client_read_final(&first).status, 200);
    client_close(&first);
    CU_ASSERT_EQUAL(server_end(&s, SIGTERM), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.log, "2 admitted = 1 answered + 0 expired + 1 cancelled + 0 failed + 0 in hand"));
    free(request);
}

static void commands(void)
{
    static const char *const help[] = {"--help", NULL}, *const version[] = {"version", NULL}, *const nothing[] = {NULL},
                             *const unknown[] = {"serv", NULL}, *const check[] = {"check", SERVER_MODEL, NULL},
                             *const embed[] = {"embed", SERVER_MODEL, NULL},
                             *const down[] = {"healthcheck", "--listen", "127.0.0.1:1", NULL},
                             *const no_dir[] = {"serve", NULL},
                             *const bad_option[] = {"serve", "x", "--threads", "-2", NULL};
    static char text[1 << 16];
    CU_ASSERT_EQUAL(server_command(help, NULL, text, sizeof text), 0);
    CU_ASSERT_TRUE(strstr(text, "--listen HOST:PORT") && strstr(text, "/v1/embeddings") && strstr(text, "healthcheck"));
    size_t readme_bytes;
    char *readme = tiny_file_read(BEELINE_SOURCE_DIR, "README.md", &readme_bytes);
    CU_ASSERT_PTR_NOT_NULL(strstr(readme, text)); /* README shows the help as it is */
    free(readme);
    CU_ASSERT_EQUAL(server_command(version, NULL, text, sizeof text), 0);
    CU_ASSERT_EQUAL(strncmp(text, "beeline 0.", 10), 0);
    CU_ASSERT_EQUAL(server_command(nothing, NULL, text, sizeof text), 2);
    CU_ASSERT_EQUAL(server_command(unknown, NULL, text, sizeof text), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "no such command: serv"));
    CU_ASSERT_EQUAL(server_command(no_dir, NULL, text, sizeof text), 2);
    CU_ASSERT_EQUAL(server_command(bad_option, NULL, text, sizeof text), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "--threads is \"-2\""));
    CU_ASSERT_EQUAL(server_command(down, NULL, text, sizeof text), 1);
    CU_ASSERT_EQUAL(server_command(check, NULL, text, sizeof text), 0);
    CU_ASSERT_TRUE(strstr(text, "384 dimensions, pooling mean, normalized") && strstr(text, "at most 256 tokens"));
    CU_ASSERT_EQUAL(server_command(embed, "hello world\n\nlast line", text, sizeof text), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "{\"index\":0,\"tokens\":4,\"truncated\":false,\"embedding\":[-0.0344"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "{\"index\":1,\"error\":\"empty line\"}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "{\"index\":2,\"tokens\":"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "1 of 3 lines have no vector"));
}

/* The first embedding of a reply or line, up to its ']'. */
static void copy_vector(const char *text, char *vector, size_t cap)
{
    const char *start = text ? strstr(text, "[-") : NULL, *other = text ? strstr(text, "[0") : NULL;
    if (!start || (other && other < start)) start = other;
    size_t n = start ? strcspn(start, "]") : 0;
    CU_ASSERT_TRUE_FATAL(start && n + 1 < cap);
    memcpy(vector, start, n);
    vector[n] = 0;
}

static void posted(int port, const char *body, char *vector, size_t cap)
{
    char request[512];
    client c;
    snprintf(request, sizeof request,
             "POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
             strlen(body), body);
    client_reply r = client_ask(&c, port, request);
    CU_ASSERT_EQUAL(r.status, 200);
    copy_vector(r.body, vector, cap);
    client_close(&c);
}

static void prompts_go_before_texts(void)
{
    static const char config[] =
        "{\"prompts\": {\"one\": \"wordaaa wordaab \", \"two\": \"wordaac \"}, \"default_prompt_name\": \"one\"}";
    static char text[1 << 15], plain[1 << 14], named[1 << 14], preset[1 << 14], line[1 << 14];
    char *folder = tiny_folder_make();
    const char *const embed[] = {"embed", folder, NULL};
    server_process s;
    tiny_model_write(folder, (tiny_model){.pooling = "mean_tokens", .normalize = 1});
    CU_ASSERT_TRUE_FATAL(server_start(&s, folder, NULL));
    posted(s.port, "{\"inputs\":\"wordaaa wordaab wordaad\"}", plain, sizeof plain);
    CU_ASSERT_EQUAL(server_end(&s, SIGTERM), 0);

    tiny_file_text(folder, "config_sentence_transformers.json", config);
    CU_ASSERT_TRUE_FATAL(server_start(&s, folder, NULL));
    posted(s.port, "{\"inputs\":\"wordaad\"}", preset, sizeof preset);
    posted(s.port, "{\"inputs\":\"wordaad\",\"prompt_name\":\"two\"}", named, sizeof named);
    CU_ASSERT_EQUAL(server_end(&s, SIGTERM), 0);
    CU_ASSERT_EQUAL(server_command(embed, "wordaad\n", text, sizeof text), 0);
    copy_vector(text, line, sizeof line);
    CU_ASSERT_STRING_EQUAL(preset, plain);
    CU_ASSERT_STRING_EQUAL(line, plain);
    CU_ASSERT_STRING_NOT_EQUAL(named, plain);
    tiny_folder_remove(folder);
}

static void healthcheck_says_ready(void)
{
    server_process s;
    char address[32], text[256];
    CU_ASSERT_TRUE_FATAL(server_start(&s, SERVER_MODEL, NULL));
    snprintf(address, sizeof address, "127.0.0.1:%d", s.port);
    const char *const up[] = {"healthcheck", "--listen", address, NULL};
    CU_ASSERT_EQUAL(server_command(up, NULL, text, sizeof text), 0);
    const char *const taken[] = {"serve", SERVER_MODEL, "--listen", address, NULL};
    CU_ASSERT_EQUAL(server_command(taken, NULL, text, sizeof text), 1); /* the address is in use */
    CU_ASSERT_EQUAL(server_end(&s, SIGTERM), 0);
}

static void a_broken_model_is_refused(void)
{
    char *folder = tiny_folder_make(), text[8192];
    tiny_model_write(folder, (tiny_model){.pooling = "mean_tokens", .normalize = 1});
    const char *const embed[] = {"embed", folder, NULL},
                      *const serve[] = {"serve", folder, "--listen", "127.0.0.1:0", NULL};
    CU_ASSERT_EQUAL(server_command(embed, "hello\n", text, sizeof text), 0); /* any BERT directory */
    tiny_file_patch(folder, "config.json", "\"bert\"", "\"tree\"");
    CU_ASSERT_EQUAL(server_command(serve, NULL, text, sizeof text), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "tree"));
    tiny_folder_remove(folder);
    const char *const missing[] = {"serve", "/nonexistent", "--listen", "127.0.0.1:0", NULL};
    CU_ASSERT_EQUAL(server_command(missing, NULL, text, sizeof text), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "/nonexistent: no such directory"));
}

void life_suite(CU_pSuite s)
{
    CU_add_test(s, "SIGINT and SIGTERM: all in flight are answered, then exit 0", stopping_answers_all);
    CU_add_test(s, "a second signal ends at once", a_second_signal_ends_at_once);
    CU_add_test(s, "who would wait too long: 429 with Retry-After, and the rest is answered", overload_is_refused);
    CU_add_test(s, "D74 a client that has left is not computed, and counted", the_departed_are_not_computed);
    CU_add_test(s, "every command does what --help says", commands);
    CU_add_test(s, "a prompt goes before a text, by name and by default, over HTTP and by line",
                prompts_go_before_texts);
    CU_add_test(s, "healthcheck says ready; a taken address is refused", healthcheck_says_ready);
    CU_add_test(s, "any BERT directory is embedded, a broken one refused with its reason", a_broken_model_is_refused);
}
