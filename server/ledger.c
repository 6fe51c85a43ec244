/* ledger.c - one write() and one fsync() a line; the last LEDGER_KEPT lines in a ring.
 *
 * The file is opened for appending and never cut: what a full disk or a crash left of a line stays, and the next line
 * begins on a new one.  A line that the disk does not take is kept in memory and not tried again: its place in the file
 * would be wrong.
 *
 * Threads: `lock` guards the ring and the counts, and is not held while the disk works. */
#include "ledger.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "ledger_lines.h"
#include "runtime/base/log.h"
#include "runtime/base/utf8.h"

enum { STRING_MAX = 500 /* of a line's strings; six bytes for each, and the line is below LEDGER_LINE_MAX */ };

const char *const ledger_actions[LEDGER_ACTIONS] = {"start", "release", "rollback", "stop"};
const char *const ledger_outcomes[LEDGER_OUTCOMES] = {"begun", "ok", "refused", "failed", "rolled_back", "interrupted"};

typedef struct {
    char *text;
    size_t n;
} kept_line;
/* The release that the lines so far have begun and not ended; number 0: none. */
typedef struct {
    int64_t number;
    state_version version;
    char step[16];
} open_release;

struct ledger {
    state *state;
    int fd;           /* -1: memory only */
    bool torn;        /* the file's last line has no end */
    int last_errno;   /* of the last write: each kind of failure is logged once */
    bool interrupted; /* what `open` was at the start */
    open_release open;
    pthread_mutex_t writing; /* of all above, while a line is put on the disk */
    pthread_mutex_t lock;
    kept_line ring[LEDGER_KEPT]; /* under lock, as all below */
    int64_t n;                   /* lines so far; the last is ring[(n - 1) % LEDGER_KEPT] */
    int64_t last_release;
    int64_t counts[2][3];
};

static const char *string_of(const cJSON *line, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, name));
    return s ? s : "";
}

static void keep(ledger *l, const char *text, size_t n)
{
    char *copy = malloc(n);
    if (!copy) return; /* the file has it */
    memcpy(copy, text, n);
    pthread_mutex_lock(&l->lock);
    kept_line *k = &l->ring[l->n++ % LEDGER_KEPT];
    free(k->text);
    *k = (kept_line){copy, n};
    pthread_mutex_unlock(&l->lock);
}

static bool ends(const char *step, const char *outcome)
{
    if (!strcmp(outcome, ledger_outcomes[LEDGER_OK])) return !strcmp(step, "done");
    return strcmp(outcome, ledger_outcomes[LEDGER_BEGUN]) != 0;
}

static void note(void *to, const cJSON *line, const char *text, size_t n)
{
    ledger *l = to;
    const double number = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(line, "release"));
    const char *step = string_of(line, "step");
    keep(l, text, n);
    if (!(number >= 1 && number < 1e15)) return;
    if ((int64_t)number > l->last_release) l->last_release = (int64_t)number;
    if (strcmp(string_of(line, "action"), ledger_actions[LEDGER_RELEASE])) return;
    if (ends(step, string_of(line, "outcome"))) {
        l->open = (open_release){0};
        return;
    }
    open_release *o = &l->open;
    o->number = (int64_t)number;
    snprintf(o->step, sizeof o->step, "%s", step);
    snprintf(o->version.version, sizeof o->version.version, "%s", string_of(line, "version"));
    snprintf(o->version.directory, sizeof o->version.directory, "%s", string_of(line, "directory"));
    snprintf(o->version.digest, sizeof o->version.digest, "%s", string_of(line, "digest"));
}

/* Bytes that are no UTF-8 become '?': a line that says them would be none, and a cut text may end with half a letter.
 */
static void member(out *o, const char *name, const char *value)
{
    char clean[STRING_MAX];
    size_t n = 0;
    if (!value || !value[0]) return;
    for (size_t left = strlen(value); left;) {
        const size_t step = utf8_step((const unsigned char *)value, left), take = step ? step : 1;
        if (n + take > sizeof clean) break;
        memcpy(clean + n, step ? value : "?", take);
        n += take;
        value += take;
        left -= take;
    }
    out_format(o, ",\"%s\":", name);
    out_json_string(o, clean, n);
}

