/* log.c - formats on the caller's stack, then poll() and one write().
 *
 * A line is at most PIPE_BUF bytes: a pipe that poll() calls writable takes that much whole and at once.  The lock
 * keeps our own threads from filling the pipe between the two calls; its holder never waits, so neither does
 * anyone at the lock. */
#include "log.h"
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "utf8.h"

enum {
    LINE_MAX_BYTES = PIPE_BUF,
    MESSAGE_MAX = 2048,
    EVENT_MAX = 64,
    OWNER_MAX = 120,
    OWNER_BYTES = 1024, /* three of them with what is around and, at worst, each byte escaped in two */
    TAIL = 8 /* the cut mark and what closes the line */
};
const char *const log_level_names[LOG_LEVELS] = {"debug", "info", "warn", "error"};
static atomic_int least_level = LOG_INFO; /* read by every thread; no order with anything else is needed */
static atomic_long said[LOG_LEVELS], dropped; /* statistics: no order with anything else is needed */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t owner_lock = PTHREAD_MUTEX_INITIALIZER; /* of the three below; held for a copy */
static char owner_team[OWNER_MAX + 1], owner_contact[OWNER_MAX + 1], owner_runbook[OWNER_MAX + 1];

typedef struct { char bytes[LINE_MAX_BYTES]; size_t n; } line;

void log_set_level(log_level least) { atomic_store_explicit(&least_level, (int)least, memory_order_relaxed); }
long log_said(log_level level) { return atomic_load_explicit(&said[level], memory_order_relaxed); }
long log_dropped(void) { return atomic_load_explicit(&dropped, memory_order_relaxed); }

static void put(line *l, const char *s) /* fixed text, always fits */
{
    size_t n = strlen(s);
    memcpy(l->bytes + l->n, s, n);
    l->n += n;
}

static bool is_control(const unsigned char *p) /* C0, DEL, or C1 in two bytes: U+009B begins a sequence as ESC [ does */
{
    return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
}

/* Control characters and bytes that are no UTF-8 are escaped for terminals too: a foreign string in a message must
 * not forge a line or move the cursor. */
static void put_escaped(line *l, const char *text, size_t max_bytes, bool json)
{
    const unsigned char *p = (const unsigned char *)text;
    const size_t end = l->n + max_bytes;
    for (size_t left = strlen(text); left;) {
        char escape[8];
        size_t step = utf8_step(p, left), n = step;
        const char *from = (const char *)p;
        if (!step) {
            step = 1;
            from = json ? "\\ufffd" : "\xef\xbf\xbd";
            n = strlen(from);
        } else if (is_control(p)) {
            n = (size_t)snprintf(escape, sizeof escape, "\\u%04x", p[step - 1]);
            from = escape;
        } else if (json && (*p == '"' || *p == '\\')) {
            n = (size_t)snprintf(escape, sizeof escape, "\\%c", *p);
            from = escape;
        }
        if (l->n + n > end) {
            put(l, "...");
            return;
        }
        memcpy(l->bytes + l->n, from, n);
        l->n += n;
        p += step;
        left -= step;
    }
}

void log_set_owner(const char *team, const char *contact, const char *runbook)
{
    pthread_mutex_lock(&owner_lock);
    snprintf(owner_team, sizeof owner_team, "%s", team);
    snprintf(owner_contact, sizeof owner_contact, "%s", contact);
    snprintf(owner_runbook, sizeof owner_runbook, "%s", runbook);
    pthread_mutex_unlock(&owner_lock);
}

/* What follows a warning's message. */
static void put_owner(line *l, bool json)
{
    enum { EACH = 2 * OWNER_MAX };
    pthread_mutex_lock(&owner_lock);
    if (*owner_team) {
        put(l, json ? "\",\"owner\":\"" : " [");
        put_escaped(l, owner_team, EACH, json);
        put(l, json ? "\",\"contact\":\"" : ", ");
        put_escaped(l, owner_contact, EACH, json);
        put(l, json ? "\",\"runbook\":\"" : ", ");
        put_escaped(l, owner_runbook, EACH, json);
        put(l, json ? "" : "]");
    }
    pthread_mutex_unlock(&owner_lock);
}

static void put_time(line *l, bool json)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    l->n += strftime(l->bytes + l->n, 32, json ? "%Y-%m-%dT%H:%M:%S" : "%H:%M:%S", &utc);
    l->n += (size_t)snprintf(l->bytes + l->n, 8, ".%03d%s", (int)(now.tv_nsec / 1000000), json ? "Z" : "");
}

static bool write_at_once(const line *l)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool whole = false;
    pthread_mutex_lock(&lock);
    if (poll(&out, 1, 0) == 1 && out.revents == POLLOUT) /* not POLLERR: the reader has gone; nor POLLNVAL: closed */
        whole = write(STDERR_FILENO, l->bytes, l->n) == (ssize_t)l->n;
    pthread_mutex_unlock(&lock);
    return whole;
}

void log_line(log_level level, const char *event, const char *fmt, ...)
{
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;
    atomic_fetch_add_explicit(&said[level], 1, memory_order_relaxed);
    char message[MESSAGE_MAX];
    line l = {.n = 0};
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    if (n < 0) message[0] = 0;
    if (n >= MESSAGE_MAX) { /* cut between characters, and say so */
        size_t end = MESSAGE_MAX - 4;
        while (end && ((unsigned char)message[end] & 0xc0) == 0x80) end--;
        memcpy(message + end, "...", 4);
    }
    bool json = !isatty(STDERR_FILENO);
    if (json) put(&l, "{\"time\":\"");
    put_time(&l, json);
    put(&l, json ? "\",\"level\":\"" : " ");
    put(&l, log_level_names[level]);
    put(&l, json ? "\",\"event\":\"" : " ");
    put_escaped(&l, event, EVENT_MAX, json);
    put(&l, json ? "\",\"message\":\"" : ": ");
    put_escaped(&l, message, sizeof l.bytes - l.n - TAIL - OWNER_BYTES, json);
    if (level >= LOG_WARN) put_owner(&l, json);
    put(&l, json ? "\"}\n" : "\n");
    if (!write_at_once(&l)) atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}
