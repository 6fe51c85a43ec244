/* state.c - two small documents that are replaced whole, and a lock.
 *
 * Read once, at the start; from then on memory is what is in force and the disk follows.  No lock, no writing: where it
 * cannot be had the documents are read all the same, because the last good version is worth knowing even then.  Files
 * are opened without following links: the folder may be one that others can write to.
 *
 * Threads: `lock` is held to copy a few hundred bytes, `writing` while a file is written, which may take as long as the
 * disk likes; only writers take both. */
#include "state.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "out.h"
#include "runtime/base/file.h"
#include "runtime/base/json.h"
#include "runtime/base/log.h"

enum { DOCUMENT_MAX = 8192 /* the longest that we write has 4,500 bytes */, NAME_ROOM = 32 };
static const json_limits document_limits = {.depth = 4, .values = 64};

const char *const exit_reason_names[EXIT_REASONS] = {"gpu_fault", "gpu_hang", "wrong_output",
                                                     "gpu_lost",  "crash",    "clean"};

struct state {
    char directory[PATH_MAX]; /* as given; "": none was */
    int lock_fd;              /* -1: not ours, nothing is written */
    bool crashed;
    pthread_mutex_t lock, writing;
    state_version current, previous; /* under lock; so is last_exit */
    int64_t last_exit[EXIT_REASONS];
    _Atomic int64_t write_errors; /* a count: no order with anything else is needed */
};

const char *state_directory(const state *s) { return s->lock_fd < 0 ? "" : s->directory; }
bool state_crashed(const state *s) { return s->crashed; }
int64_t state_write_errors(const state *s) { return atomic_load_explicit(&s->write_errors, memory_order_relaxed); }
void state_count_error(state *s) { atomic_fetch_add_explicit(&s->write_errors, 1, memory_order_relaxed); }

static void path_of(const state *s, const char *name, char path[PATH_MAX + NAME_ROOM])
{
    snprintf(path, PATH_MAX + NAME_ROOM, "%s/%s", s->directory, name);
}

/* NOT_FOUND: there is no such file, and err has no line. */
static status read_document(const state *s, const char *name, cJSON **tree, error *err)
{
    char path[PATH_MAX + NAME_ROOM], bytes[DOCUMENT_MAX];
    struct stat st;
    path_of(s, name, path);
    *tree = NULL;
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* a FIFO would wait for a writer */
    if (fd < 0 && errno == ENOENT) return NOT_FOUND;
    if (fd < 0)
        return fail(err, IO_FAILED, "%.120s: %s", path, errno == ELOOP ? "a link is not followed" : strerror(errno));
    ssize_t n = -1;
    if (fstat(fd, &st)) errno = EIO;
    else if (!S_ISREG(st.st_mode)) errno = EINVAL;
    else n = read(fd, bytes, sizeof bytes);
    status rc = n < 0 ? fail(err, IO_FAILED, "%.120s: %s", path, strerror(errno)) : OK;
    close(fd);
    if (rc == OK && n == sizeof bytes) rc = fail(err, BAD_INPUT, "%.120s: %d bytes or more", path, DOCUMENT_MAX);
    error why = {""};
    if (rc == OK && json_parse(tree, bytes, (size_t)n, document_limits, &why) != OK)
        rc = fail(err, MALFORMED, "%.120s: %.120s", path, why.text);
    return rc;
}

static status write_document(state *s, const char *name, const out *o, error *err)
{
    char path[PATH_MAX + NAME_ROOM];
    if (!s->directory[0]) return OK; /* memory is all that was asked for */
    path_of(s, name, path);
    status rc = OK;
    if (s->lock_fd < 0) rc = fail(err, IO_FAILED, "%.150s: not written, the state is not ours", path);
    else if (o->failed) rc = fail(err, NO_MEMORY, "%.150s: no memory to write it", path);
    else rc = file_replace(path, o->p, o->n, err);
    if (rc == OK) return OK;
    state_count_error(s);
    return IO_FAILED;
}