static void format(out *o, const ledger_line *line)
{
    struct timespec now;
    struct tm utc;
    char at[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%S", &utc);
    out_format(o, "{\"at\":\"%s.%03dZ\"", at, (int)(now.tv_nsec / 1000000));
    if (line->release) out_format(o, ",\"release\":%lld", (long long)line->release);
    member(o, "action", ledger_actions[line->action]);
    member(o, "step", line->step);
    member(o, "outcome", ledger_outcomes[line->outcome]);
    if (line->version) {
        member(o, "version", line->version->version);
        member(o, "directory", line->version->directory);
        member(o, "digest", line->version->digest);
    }
    member(o, "previous", line->previous);
    member(o, "who", line->who);
    member(o, "why", line->why);
    if (line->ms >= 0) out_format(o, ",\"ms\":%.1f", line->ms);
    member(o, "detail", line->detail);
    out_text(o, "}");
}

static void failed(ledger *l, int why, const char *what)
{
    state_count_error(l->state);
    if (why != l->last_errno)
        log_line(LOG_ERROR, "ledger", "%s: %s; the line is kept in memory only", what, strerror(why));
    l->last_errno = why;
}

static void put_on_disk(ledger *l, const out *line)
{
    out o = {0};
    if (l->fd < 0) {
        if (l->last_errno) state_count_error(l->state); /* it should have been written */
        return;
    }
    if (l->torn) out_text(&o, "\n");
    out_bytes(&o, line->p, line->n);
    out_text(&o, "\n");
    ssize_t n = o.failed ? -1 : write(l->fd, o.p, o.n);
    if (n < 0) {
        failed(l, o.failed ? ENOMEM : errno, "not written");
    } else if ((size_t)n < o.n) {
        l->torn = true;
        failed(l, ENOSPC, "cut short");
    } else {
        l->torn = false;
        if (fsync(l->fd)) failed(l, errno, "not synced");
        else l->last_errno = 0;
    }
    out_free(&o);
}

static void append(ledger *l, const ledger_line *line)
{
    out o = {0};
    format(&o, line);
    if (o.failed) failed(l, ENOMEM, "not written");
    else {
        put_on_disk(l, &o);
        keep(l, o.p, o.n);
    }
    out_free(&o);
}

void ledger_append(ledger *l, const ledger_line *line)
{
    static const int column[LEDGER_OUTCOMES] = {
        [LEDGER_OK] = 0, [LEDGER_REFUSED] = 1, [LEDGER_FAILED] = 2, [LEDGER_ROLLED_BACK] = 2, [LEDGER_INTERRUPTED] = 2};
    const bool rollback = line->action == LEDGER_ROLLBACK;
    pthread_mutex_lock(&l->writing);
    append(l, line);
    pthread_mutex_unlock(&l->writing);
    if (!rollback && line->action != LEDGER_RELEASE) return;
    if (line->outcome == LEDGER_BEGUN) return;
    if (!rollback && !ends(line->step ? line->step : "", ledger_outcomes[line->outcome])) return;
    pthread_mutex_lock(&l->lock);
    l->counts[rollback][column[line->outcome]]++;
    if (line->outcome == LEDGER_ROLLED_BACK) l->counts[1][0]++; /* the bake went back by itself */
    pthread_mutex_unlock(&l->lock);
}

int64_t ledger_next_release(ledger *l)
{
    pthread_mutex_lock(&l->lock);
    const int64_t next = ++l->last_release;
    pthread_mutex_unlock(&l->lock);
    return next;
}

bool ledger_interrupted(const ledger *l, state_version *version, char step[16])
{
    *version = l->open.version;
    memcpy(step, l->open.step, sizeof l->open.step);
    return l->interrupted;
}

void ledger_write(out *o, ledger *l, int n)
{
    pthread_mutex_lock(&l->lock);
    int64_t from = l->n > LEDGER_KEPT ? l->n - LEDGER_KEPT : 0;
    if (from < l->n - n) from = l->n - n;
    out_text(o, "[");
    for (int64_t i = from; i < l->n; i++) {
        const kept_line *k = &l->ring[i % LEDGER_KEPT];
        out_text(o, i > from ? ",\n" : "\n");
        out_bytes(o, k->text, k->n);
    }
    out_text(o, "\n]\n");
    pthread_mutex_unlock(&l->lock);
}

void ledger_count(const ledger *l, int64_t counts[2][3])
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&l->lock; /* reading changes nothing that a reader sees */
    pthread_mutex_lock(lock);
    memcpy(counts, l->counts, sizeof l->counts);
    pthread_mutex_unlock(lock);
}

/* A new file's name must outlive a crash as its lines do. */
static void sync_folder(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    if (fsync(fd)) log_line(LOG_WARN, "ledger", "%s: %s", folder, strerror(errno));
    close(fd);
}

static void open_file(ledger *l)
{
    enum { SAFE = O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC };
    const char *folder = state_directory(l->state);
    char path[PATH_MAX + 16];
    struct stat st;
    error err = {""};
    ledger_lines_read seen;
    if (!folder[0]) return;
    snprintf(path, sizeof path, "%s/ledger.jsonl", folder);
    l->fd = open(path, O_RDWR | O_CREAT | SAFE, 0600);
    if (l->fd < 0 && (errno == EROFS || errno == EACCES)) l->fd = open(path, O_RDONLY | SAFE);
    if (l->fd >= 0 && !fstat(l->fd, &st) && !S_ISREG(st.st_mode)) {
        close(l->fd);
        l->fd = -1;
        errno = EINVAL;
    }
    if (l->fd < 0) {
        failed(l, errno, path);
        return;
    }
    sync_folder(folder);
    if (ledger_lines(l->fd, note, l, &seen, &err) != OK) log_line(LOG_ERROR, "ledger", "%s: %s", path, err.text);
    if (seen.skipped)
        log_line(LOG_WARN, "ledger", "%s: %lld of its lines are no JSON, and stay as they are", path,
                 (long long)seen.skipped);
    l->torn = seen.torn;
}

status ledger_open(ledger **opened, state *s, error *err)
{
    ledger *l = calloc(1, sizeof *l);
    *opened = l;
    if (!l) return fail(err, NO_MEMORY, "ledger: no memory for %zu bytes", sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->writing, NULL);
    l->state = s;
    l->fd = -1;
    open_file(l);
    l->interrupted = l->open.number != 0;
    if (l->interrupted)
        append(l, &(ledger_line){.action = LEDGER_RELEASE,
                                 .outcome = LEDGER_INTERRUPTED,
                                 .release = l->open.number,
                                 .step = l->open.step,
                                 .version = &l->open.version,
                                 .ms = -1,
                                 .detail = "the process ended before it did"});
    return OK;
}

void ledger_close(ledger *l)
{
    if (!l) return;
    if (l->fd >= 0) close(l->fd);
    for (int i = 0; i < LEDGER_KEPT; i++) free(l->ring[i].text);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->writing);
    free(l);
}
