#include "versions.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "capacity.h"
#include "runtime/base/clock.h"

struct versions {
    pthread_mutex_t lock;               /* of all below, and of refs and next of every version */
    version *active, *previous, *older; /* each holds one reference; each may be NULL */
    version *retired;                   /* by next: without that reference, closed once nobody holds them */
};

status versions_open(versions **out, error *err)
{
    versions *vs = calloc(1, sizeof *vs);
    *out = vs;
    if (!vs) return fail(err, NO_MEMORY, "no memory for the versions");
    pthread_mutex_init(&vs->lock, NULL); /* cannot fail on Linux */
    return OK;
}

/* ---- references ---- */

static version *acquire(versions *vs, version *const *slot)
{
    pthread_mutex_lock(&vs->lock);
    version *v = *slot;
    if (v) v->refs++;
    pthread_mutex_unlock(&vs->lock);
    return v;
}

version *versions_acquire(versions *vs) { return acquire(vs, &vs->active); }
version *versions_acquire_previous(versions *vs) { return acquire(vs, &vs->previous); }

void versions_release(versions *vs, version *v)
{
    if (!v) return;
    pthread_mutex_lock(&vs->lock);
    assert(v->refs > 0);
    v->refs--;
    pthread_mutex_unlock(&vs->lock);
}

/* ---- switches ---- */

static void retire_locked(versions *vs, version **slot)
{
    version *v = *slot;
    *slot = NULL;
    if (!v) return;
    v->refs--;
    v->next = vs->retired;
    vs->retired = v;
}

static void begin_locked(version *v)
{
    v->since_unix_s = time(NULL);
    v->since_ns = clock_ns();
}

void versions_activate(versions *vs, version *next)
{
    pthread_mutex_lock(&vs->lock);
    retire_locked(vs, &vs->older); /* of a bake that was never settled */
    vs->older = vs->previous;
    vs->previous = vs->active;
    vs->active = next;
    next->refs = 1;
    begin_locked(next);
    pthread_mutex_unlock(&vs->lock);
}

void versions_settle(versions *vs)
{
    pthread_mutex_lock(&vs->lock);
    retire_locked(vs, &vs->older);
    pthread_mutex_unlock(&vs->lock);
}

void versions_drop_previous(versions *vs)
{
    pthread_mutex_lock(&vs->lock);
    retire_locked(vs, &vs->previous);
    pthread_mutex_unlock(&vs->lock);
}

static status none_resident(error *err)
{
    return fail(err, NOT_FOUND, "no previous version is loaded: nothing was released since the start, or --keep is 0");
}

status versions_revert(versions *vs, error *err)
{
    pthread_mutex_lock(&vs->lock);
    const bool can = vs->previous;
    if (can) {
        retire_locked(vs, &vs->active);
        vs->active = vs->previous;
        vs->previous = vs->older;
        vs->older = NULL;
        begin_locked(vs->active);
    }
    pthread_mutex_unlock(&vs->lock);
    return can ? OK : none_resident(err);
}

status versions_rollback(versions *vs, error *err)
{
    pthread_mutex_lock(&vs->lock);
    version *back = vs->previous;
    if (back) {
        vs->previous = vs->active;
        vs->active = back;
        begin_locked(back);
    }
    pthread_mutex_unlock(&vs->lock);
    return back ? OK : none_resident(err);
}

/* ---- the end of one ---- */

int versions_reap(versions *vs)
{
    version *dead = NULL;
    int held = 0;
    pthread_mutex_lock(&vs->lock);
    for (version **at = &vs->retired, *v; (v = *at);) {
        if (v->refs > 0) {
            held++;
            at = &v->next;
        } else {
            *at = v->next;
            v->next = dead;
            dead = v;
        }
    }
    pthread_mutex_unlock(&vs->lock);
    for (version *next; dead; dead = next) {
        next = dead->next;
        version_free(dead);
    }
    return held;
}

void versions_close(versions *vs)
{
    if (!vs) return;
    pthread_mutex_lock(&vs->lock);
    retire_locked(vs, &vs->active);
    retire_locked(vs, &vs->previous);
    retire_locked(vs, &vs->older);
    pthread_mutex_unlock(&vs->lock);
    const int held = versions_reap(vs);
    assert(held == 0);
    (void)held;
    pthread_mutex_destroy(&vs->lock);
    free(vs);
}

/* ---- a value ---- */

/* A directory's name may hold anything; a header may not. */
static void set_printable(char *to, size_t cap, const char *from)
{
    size_t i = 0;
    for (; from[i] && i + 1 < cap; i++) to[i] = from[i] > ' ' && from[i] < 0x7f ? from[i] : '_';
    to[i] = 0;
}

static void set_directory(char *to, size_t cap, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t first = n;
    while (first > 0 && path[first - 1] != '/') first--;
    snprintf(to, cap, "%.*s", (int)(n - first), path + first);
}

status version_new(version **out, engine *e, const char *path, const char *model_name, struct capacity *c,
                   error *err)
{
    version *v = calloc(1, sizeof *v);
    *out = v;
    if (!v) {
        engine_close(e);
        free(c);
        return fail(err, NO_MEMORY, "no memory for a version");
    }
    v->engine = e;
    v->capacity = c;
    set_directory(v->directory, sizeof v->directory, path);
    set_printable(v->name, sizeof v->name, e->manifest ? e->manifest->version : e->description.name);
    snprintf(v->model_name, sizeof v->model_name, "%s",
             *model_name   ? model_name
             : e->manifest ? e->manifest->name
                           : e->description.name);
    if (c) service_seed(&v->service, &c->service);
    else if (e->seed.n) service_seed(&v->service, &e->seed);
    return OK;
}

void version_free(version *v)
{
    if (!v) return;
    engine_close(v->engine);
    free(v->capacity);
    free(v);
}