static bool copy_string(char *to, size_t room, const cJSON *object, const char *name)
{
    const char *from = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    if (!from || strlen(from) >= room) return false;
    memcpy(to, from, strlen(from) + 1);
    return true;
}

/* null is a version too: none. */
static bool read_version(state_version *to, const cJSON *v)
{
    *to = (state_version){0};
    if (cJSON_IsNull(v)) return true;
    if (copy_string(to->directory, sizeof to->directory, v, "directory") && to->directory[0] &&
        copy_string(to->version, sizeof to->version, v, "version") &&
        copy_string(to->digest, sizeof to->digest, v, "digest"))
        return true;
    *to = (state_version){0};
    return false;
}

static void read_versions(state *s)
{
    cJSON *tree;
    error err = {""};
    const status rc = read_document(s, "current.json", &tree, &err);
    if (rc == NOT_FOUND) return;
    bool whole = rc == OK && read_version(&s->current, cJSON_GetObjectItemCaseSensitive(tree, "current")) &&
                 read_version(&s->previous, cJSON_GetObjectItemCaseSensitive(tree, "previous"));
    if (!whole) {
        s->current = s->previous = (state_version){0};
        log_line(LOG_ERROR, "state", "%s; no version is known to be good",
                 rc == OK ? "current.json: wanted current and previous, each with directory, version and digest"
                          : err.text);
    }
    cJSON_Delete(tree);
}

static void write_version(out *o, const state_version *v)
{
    if (!v->directory[0]) {
        out_text(o, "null");
        return;
    }
    out_text(o, "{\"directory\":");
    out_json_string(o, v->directory, strlen(v->directory));
    out_text(o, ",\"version\":");
    out_json_string(o, v->version, strlen(v->version));
    out_text(o, ",\"digest\":");
    out_json_string(o, v->digest, strlen(v->digest));
    out_text(o, "}");
}

void state_versions(const state *s, state_version *current, state_version *previous)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock; /* reading changes nothing that a reader sees */
    pthread_mutex_lock(lock);
    *current = s->current;
    *previous = s->previous;
    pthread_mutex_unlock(lock);
}

status state_set_versions(state *s, const state_version *current, const state_version *previous, error *err)
{
    out o = {0};
    pthread_mutex_lock(&s->writing);
    pthread_mutex_lock(&s->lock);
    s->current = *current;
    s->previous = *previous;
    pthread_mutex_unlock(&s->lock);
    out_text(&o, "{\"current\":");
    write_version(&o, current);
    out_text(&o, ",\"previous\":");
    write_version(&o, previous);
    out_text(&o, "}\n");
    const status rc = write_document(s, "current.json", &o, err);
    pthread_mutex_unlock(&s->writing);
    out_free(&o);
    return rc;
}

/* The newest time at which the process before wrote one of its files: all that a crash leaves of itself. */
static int64_t last_sign_of_life(const state *s)
{
    static const char *const names[] = {"exits.json", "current.json", "ledger.jsonl", "incidents"};
    char path[PATH_MAX + NAME_ROOM];
    int64_t newest = 0;
    struct stat st;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(s, names[i], path);
        if (!lstat(path, &st) && st.st_mtime > newest) newest = st.st_mtime;
    }
    return newest;
}

static void read_exits(state *s)
{
    cJSON *tree;
    error err = {""};
    const status rc = read_document(s, "exits.json", &tree, &err);
    if (rc == NOT_FOUND) return;
    const cJSON *running = cJSON_GetObjectItemCaseSensitive(tree, "running");
    if (!cJSON_IsBool(running)) {
        log_line(LOG_ERROR, "state", "%s; how earlier processes ended is not known",
                 rc == OK ? "exits.json: wanted running, true or false" : err.text);
    } else {
        const cJSON *last = cJSON_GetObjectItemCaseSensitive(tree, "last");
        for (int i = 0; i < EXIT_REASONS; i++) {
            const cJSON *at = cJSON_GetObjectItemCaseSensitive(last, exit_reason_names[i]);
            if (cJSON_IsNumber(at) && at->valuedouble > 0 && at->valuedouble < 1e15)
                s->last_exit[i] = (int64_t)at->valuedouble;
        }
        s->crashed = cJSON_IsTrue(running);
        if (s->crashed) {
            s->last_exit[EXIT_REASON_CRASH] = last_sign_of_life(s);
            log_line(LOG_WARN, "state", "the process before this one has not said how it ended: it crashed");
        }
    }
    cJSON_Delete(tree);
}

