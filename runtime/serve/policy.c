#include "policy.h"
#include <math.h>

/* A wait longer than this is told as this: a client that far away does better to ask again than to trust the forecast.
 */
enum { RETRY_MAX_S = 600 };

bool policy_admits(const policy_limits *l, const policy_state *s, int64_t n_tokens)
{
    if (s->queued_tokens == 0 && s->running_tokens == 0)
        return true; /* else a big request could never be served at all */
    return n_tokens <= l->max_queued_tokens - s->queued_tokens;
}

bool policy_fits(const policy_limits *l, int tokens, int sequences, int n_tokens)
{
    if (sequences == 0) return true;
    return sequences < l->budget_sequences && n_tokens <= l->budget_tokens - tokens;
}

int policy_retry_after_s(const policy_state *s, double tokens_per_s)
{
    if (!(tokens_per_s > 0)) return 1; /* nothing was measured yet */
    double wait_s = ceil((double)(s->queued_tokens + s->running_tokens) / tokens_per_s);
    if (wait_s >= RETRY_MAX_S) return RETRY_MAX_S;
    return wait_s < 1 ? 1 : (int)wait_s;
}
