#include "policy.h"

/* Typical of what is embedded; budget and quantum are worked out for sequences of this length. */
enum { TYPICAL_TOKENS = 128 };
/* A wait longer than this is told as this: a client that far away does better to ask again than to trust the forecast.
 */
enum { RETRY_MAX_S = 600 };

const char *const policy_trigger_names[TRIGGERS] = {"idle", "full", "deadline", "drain"};

static double ns_per_token(const service_model *m, int tokens)
{
    return (double)service_predict_ns(m, tokens, (tokens + TYPICAL_TOKENS - 1) / TYPICAL_TOKENS) / tokens;
}

/* The smallest batch at that share of the budget's speed, which is taken to rise with the tokens. */
static int tokens_at_speed(const service_model *m, const policy_plan *p, double share)
{
    int slow = 0, quick = p->budget_tokens;
    while (quick - slow > 1) {
        const int middle = slow + (quick - slow) / 2;
        if (ns_per_token(m, middle) * share > p->ns_per_token) slow = middle;
        else quick = middle;
    }
    return quick;
}

policy_plan policy_plan_make(const policy_limits *l, const service_model *m)
{
    policy_plan p = {0};
    p.budget_tokens = service_tokens_within(m, l->objective_ns / 2, TYPICAL_TOKENS, l->longest, l->batch_tokens);
    p.ns_per_token = ns_per_token(m, p.budget_tokens);
    p.quantum_tokens = tokens_at_speed(m, &p, POLICY_QUANTUM_SPEED);
    p.quiet_tokens = tokens_at_speed(m, &p, POLICY_QUIET_SPEED);
    return p;
}

int64_t policy_due_ns(const policy_plan *p, lane of, int64_t arrived_ns, int64_t tokens_before)
{
    int64_t patience_ns = of == LANE_BULK ? POLICY_BULK_PATIENCE_NS : 0;
    return arrived_ns + patience_ns + (int64_t)(POLICY_ARRAY_SHARE * p->ns_per_token * (double)tokens_before);
}

static int64_t min_ns(int64_t a, int64_t b) { return a < b ? a : b; }

int policy_ahead_tokens(const policy_plan *p, int64_t last_query_ns, int64_t now_ns)
{
    return now_ns - last_query_ns > POLICY_QUIET_NS ? p->quiet_tokens : p->quantum_tokens;
}

bool policy_joins(const policy_limits *l, const policy_plan *p, const service_model *m, const policy_batch *open,
                  const policy_sequence *s, int64_t begin_ns, policy_trigger *why)
{
    if (open->sequences == 0) return true;
    const int tokens = open->tokens + s->tokens;
    *why = TRIGGER_FULL;
    if (open->sequences >= l->batch_sequences || tokens > l->batch_tokens) return false;
    if (tokens > (s->due_ns <= begin_ns ? p->budget_tokens : open->ahead_tokens)) return false;
    *why = TRIGGER_DEADLINE;
    return !policy_hopeless(service_predict_ns(m, tokens, open->sequences + 1),
                            min_ns(open->first_deadline_ns, s->deadline_ns), begin_ns);
}

int64_t policy_cut_ns(const policy_plan *p, int64_t due_tokens, int64_t busy_until_ns, int64_t now_ns)
{
    if (busy_until_ns <= now_ns || due_tokens >= p->budget_tokens) return now_ns;
    return busy_until_ns - POLICY_LEAD_NS;
}

bool policy_hopeless(int64_t own_ns, int64_t deadline_ns, int64_t begin_ns)
{
    return deadline_ns < begin_ns || deadline_ns - begin_ns < own_ns;
}

int64_t policy_wait_limit_ns(const policy_limits *l, lane of, int64_t own_ns, int64_t deadline_ns, int64_t now_ns)
{
    int64_t limit_ns = l->max_wait_ns + (of == LANE_BULK ? POLICY_BULK_PATIENCE_NS : 0);
    return min_ns(limit_ns, deadline_ns - now_ns - own_ns);
}

policy_verdict policy_admits(const policy_limits *l, lane of, int64_t wait_ns, int64_t own_ns, int64_t deadline_ns,
                             int64_t now_ns)
{
    if (policy_hopeless(own_ns, deadline_ns, now_ns)) return POLICY_HOPELESS;
    return wait_ns > policy_wait_limit_ns(l, of, own_ns, deadline_ns, now_ns) ? POLICY_OVERLOADED : POLICY_ADMIT;
}

int policy_retry_after_s(int64_t wait_ns, int64_t limit_ns)
{
    const int64_t second = 1000000000, over_ns = wait_ns - limit_ns;
    if (over_ns <= second) return 1;
    if (over_ns > RETRY_MAX_S * second) return RETRY_MAX_S;
    return (int)((over_ns + second - 1) / second);
}
