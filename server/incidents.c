/* incidents.c - a list, newest first, and beside it the files.
 *
 * A bundle is in memory as long as its incident may still change, because its file is replaced whole, and as long as no
 * file has it; else it is read when it is asked for.
 *
 * Threads: `writing` is held by who changes something, from the change to the end of its file's writing, so that files
 * follow in the order of the changes; `lock`, taken within it, is held to change a few hundred bytes or copy a bundle.
 * So the list may be read under either, and is changed under both. */
#include "incidents.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "incident_bundle.h"
#include "incident_file.h"
#include "incident_signs.h"
#include "notify.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

enum { GRACE_MS = 2000, REPEAT_S = 60 };
static const int64_t SECOND = 1000000000;

const char *const cause_names[CAUSES] = {"slo_burn", "gpu_fault", "stalled_executor",
                                         "golden",   "rollback",  "contract_violations"};

struct incidents {
    const app *a;
    char folder[PATH_MAX]; /* "": memory is all that was asked for */
    notify *told;          /* NULL: nobody */
    pthread_mutex_t writing, lock;
    incident *first;
    char complaint[256]; /* why the last write failed, "": it did not; under writing */
    _Atomic int open;    /* counts: no order with anything else is needed */
    _Atomic int64_t write_errors;
    incident_signs signs; /* the ticking thread's, as is this */
    int64_t retry_ns;
};

int incidents_open_count(const incidents *i) { return atomic_load_explicit(&i->open, memory_order_relaxed); }

