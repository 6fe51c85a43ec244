/* notify.c - a ring of copies and a thread that posts the first of them until it is taken.
 *
 * The address is logged by its host alone: the path of a webhook is often its secret. */
#include "notify.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "http_client.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

enum { TRY_MS = 10000, PAUSE_MS = 1000, PAUSE_MAX_MS = 60000 };
static const int64_t MS = 1000000;

typedef struct {
    char *json;
    size_t bytes;
} document;

struct notify {
    char where[256], *url;
    const char *target; /* in url */
    pthread_t thread;
    pthread_mutex_t lock; /* of all below; never held while a server is asked */
    pthread_cond_t changed;
    document ring[NOTIFY_ROOM]; /* [n], the oldest first */
    int n;
    bool trying;    /* the first is with the thread, and cannot give way */
    int failures;   /* in a row, whichever document was the first */
    int64_t due_ns; /* of the next try */
    int64_t end_ns; /* no try begins later; INT64_MAX until it closes */
    bool ended;     /* the thread touches nothing any more */
    bool left;      /* nobody waits for the thread: it frees all */
    notify_counts count;
};

static void free_all(notify *n)
{
    for (int i = 0; i < n->n; i++) free(n->ring[i].json);
    pthread_cond_destroy(&n->changed);
    pthread_mutex_destroy(&n->lock);
    free(n->url);
    free(n);
}

static void remove_locked(notify *n, int at)
{
    free(n->ring[at].json);
    n->n--;
    memmove(&n->ring[at], &n->ring[at + 1], (size_t)(n->n - at) * sizeof *n->ring);
}

static void drop_locked(notify *n, int at, const char *why)
{
    remove_locked(n, at);
    n->count.dropped++;
    log_line(LOG_ERROR, "notify", "%s is not told of an incident: %s", n->where, why);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static bool is_taken(int code) { return code >= 200 && code < 300; }
/* The same document would be refused again. */
static bool is_refused(int code) { return code >= 400 && code < 500 && code != 408 && code != 429; }

/* The server has had its say of the first: what waits behind it need not. */
static void hasten_locked(notify *n)
{
    n->failures = 0;
    n->due_ns = 0;
}

static void settle_locked(notify *n, int code, error *why)
{
    if (is_taken(code)) {
        if (n->failures) log_line(LOG_INFO, "notify", "%s is told again, after %d failures", n->where, n->failures);
        n->count.sent++;
        remove_locked(n, 0);
        hasten_locked(n);
        return;
    }
    if (code && fail(why, IO_FAILED, "it answers %d", code) == OK) return;
    if (is_refused(code)) {
        drop_locked(n, 0, why->text);
        hasten_locked(n);
        return;
    }
    if (n->failures == 0) log_line(LOG_WARN, "notify", "%s: %s; trying again", n->where, why->text);
    int64_t pause_ms = PAUSE_MS;
    for (int i = 0; i < n->failures && pause_ms < PAUSE_MAX_MS; i++) pause_ms *= 2;
    if (pause_ms > PAUSE_MAX_MS) pause_ms = PAUSE_MAX_MS;
    n->failures++;
    n->due_ns = clock_ns() + pause_ms * MS;
}

static void try_locked(notify *n)
{
    out answer = {0};
    error why;
    int code = 0;
    const int64_t left_ms = n->end_ns == INT64_MAX ? TRY_MS : (n->end_ns - clock_ns()) / MS + 1;
    const http_question q = {.where = n->where,
                             .method = "POST",
                             .target = n->target,
                             .headers = "",
                             .body = n->ring[0].json,
                             .body_bytes = n->ring[0].bytes,
                             .limit_ms = left_ms < TRY_MS ? (int)left_ms : TRY_MS};
    n->trying = true;
    n->count.tries++;
    pthread_mutex_unlock(&n->lock);
    if (http_ask(&q, &code, &answer, &why) != OK) code = 0;
    out_free(&answer);
    pthread_mutex_lock(&n->lock);
    n->trying = false;
    settle_locked(n, code, &why);
}

static void wait_locked(notify *n, int64_t until_ns)
{
    const struct timespec until = {.tv_sec = until_ns / (1000 * MS), .tv_nsec = until_ns % (1000 * MS)};
    if (until_ns == INT64_MAX) pthread_cond_wait(&n->changed, &n->lock);
    else pthread_cond_timedwait(&n->changed, &n->lock, &until);
}

static void *run(void *arg)
{
    notify *n = arg;
    pthread_mutex_lock(&n->lock);
    for (int64_t now_ns = clock_ns(); now_ns < n->end_ns && (n->n || n->end_ns == INT64_MAX); now_ns = clock_ns()) {
        if (n->n && n->due_ns <= now_ns) try_locked(n);
        else wait_locked(n, !n->n ? INT64_MAX : n->due_ns < n->end_ns ? n->due_ns : n->end_ns);
    }
    n->ended = true;
    const bool left = n->left;
    pthread_cond_broadcast(&n->changed);
    pthread_mutex_unlock(&n->lock);
    if (left) free_all(n);
    return NULL;
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static void start(notify *n)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&n->changed, &monotonic); /* neither can fail with these attributes on Linux */
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&n->lock, NULL);
    n->end_ns = INT64_MAX;
}

