/* flight.c - one ring a thread, found through a thread-local pointer.
 *
 * Words are stored with release and loaded with acquire, which costs nothing on x86-64: a reader that saw any word of
 * event number i also sees `written` >= i, so it knows that the event i - FLIGHT_EVENTS it wanted is gone.  The lock is
 * for attaching, detaching and reading; no note ever takes it.  Rings are never freed. */
#include "flight.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 4, NAME_BYTES = 32, LINE_BYTES = 64 };
_Static_assert((FLIGHT_EVENTS & (FLIGHT_EVENTS - 1)) == 0, "a number's place is its low bits");

typedef struct {
    _Alignas(LINE_BYTES) _Atomic uint64_t event[FLIGHT_EVENTS][WORDS]; /* ns, kind and a, b, c */
    _Atomic uint64_t written;                                          /* events ever; the owner's, release */
    uint64_t first;        /* the owner's first event: those before are another thread's.  lock */
    bool owned;            /* lock */
    char name[NAME_BYTES]; /* lock */
} ring;

const flight_row flight_rows[FLIGHT_KINDS] = {
    [FLIGHT_REQUEST] = {"request", "code", "total_us", "tokens"},
    [FLIGHT_REFUSAL] = {"refusal", "code", "predicted_wait_us", "tokens"},
    [FLIGHT_DROP] = {"drop", "status", "waited_us", "tokens"},
    [FLIGHT_BATCH] = {"batch", "sequences", "device_us", "tokens"},
    [FLIGHT_CUT] = {"cut", "sequences", "tokens", "trigger"},
    [FLIGHT_RELEASE] = {"release", "step", "us", "outcome"},
    [FLIGHT_FAULT] = {"fault", "status", "since_begun_us", "tokens"},
    [FLIGHT_PHASE] = {"phase", "phase", "", ""},
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ring *rings[FLIGHT_THREADS_MAX]; /* [n_rings], lock */
static int n_rings;                     /* lock */
static _Thread_local ring *mine;

status flight_attach(const char *name, error *err)
{
    status rc = OK;
    ring *r = NULL;
    assert(!mine);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_rings && !r; i++)
        if (!rings[i]->owned) r = rings[i];
    if (r) {
        r->first = atomic_load_explicit(&r->written, memory_order_relaxed);
    } else if (n_rings == FLIGHT_THREADS_MAX) {
        rc = fail(err, OVERLOADED, "flight recorder: %d threads have a ring, \"%s\" is one too many", n_rings, name);
    } else if (!(r = aligned_alloc(LINE_BYTES, sizeof *r))) {
        rc = fail(err, NO_MEMORY, "flight recorder: no memory for \"%s\", %zu bytes", name, sizeof *r);
    } else {
        memset(r, 0, sizeof *r); /* its pages are there before the first event */
        rings[n_rings++] = r;
    }
    if (r) {
        r->owned = true;
        snprintf(r->name, sizeof r->name, "%s", name);
    }
    pthread_mutex_unlock(&lock);
    mine = r;
    return rc;
}

void flight_detach(void)
{
    if (!mine) return;
    pthread_mutex_lock(&lock);
    mine->owned = false;
    pthread_mutex_unlock(&lock);
    mine = NULL;
}

void flight_note(int64_t now_ns, flight_kind kind, uint32_t a, uint64_t b, uint64_t c)
{
    ring *r = mine;
    if (!r) return;
    const uint64_t number = atomic_load_explicit(&r->written, memory_order_relaxed);
    _Atomic uint64_t *word = r->event[number % FLIGHT_EVENTS];
    atomic_store_explicit(&word[0], (uint64_t)now_ns, memory_order_release);
    atomic_store_explicit(&word[1], (uint64_t)kind << 32 | a, memory_order_release);
    atomic_store_explicit(&word[2], b, memory_order_release);
    atomic_store_explicit(&word[3], c, memory_order_release);
    atomic_store_explicit(&r->written, number + 1, memory_order_release);
}

int flight_rings(void)
{
    pthread_mutex_lock(&lock);
    const int n = n_rings;
    pthread_mutex_unlock(&lock);
    return n;
}

const char *flight_ring_name(int i, char name[32])
{
    pthread_mutex_lock(&lock);
    memcpy(name, rings[i]->name, NAME_BYTES);
    pthread_mutex_unlock(&lock);
    return name;
}

/* Events [from, written) as far as they are whole; those that were overwritten while being copied are the oldest. */
static int copy(const ring *r, flight_record *out)
{
    const uint64_t end = atomic_load_explicit(&r->written, memory_order_acquire);
    uint64_t from = end > FLIGHT_EVENTS ? end - FLIGHT_EVENTS : 0;
    if (from < r->first) from = r->first;
    for (uint64_t i = from; i < end; i++) {
        const _Atomic uint64_t *word = r->event[i % FLIGHT_EVENTS];
        const uint64_t ns = atomic_load_explicit(&word[0], memory_order_acquire),
                       head = atomic_load_explicit(&word[1], memory_order_acquire),
                       b = atomic_load_explicit(&word[2], memory_order_acquire),
                       c = atomic_load_explicit(&word[3], memory_order_acquire);
        out[i - from] = (flight_record){(int64_t)ns, (flight_kind)(head >> 32), (uint32_t)head, b, c};
    }
    /* Event number `now` may be half written: its place was that of now - FLIGHT_EVENTS. */
    const uint64_t now = atomic_load_explicit(&r->written, memory_order_relaxed);
    const uint64_t whole = now < FLIGHT_EVENTS ? 0 : now - FLIGHT_EVENTS + 1;
    const uint64_t lost = whole <= from ? 0 : whole < end ? whole - from : end - from;
    memmove(out, out + lost, (end - from - lost) * sizeof *out);
    return (int)(end - from - lost);
}

int flight_read(int i, flight_record *out)
{
    pthread_mutex_lock(&lock); /* nobody takes the ring over meanwhile */
    const int n = copy(rings[i], out);
    pthread_mutex_unlock(&lock);
    return n;
}