static void write_exits(state *s, bool running)
{
    out o = {0};
    error err = {""};
    bool first = true;
    pthread_mutex_lock(&s->lock);
    out_format(&o, "{\"running\":%s,\"last\":{", running ? "true" : "false");
    for (int i = 0; i < EXIT_REASONS; i++) {
        if (!s->last_exit[i]) continue;
        out_format(&o, "%s\"%s\":%lld", first ? "" : ",", exit_reason_names[i], (long long)s->last_exit[i]);
        first = false;
    }
    pthread_mutex_unlock(&s->lock);
    out_text(&o, "}}\n");
    if (write_document(s, "exits.json", &o, &err) != OK) log_line(LOG_ERROR, "state", "%s", err.text);
    out_free(&o);
}

void state_set_exit(state *s, exit_reason why)
{
    pthread_mutex_lock(&s->writing);
    pthread_mutex_lock(&s->lock);
    s->last_exit[why] = time(NULL);
    pthread_mutex_unlock(&s->lock);
    write_exits(s, false);
    pthread_mutex_unlock(&s->writing);
}

int64_t state_last_exit(const state *s, exit_reason why)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock;
    pthread_mutex_lock(lock);
    const int64_t at = s->last_exit[why];
    pthread_mutex_unlock(lock);
    return at;
}

/* Read-only where nothing else can be had: then reading goes on, and every write says why it failed. */
static int open_lock(const char *path)
{
    enum { SAFE = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC };
    const int fd = open(path, O_RDWR | O_CREAT | SAFE, 0600);
    return fd < 0 && (errno == EROFS || errno == EACCES) ? open(path, O_RDONLY | SAFE) : fd;
}

static void take_lock(state *s)
{
    char path[PATH_MAX + NAME_ROOM];
    const char *why = NULL;
    path_of(s, "lock", path);
    const bool made = !mkdir(s->directory, 0700) || errno == EEXIST;
    s->lock_fd = made ? open_lock(path) : -1;
    if (s->lock_fd < 0) {
        why = errno == ELOOP ? "a link is not followed" : strerror(errno);
    } else if (flock(s->lock_fd, LOCK_EX | LOCK_NB)) {
        why = errno == EWOULDBLOCK ? "another server holds it, and a state belongs to one" : strerror(errno);
        close(s->lock_fd);
        s->lock_fd = -1;
    }
    if (!why) return;
    state_count_error(s);
    log_line(LOG_ERROR, "state", "%s: %s; what happens from now on is kept in memory only", made ? path : s->directory,
             why);
}

status state_open(state **opened, const char *folder, error *err)
{
    state *s = calloc(1, sizeof *s);
    *opened = s;
    if (!s) return fail(err, NO_MEMORY, "state: no memory for %zu bytes", sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->writing, NULL);
    s->lock_fd = -1;
    if (!folder[0]) return OK;
    if (strlen(folder) >= sizeof s->directory) {
        state_count_error(s);
        log_line(LOG_ERROR, "state",
                 "the directory's path has %zu bytes, at most %zu are taken; all is kept in memory only",
                 strlen(folder), sizeof s->directory - 1);
        return OK;
    }
    strcpy(s->directory, folder);
    take_lock(s);
    read_versions(s);
    if (s->lock_fd < 0) return OK; /* exits.json tells of the process that holds the lock */
    read_exits(s);
    write_exits(s, true);
    return OK;
}

void state_close(state *s)
{
    if (!s) return;
    if (s->lock_fd >= 0) close(s->lock_fd); /* and the lock with it */
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->writing);
    free(s);
}