status notify_open(notify **opened, const char *url, error *err)
{
    *opened = NULL;
    notify *n = calloc(1, sizeof *n);
    if (!n) return fail(err, NO_MEMORY, "no memory for the notifier");
    start(n);
    n->url = strdup(url);
    status rc = n->url ? OK : fail(err, NO_MEMORY, "no memory for a URL of %zu bytes", strlen(url));
    if (rc == OK) rc = http_split_url(n->url, n->where, &n->target, err);
    const int bad = rc == OK ? pthread_create(&n->thread, NULL, run, n) : 0;
    if (bad) rc = fail(err, NO_MEMORY, "no thread for the notifier: %s", strerror(bad));
    if (rc == OK) *opened = n;
    else free_all(n);
    return rc;
}

void notify_close(notify *n, int grace_ms)
{
    if (!n) return;
    pthread_mutex_lock(&n->lock);
    n->end_ns = clock_ns() + grace_ms * MS;
    pthread_cond_broadcast(&n->changed);
    while (!n->ended && clock_ns() < n->end_ns) wait_locked(n, n->end_ns);
    if (n->n) log_line(LOG_WARN, "notify", "%s: %d documents are left untold", n->where, n->n);
    /* A try that began before may last longer than the grace: it ends by itself, or with the process. */
    n->left = !n->ended;
    const bool left = n->left;
    if (left) pthread_detach(n->thread);
    const pthread_t thread = n->thread;
    pthread_mutex_unlock(&n->lock);
    if (left) return;
    pthread_join(thread, NULL);
    free_all(n);
}

void notify_post(notify *n, const char *json, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    if (copy) {
        memcpy(copy, json, bytes);
        copy[bytes] = 0;
    }
    pthread_mutex_lock(&n->lock);
    if (!copy) {
        n->count.dropped++;
        log_line(LOG_ERROR, "notify", "%s is not told of an incident: no memory for %zu bytes", n->where, bytes);
    } else {
        if (n->n == NOTIFY_ROOM) drop_locked(n, n->trying, "newer ones are waiting too");
        n->ring[n->n++] = (document){copy, bytes};
        pthread_cond_broadcast(&n->changed);
    }
    pthread_mutex_unlock(&n->lock);
}

notify_counts notify_count(const notify *n)
{
    notify *mine = (notify *)n; /* the lock alone is written */
    pthread_mutex_lock(&mine->lock);
    notify_counts count = n->count;
    count.waiting = n->n;
    pthread_mutex_unlock(&mine->lock);
    return count;
}
