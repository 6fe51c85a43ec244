#include "ops_client.h"
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "http_client.h"
#include "runtime/base/json.h"

enum { LIMIT_MS = 10000, KEY_MOST = 256 };

/* The first that is no comment; the server says what is wrong with it. */
static status first_key(const char *file, char key[KEY_MOST + 1], error *err)
{
    char *line = NULL;
    size_t room = 0;
    FILE *f = fopen(file, "re");
    *key = 0;
    if (!f) return fail(err, BAD_INPUT, "--ops-keys %.100s: %s", file, strerror(errno));
    while (!*key && getline(&line, &room, f) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line != '#') snprintf(key, KEY_MOST + 1, "%s", line);
    }
    free(line);
    fclose(f);
    return *key ? OK : fail(err, BAD_INPUT, "--ops-keys %.100s holds no key", file);
}

static void who_asks(char who[80])
{
    char host[64] = "";
    const struct passwd *user = getpwuid(geteuid());
    gethostname(host, sizeof host - 1);
    if (user) snprintf(who, 80, "%.40s@%.38s", user->pw_name, host);
    else snprintf(who, 80, "uid %u@%.38s", (unsigned)geteuid(), host);
}

/* What the server says of its no. */
static status refused(int code, const out *answer, error *err)
{
    const status why = code == 404 ? NOT_FOUND : code == 409 ? CONFLICT : code == 503 ? UNAVAILABLE : BAD_INPUT;
    cJSON *tree = NULL;
    const char *text = NULL;
    if (json_parse(&tree, answer->p ? answer->p : "", answer->n, (json_limits){8, 1000}, err) != OK ||
        json_string(&text, tree, "error", err) != OK || !text)
        text = "no reason was given";
    const status rc = fail(err, why, "%.220s (%d)", text, code);
    cJSON_Delete(tree);
    return rc;
}

status ops_ask(const options *o, const char *method, const char *target, const char *body, int *code, out *answer,
               error *err)
{
    char where[400], who[80], key[KEY_MOST + 1] = "", headers[KEY_MOST + 200];
    const bool local = o->ops_unix;
    snprintf(where, sizeof where, "%s%s", local ? "" : *o->ops_ca ? "https://" : "http://", o->ops);
    status rc = *o->ops_keys ? first_key(o->ops_keys, key, err) : OK;
    if (rc != OK) return rc;
    who_asks(who);
    snprintf(headers, sizeof headers, "x-operator: %s\r\n%s%s%s", who, *key ? "authorization: Bearer " : "", key,
             *key ? "\r\n" : "");
    const http_question q = {.where = where,
                             .method = method,
                             .target = target,
                             .headers = headers,
                             .body = body,
                             .body_bytes = body ? strlen(body) : 0,
                             .ca_file = o->ops_ca,
                             .limit_ms = LIMIT_MS};
    rc = http_ask(&q, code, answer, err);
    return rc == OK && (*code < 200 || *code > 299) ? refused(*code, answer, err) : rc;
}
