/* flight.h - the flight recorder: the last events of every thread, always on, read when something has gone wrong.
 *
 * A thread that has attached owns a ring of fixed-size records and writes it without locks: a clock reading, which the
 * caller has anyway, and four stores.  A thread that has not attached records nothing.  Readers copy a ring and leave
 * out what was overwritten meanwhile.  Numbers only: never a text, a key or an address of a client. */
#ifndef RUNTIME_BASE_FLIGHT_H
#define RUNTIME_BASE_FLIGHT_H
#include <stdint.h>
#include "status.h"

enum { FLIGHT_EVENTS = 4096 /* of a thread; 128 KiB */, FLIGHT_THREADS_MAX = 600 };

typedef enum {
    FLIGHT_REQUEST, /* answered:            code, total us, tokens */
    FLIGHT_REFUSAL, /* refused at the door: code, predicted wait us, tokens */
    FLIGHT_DROP,    /* left the queue:      status, waited us, tokens never computed */
    FLIGHT_BATCH,   /* came back:           sequences, us on the device, tokens */
    FLIGHT_CUT,     /* went to the device:  sequences, tokens, trigger */
    FLIGHT_RELEASE, /* another version:     step, us, outcome */
    FLIGHT_FAULT,   /* of the device:       status, us since the batch began, tokens */
    FLIGHT_PHASE,   /* of the server:       phase, 0, 0 */
    FLIGHT_KINDS
} flight_kind;

typedef struct {
    int64_t ns;
    flight_kind kind;
    uint32_t a;
    uint64_t b, c;
} flight_record;
typedef struct {
    const char *name, *a, *b, *c;
} flight_row; /* of an event and its three numbers; "" : none */
extern const flight_row flight_rows[FLIGHT_KINDS];

/* Gives the calling thread a ring; name is kept as a copy of at most 31 bytes.  The thread detaches before it ends; its
 * ring stays readable until another thread takes it over. */
status flight_attach(const char *name, error *err);
void flight_detach(void); /* without a ring: nothing */
void flight_note(int64_t now_ns, flight_kind kind, uint32_t a, uint64_t b, uint64_t c);

/* Any thread.  Rings are numbered from 0 in the order in which they were made. */
int flight_rings(void);
const char *flight_ring_name(int i, char name[32]); /* returns name */
/* out [FLIGHT_EVENTS], oldest first; returns how many: one less than FLIGHT_EVENTS of a ring that has gone round, as
 * the oldest may be half overwritten. */
int flight_read(int i, flight_record *out);
#endif
