#include "operator.h"
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

void operator_pack(const char *root, const char *name, tiny_model m, int p99_ms)
{
    char version[80], slo[32], text[4096], *folder = tiny_path(root, name);
    if (!m.pooling) m.pooling = "mean_tokens";
    m.normalize = 1;
    mkdir(folder, 0777);
    tiny_model_write(folder, m);
    snprintf(version, sizeof version, "1-%s", name);
    snprintf(slo, sizeof slo, "p99=%dms", p99_ms ? p99_ms : 100);
    const char *const words[] = {"pack", folder, "--name", "tiny", "--version", version, "--owner", "search",
                                 "--contact", "search@example.org", "--runbook", "https://example.org/run", "--slo", slo,
                                 NULL};
    const int rc = server_command(words, NULL, text, sizeof text);
    if (rc) printf("\n    pack: %s", text);
    CU_ASSERT_EQUAL_FATAL(rc, 0);
    free(folder);
}

client_reply operator_post(client *c, const server_process *s, const char *path, const char *body)
{
    char text[4096];
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-operator: ada@test\r\n"
             "content-length: %zu\r\n\r\n%s",
             path, strlen(body), body);
    return client_ask(c, s->ops_port, text);
}

client_reply operator_get(client *c, const server_process *s, const char *path)
{
    char text[512];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nhost: localhost\r\n\r\n", path);
    return client_ask(c, s->ops_port, text);
}

static int keep(client *c, const client_reply *r, char *text)
{
    snprintf(text, OPERATOR_TEXT, "%s", r->status ? r->body : "");
    client_close(c);
    return r->status;
}

int operator_look(const server_process *s, const char *path, char *text)
{
    client c;
    const client_reply r = operator_get(&c, s, path);
    return keep(&c, &r, text);
}

int operator_release(const server_process *s, const char *version, const char *members, char *text)
{
    client c;
    char body[512];
    snprintf(body, sizeof body, "{\"version\":\"%s\",\"reason\":\"because\"%s}", version, members);
    const client_reply r = operator_post(&c, s, "/admin/release", body);
    const int code = keep(&c, &r, text);
    if (code != 202) return code;
    for (int naps = 0; naps < 60000; naps++) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        if (operator_look(s, "/admin/release", text) != 200 || !strstr(text, "\"state\":\"running\",\"who\"")) break;
    }
    return code;
}

int operator_rollback(const server_process *s, char *text)
{
    client c;
    const client_reply r = operator_post(&c, s, "/admin/rollback", "{\"reason\":\"back\"}");
    return keep(&c, &r, text);
}
