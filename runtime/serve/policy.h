/* policy.h - when to run what, as a pure function of (queue, now): the server calls it, and the simulator will.
 *
 * First form: the executor takes, in arrival order, what is there, up to a token budget, the moment it is free; a
 * request that would take the queue past its bound is refused unless nothing is queued or running. */
#ifndef RUNTIME_SERVE_POLICY_H
#define RUNTIME_SERVE_POLICY_H
#include <stdbool.h>
#include <stdint.h>

typedef struct { int budget_tokens, budget_sequences, max_queued_tokens; } policy_limits;
typedef struct { int64_t queued_tokens, running_tokens; } policy_state;

/* May a request of n_tokens enter? */
bool policy_admits(const policy_limits *l, const policy_state *s, int64_t n_tokens);
/* May a sequence of n_tokens join an open batch that holds `tokens` in `sequences`?  The first always may. */
bool policy_fits(const policy_limits *l, int tokens, int sequences, int n_tokens);
/* Whole seconds after which a refused client may try again, at least 1; tokens_per_s as measured lately. */
int policy_retry_after_s(const policy_state *s, double tokens_per_s);
#endif
