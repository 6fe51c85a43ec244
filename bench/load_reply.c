#include "load_reply.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void load_reply_begin(load_reply *r) { memset(r, 0, offsetof(load_reply, head)); }

/* -1: not a number of at most `most`. */
static int64_t whole(const char *text, int64_t most)
{
    const size_t digits = strspn(text, "0123456789");
    if (!digits || digits > 18 || text[digits]) return -1;
    const int64_t n = strtoll(text, NULL, 10);
    return n <= most ? n : -1;
}

/* "parse;dur=0.012, queue;dur=1.5": an entry without a duration is passed over. */
static void take_stages(load_reply *r, char *text)
{
    char *rest = NULL;
    for (char *entry = strtok_r(text, ",", &rest); entry && r->n_stages < LOAD_STAGES;
         entry = strtok_r(NULL, ",", &rest)) {
        entry += strspn(entry, " ");
        const size_t n = strcspn(entry, "; ");
        const char *duration = strstr(entry, ";dur=");
        if (!duration || !n || n >= LOAD_STAGE_NAME) continue;
        const double ms = strtod(duration + 5, NULL);
        if (!(ms >= 0 && ms < 1e9)) continue;
        memcpy(r->stages[r->n_stages].name, entry, n);
        r->stages[r->n_stages].name[n] = 0;
        r->stages[r->n_stages++].ns = (int64_t)(ms * 1e6 + 0.5);
    }
}

/* One field, NUL-terminated. */
static bool take_field(load_reply *r, char *line, int64_t *length)
{
    char *value = strchr(line, ':');
    if (!value || value == line || strcspn(line, " \t") < (size_t)(value - line)) return false;
    *value++ = 0;
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n && (value[n - 1] == ' ' || value[n - 1] == '\t');) value[--n] = 0;
    if (!strcasecmp(line, "content-length")) {
        if (*length >= 0) return false;
        return (*length = whole(value, LOAD_REPLY_BODY_MAX)) >= 0;
    }
    if (!strcasecmp(line, "transfer-encoding")) return false;
    if (!strcasecmp(line, "connection")) r->closes |= !strcasecmp(value, "close");
    else if (!strcasecmp(line, "retry-after")) r->retry_after_s = whole(value, 1000000000);
    else if (!strcasecmp(line, "x-compute-tokens")) r->compute_tokens = whole(value, 1000000000);
    else if (!strcasecmp(line, "server-timing")) take_stages(r, value);
    if (r->compute_tokens < 0) r->compute_tokens = 0;
    return true;
}

/* The head with its blank line. */
static bool take_head(load_reply *r)
{
    static const char version[] = "HTTP/1.1 ";
    int64_t length = -1;
    char *line = r->head, *end = r->head + r->head_bytes - 2, *stop;
    for (const char *p = line; p < end; p++)
        if ((*p == '\r') != (p[1] == '\n') || ((unsigned char)*p < ' ' && *p != '\r' && *p != '\n' && *p != '\t') ||
            *p == 0x7f)
            return false;
    if (end - line < 14 || memcmp(line, version, 9) || line[9] < '1' || line[9] > '5' || line[12] != ' ') return false;
    line[12] = 0;
    r->code = (int)whole(line + 9, 599);
    r->retry_after_s = -1;
    line = strstr(line + 13, "\r\n") + 2;
    for (; line < end; line = stop + 2) {
        stop = strstr(line, "\r\n");
        *stop = 0;
        if (!take_field(r, line, &length)) return false;
    }
    if (r->code >= 100 && r->code < 200) {
        load_reply_begin(r);
        return length <= 0;
    }
    r->in_body = true;
    r->body_left = length < 0 ? 0 : (size_t)length;
    return r->code > 0 && length >= 0;
}

load_reply_state load_reply_feed(load_reply *r, const char *bytes, size_t n)
{
    while (n && !r->in_body) {
        const char *newline = memchr(bytes, '\n', n);
        const size_t part = newline ? (size_t)(newline - bytes) + 1 : n;
        if (part > LOAD_REPLY_HEAD_MAX - 1 - r->head_bytes) return LOAD_REPLY_MALFORMED;
        memcpy(r->head + r->head_bytes, bytes, part);
        r->head_bytes += part;
        r->head[r->head_bytes] = 0;
        bytes += part;
        n -= part;
        const bool whole_head = r->head_bytes >= 4 && !memcmp(r->head + r->head_bytes - 4, "\r\n\r\n", 4);
        if (whole_head && !take_head(r)) return LOAD_REPLY_MALFORMED;
    }
    if (!r->in_body) return LOAD_REPLY_WANTS_MORE;
    if (n > r->body_left) return LOAD_REPLY_MALFORMED;
    r->body_left -= n;
    return r->body_left ? LOAD_REPLY_WANTS_MORE : LOAD_REPLY_DONE;
}

bool load_is_refusal(int code) { return code == 429 || code == 503 || code == 504; }
