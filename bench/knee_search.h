/* knee_search.h - which rate is tried next, from what came of those before: no clock, no socket, no server.
 *
 *   RAMP     from the first rate, 1.5 times each, until one fails
 *   BISECT   between the highest that passed and the lowest that failed, until they lie 3 % apart
 *   CONFIRM  the highest that passed, several times in a row; where it fails, 0.95 of it, anew
 *
 * A machine has bad seconds: in the first two parts a rate has failed when it failed twice in a row, for one failure by
 * chance early in the ramp would cut the knee by half.  What luck let pass is held to its word by CONFIRM, where one
 * failure is enough.  What the client could not send well says nothing of the server: it is tried three times, then
 * the client is the limit. */
#ifndef BENCH_KNEE_SEARCH_H
#define BENCH_KNEE_SEARCH_H

typedef enum { KNEE_PASSED, KNEE_FAILED, KNEE_CLIENT_FAILED } knee_outcome;
typedef enum {
    KNEE_RAMP,
    KNEE_BISECT,
    KNEE_CONFIRM,
    KNEE_FOUND,       /* passed is the knee */
    KNEE_NONE,        /* the first rate failed, or no rate held often enough */
    KNEE_CLIENT_LIMIT /* nothing is known beyond passed */
} knee_phase;
extern const char *const knee_phases[]; /* "ramp", ... */

typedef struct {
    knee_phase phase;
    double rate;           /* to be tried next */
    double passed, failed; /* the highest that passed, 0: none; the lowest that failed, INFINITY: none */
    int confirmed;         /* times in a row that `rate` has been */

    /* its own */
    double first, most;
    int confirmations, failures, client_failures, steps_down;
} knee_search;

/* most: beyond it the client cannot send.  confirmations 0: the bisection's word is enough. */
knee_search knee_search_begin(double first, double most, int confirmations);
/* What came of `rate`. */
void knee_search_take(knee_search *s, knee_outcome o);
int knee_search_is_over(const knee_search *s);
#endif