int64_t incidents_write_errors(const incidents *i)
{
    return atomic_load_explicit(&i->write_errors, memory_order_relaxed);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the list -----------------------------------------------------------------------------------------------------
 */

static incident *find(const incidents *i, const char *id)
{
    incident *n = i->first;
    while (n && strcmp(n->id, id)) n = n->next;
    return n;
}

/* NULL: the cause has none that is not resolved. */
static incident *find_open(const incidents *i, cause why)
{
    incident *n = i->first;
    while (n && (n->why != why || n->state == INCIDENT_RESOLVED)) n = n->next;
    return n;
}

/* Among those of the same time the one that comes last is the newest. */
static void insert(incidents *i, incident *n)
{
    incident **at = &i->first;
    while (*at && (*at)->opened_ms > n->opened_ms) at = &(*at)->next;
    n->next = *at;
    *at = n;
    if (n->state != INCIDENT_RESOLVED) atomic_fetch_add_explicit(&i->open, 1, memory_order_relaxed);
}

static void drop_bundle(incident *n)
{
    free(n->bundle);
    n->bundle = NULL;
}

/* Under both locks: what there is no room for, as a list. */
static incident *take_oldest(incidents *i)
{
    int closed = 0, bundles = 0;
    incident *taken = NULL, *n;
    for (incident **at = &i->first; (n = *at);) {
        const bool in_file = *i->folder && !n->unwritten, resolved = n->state == INCIDENT_RESOLVED;
        closed += resolved;
        if (closed > INCIDENTS_KEPT && resolved) {
            *at = n->next;
            n->next = taken;
            taken = n;
            continue;
        }
        if (resolved && (in_file || ++bundles > INCIDENTS_BUNDLES)) drop_bundle(n);
        at = &n->next;
    }
    return taken;
}

static void remove_all(const incidents *i, incident *n)
{
    for (incident *next; n; n = next) {
        next = n->next;
        if (*i->folder) incident_file_remove(i->folder, n);
        incident_free(n);
    }
}

/* Once for each reason: that is the end of the line, and what is before it is the path. */
static void complain(incidents *i, const error *why)
{
    const char *reason = strrchr(why->text, ':');
    atomic_fetch_add_explicit(&i->write_errors, 1, memory_order_relaxed);
    if (!reason) reason = why->text;
    if (strcmp(reason, i->complaint)) log_line(LOG_ERROR, "incident", "kept in memory only: %s", why->text);
    snprintf(i->complaint, sizeof i->complaint, "%s", reason);
}

/* Under writing: what was changed goes to the disk. */
static void save(incidents *i, incident *n)
{
    error err = {""};
    const bool failed = *i->folder && incident_file_write(i->folder, n, &err) != OK;
    if (failed) complain(i, &err);
    else i->complaint[0] = 0;
    pthread_mutex_lock(&i->lock);
    n->unwritten = failed;
    incident *taken = take_oldest(i);
    pthread_mutex_unlock(&i->lock);
    remove_all(i, taken);
}

/* Under writing. */
static void tell(const incidents *i, const incident *n)
{
    out o = {0};
    if (!i->told) return;
    incident_document(&o, n);
    if (o.failed) log_line(LOG_ERROR, "notify", "nobody is told of incident %s: no memory", n->id);
    else notify_post(i->told, o.p, o.n);
    out_free(&o);
}

/* ---- open and close -----------------------------------------------------------------------------------------------
 */

static void read_file(incidents *i, const char *file)
{
    error err;
    incident *n;
    if (incident_file_read(&n, i->folder, file, &err) == OK) {
        insert(i, n);
        if (n->state == INCIDENT_RESOLVED) drop_bundle(n); /* one at a time: all of them are many MB */
    } else log_line(LOG_ERROR, "incident", "%s/%s is left as it is: %s", i->folder, file, err.text);
}

static void read_folder(incidents *i)
{
    DIR *d = opendir(i->folder);
    if (!d && errno != ENOENT) log_line(LOG_ERROR, "incident", "%s: %s", i->folder, strerror(errno));
    for (const struct dirent *e; d && (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (end && !strcmp(end, ".json")) read_file(i, e->d_name);
    }
    if (d) closedir(d);
    remove_all(i, take_oldest(i));
}

status incidents_open(incidents **opened, const app *a, const char *state_directory, const char *url, error *err)
{
    *opened = NULL;
    incidents *i = calloc(1, sizeof *i);
    if (!i) return fail(err, NO_MEMORY, "no memory for incidents");
    pthread_mutex_init(&i->writing, NULL); /* cannot fail with default attributes on Linux */
    pthread_mutex_init(&i->lock, NULL);
    i->a = a;
    status rc = OK;
    if (*state_directory &&
        snprintf(i->folder, sizeof i->folder, "%s/incidents", state_directory) >= PATH_MAX - INCIDENT_FILE_ROOM)
        rc = fail(err, BAD_INPUT, "%.100s...: a path of %zu bytes, at most %d", state_directory,
                  strlen(state_directory), PATH_MAX - INCIDENT_FILE_ROOM);
    if (rc == OK && *url) rc = notify_open(&i->told, url, err);
    if (rc == OK && *i->folder) read_folder(i);
    if (rc == OK) *opened = i;
    else incidents_close(i);
    return rc;
}

void incidents_close(incidents *i)
{
    if (!i) return;
    notify_close(i->told, GRACE_MS);
    for (incident *n = i->first, *next; n; n = next) {
        next = n->next;
        incident_free(n);
    }
    pthread_mutex_destroy(&i->lock);
    pthread_mutex_destroy(&i->writing);
    free(i);
}

/* ---- changes ------------------------------------------------------------------------------------------------------
 */

/* Of the second and the cause, and a number when somebody has that. */
static void name(const incidents *i, incident *n)
{
    struct tm utc;
    char at[32];
    const time_t s = (time_t)(n->opened_ms / 1000);
    gmtime_r(&s, &utc);
    strftime(at, sizeof at, "%Y%m%d-%H%M%S", &utc);
    snprintf(n->id, sizeof n->id, "%s-%s", at, cause_names[n->why]);
    for (int k = 2; find(i, n->id) || (*i->folder && incident_file_is_there(i->folder, n)); k++)
        snprintf(n->id, sizeof n->id, "%s-%s-%d", at, cause_names[n->why], k);
}

/* Under writing. */
static incident *begin(incidents *i, cause why, const char *rule, const char *summary)
{
    incident *n = calloc(1, sizeof *n);
    if (!n) return NULL;
    n->why = why;
    n->opened_ms = n->last_ms = now_ms();
    n->count = 1;
    incident_copy(n->rule, sizeof n->rule, rule);
    incident_copy(n->summary, sizeof n->summary, summary);
    name(i, n);
    incident_bundle_take(n, i->a, clock_ns());
    pthread_mutex_lock(&i->lock);
    insert(i, n);
    pthread_mutex_unlock(&i->lock);
    return n;
}

static void say(const incident *n, const char *what, const char *summary)
{
    char owner[3 * INCIDENT_TEXT + 32] = "no owner is known";
    if (n->team[0]) snprintf(owner, sizeof owner, "owner %s, %s, runbook %s", n->team, n->contact, n->runbook);
    log_line(LOG_WARN, "incident", "%s, %s, %lld so far: %s; %s", n->id, what, (long long)n->count, summary, owner);
}

bool incidents_report(incidents *i, cause why, const char *rule, const char *summary)
{
    pthread_mutex_lock(&i->writing);
    incident *n = find_open(i, why);
    const bool known = n != NULL;
    if (known) {
        pthread_mutex_lock(&i->lock);
        n->count++;
        n->last_ms = now_ms();
        pthread_mutex_unlock(&i->lock);
    } else {
        n = begin(i, why, rule, summary);
    }
    if (n) {
        say(n, known ? "again" : "open", summary);
        save(i, n);
        if (!known) tell(i, n);
    } else {
        log_line(LOG_ERROR, "incident", "no memory for one: %s", summary);
    }
    pthread_mutex_unlock(&i->writing);
    return n && !known;
}

/* The one that may be changed, with both locks held; or the failure, with none. */
static status lock_one(incidents *i, const char *id, incident **n, error *err)
{
    pthread_mutex_lock(&i->writing);
    pthread_mutex_lock(&i->lock);
    status rc = OK;
    *n = find(i, id);
    if (!*n) rc = fail(err, NOT_FOUND, "no incident %.80s", id);
    else if ((*n)->state == INCIDENT_RESOLVED)
        rc = fail(err, CONFLICT, "%.80s is resolved already, by %s", id, (*n)->resolved_by);
    if (rc == OK) return OK;
    pthread_mutex_unlock(&i->lock);
    pthread_mutex_unlock(&i->writing);
    return rc;
}

static void unlock_changed(incidents *i, incident *n, const char *who)
{
    pthread_mutex_unlock(&i->lock);
    log_line(LOG_INFO, "incident", "%s is %s, by %s", n->id, incident_states[n->state], who);
    tell(i, n); /* while it has its bundle */
    save(i, n);
    pthread_mutex_unlock(&i->writing);
}

status incidents_acknowledge(incidents *i, const char *id, const char *who, error *err)
{
    incident *n;
    const status rc = lock_one(i, id, &n, err);
    if (rc != OK) return rc;
    n->state = INCIDENT_ACKNOWLEDGED;
    n->acknowledged_ms = now_ms();
    incident_copy(n->acknowledged_by, sizeof n->acknowledged_by, who);
    unlock_changed(i, n, who);
    return OK;
}

status incidents_resolve(incidents *i, const char *id, const char *who, const char *note, error *err)
{
    incident *n;
    if (!note[strspn(note, " \t\r\n")]) return fail(err, BAD_INPUT, "the note is blank, wanted what it was");
    if (strlen(note) > INCIDENT_NOTE_MAX)
        return fail(err, BAD_INPUT, "the note has %zu bytes, the limit is %d", strlen(note), INCIDENT_NOTE_MAX);
    const status rc = lock_one(i, id, &n, err);
    if (rc != OK) return rc;
    n->state = INCIDENT_RESOLVED;
    n->resolved_ms = now_ms();
    incident_copy(n->resolved_by, sizeof n->resolved_by, who);
    incident_copy(n->note, sizeof n->note, note);
    atomic_fetch_sub_explicit(&i->open, 1, memory_order_relaxed);
    unlock_changed(i, n, who);
    return OK;
}

/* ---- readers ------------------------------------------------------------------------------------------------------
 */

void incidents_write(out *o, incidents *i)
{
    out_text(o, "[");
    pthread_mutex_lock(&i->lock);
    for (const incident *n = i->first; n; n = n->next) {
        out_text(o, n == i->first ? "\n" : ",\n");
        incident_head(o, n);
    }
    pthread_mutex_unlock(&i->lock);
    out_text(o, "\n]\n");
}

status incident_write(out *o, incidents *i, const char *id, error *err)
{
    incident seen, *read = NULL;
    char file[sizeof seen.id + sizeof ".json"];
    error why;
    pthread_mutex_lock(&i->lock);
    const incident *n = find(i, id);
    if (n) seen = *n;
    if (n && n->bundle) incident_document(o, n);
    pthread_mutex_unlock(&i->lock);
    if (!n) return fail(err, NOT_FOUND, "no incident %.80s", id);
    if (seen.bundle) return OK;
    snprintf(file, sizeof file, "%s.json", seen.id);
    /* A file that somebody took away or broke costs the bundle alone. */
    const bool there = *i->folder && incident_file_read(&read, i->folder, file, &why) == OK;
    incident_document(o, there ? read : &seen);
    incident_free(read);
    return OK;
}

/* ---- the thread that ticks ----------------------------------------------------------------------------------------
 */

static void follow(incidents *i, sign *s, cause why, int64_t now_ns)
{
    if (!s->on) return;
    pthread_mutex_lock(&i->lock);
    const bool known = find_open(i, why) != NULL;
    pthread_mutex_unlock(&i->lock);
    if (known ? now_ns < s->again_ns : !s->began) return;
    s->again_ns = now_ns + REPEAT_S * SECOND;
    incidents_report(i, why, "", s->summary);
}

/* No more are closed than there were at the last save(), so that none is freed under our feet. */
static void write_again(incidents *i)
{
    pthread_mutex_lock(&i->writing);
    for (incident *n = i->first; n; n = n->next)
        if (n->unwritten) save(i, n);
    pthread_mutex_unlock(&i->writing);
}

void incidents_tick(incidents *i, int64_t now_ns)
{
    incident_signs_look(&i->signs, i->a->monitor, now_ns);
    follow(i, &i->signs.of[SIGN_BURN], CAUSE_SLO_BURN, now_ns);
    follow(i, &i->signs.of[SIGN_CONTRACT], CAUSE_CONTRACT, now_ns);
    if (now_ns < i->retry_ns) return;
    i->retry_ns = now_ns + REPEAT_S * SECOND;
    write_again(i);
}
