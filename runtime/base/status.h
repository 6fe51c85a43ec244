/* status.h - how a function says no.
 *
 * A function that can fail returns `status` and, when it fails, has written one line for a human into
 * `err`: the value seen and the value wanted.  The first to fail writes; callers pass it up unchanged, or
 * prefix what they were doing.  On failure outputs are zero and nothing is held.  Nothing below main() exits. */
#ifndef RUNTIME_BASE_STATUS_H
#define RUNTIME_BASE_STATUS_H

typedef enum {
    OK,
    MALFORMED,   /* not what it claims to be: broken JSON, invalid UTF-8 (HTTP 400) */
    EMPTY,       /* an empty text or list (HTTP 400) */
    BAD_INPUT,   /* well formed, not acceptable: wrong type, out of range; a model that we refuse (HTTP 422) */
    NOT_FOUND,
    CONFLICT,    /* another one is under way: once that has ended it may work (HTTP 409) */
    OVERLOADED,  /* a bound is reached, later may work (HTTP 429) */
    UNAVAILABLE, /* not ready or draining (HTTP 503) */
    EXPIRED,     /* the deadline passed, or cannot be made any more (HTTP 504) */
    CANCELLED,   /* the client has left; nobody reads the answer */
    IO_FAILED,
    NO_MEMORY,
    NOT_FINITE,  /* the model gave NaN or Inf for this text (HTTP 500) */
    PENDING,     /* no failure: the device is still at it, ask again */
    GPU_FAILED,  /* this batch is lost, the next may work: out of memory, bad launch */
    GPU_LOST,    /* the device is dead for this process: answer 503, end, be restarted */
} status;

typedef struct { char text[256]; } error;

/* Writes the line and returns `why`, so that a refusal is one statement. */
status fail(error *err, status why, const char *fmt, ...) __attribute__((format(printf, 3, 4), warn_unused_result));
#endif
