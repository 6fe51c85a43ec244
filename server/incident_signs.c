/* incident_signs.c - the burn's windows are the monitor's, looked at each time; a minute's refusals once a minute. */
#include "incident_signs.h"
#include <stdio.h>

enum { LEAST_BAD = 10 /* a burn rate of a few requests says nothing */, LEAST_POSTS = 100 };
static const int64_t MINUTE = 60000000000;

/* Both windows above: the long one says that it matters, the short one that it goes on.  Google's SRE workbook, with
 * the windows that the monitor has: 2 % of a month's budget in an hour, 5 % in six.  The slower rule wants an hour of
 * life, or every window were the few minutes since the start, and the quicker rule's limit never reached. */
static const struct {
    int brief, lasting; /* of monitor_burn_windows */
    double limit;
    int minutes; /* that we have lived */
} burn_rules[] = {{0, 1, 14.4, 0}, {1, 2, 6, 60}};
enum { BURN_RULES = sizeof burn_rules / sizeof *burn_rules };

static void set(sign *s, bool on)
{
    s->began = on && !s->on;
    s->on = on;
}

static void look_at_burn(incident_signs *s, const monitor *m)
{
    double rate[MONITOR_BURN_WINDOWS];
    sign *burn = &s->of[SIGN_BURN];
    int r = 0;
    monitor_burn(m, rate);
    while (r < BURN_RULES && !(s->minutes > burn_rules[r].minutes && rate[burn_rules[r].brief] > burn_rules[r].limit &&
                               rate[burn_rules[r].lasting] > burn_rules[r].limit))
        r++;
    if (r == BURN_RULES) {
        set(burn, false);
        return;
    }
    monitor_sum sum;
    monitor_add_up(m, &sum);
    const int64_t oldest = s->minutes > SIGNS_MINUTES ? s->minutes - SIGNS_MINUTES : 0; /* 5 to 6 minutes ago */
    const int64_t bad = sum.bad - s->minute[oldest % SIGNS_MINUTES].bad;
    set(burn, bad >= LEAST_BAD);
    snprintf(
        burn->summary, sizeof burn->summary,
        "the error budget burns %.1f times too fast over %s and %.1f times over %s, the limit is %g: %lld requests "
        "were bad in 5 minutes",
        rate[burn_rules[r].brief], monitor_burn_windows[burn_rules[r].brief], rate[burn_rules[r].lasting],
        monitor_burn_windows[burn_rules[r].lasting], burn_rules[r].limit, (long long)bad);
}

/* Endpoints are the POST routes, and one for all else. */
static void add_posts(const monitor *m, const monitor_sum *sum, int64_t *posts, int64_t *refused)
{
    for (int e = 0; e < monitor_endpoints(m) - 1; e++) {
        for (int c = 0; c < MONITOR_CODES; c++) {
            *posts += sum->requests[e][c];
            if (monitor_codes[c] == 400 || monitor_codes[c] == 422) *refused += sum->requests[e][c];
        }
    }
}

static void end_minute(incident_signs *s, const monitor *m)
{
    monitor_sum sum;
    sign *contract = &s->of[SIGN_CONTRACT];
    int64_t posts = 0, refused = 0;
    monitor_add_up(m, &sum);
    add_posts(m, &sum, &posts, &refused);
    const int64_t last = (s->minutes - 1) % SIGNS_MINUTES, at = s->minutes++ % SIGNS_MINUTES;
    const int64_t more = posts - s->minute[last].posts, bad = refused - s->minute[last].refused;
    s->minute[at].bad = sum.bad;
    s->minute[at].posts = posts;
    s->minute[at].refused = refused;
    set(contract, more >= LEAST_POSTS && 2 * bad > more);
    snprintf(contract->summary, sizeof contract->summary,
             "%lld of %lld requests in a minute were answered 400 or 422, the limit is half of them", (long long)bad,
             (long long)more);
}

void incident_signs_look(incident_signs *s, const monitor *m, int64_t now_ns)
{
    s->of[SIGN_CONTRACT].began = false;
    if (!s->minutes) {
        s->minutes = 1; /* what came before the first look counts as after it, as the monitor has it */
        s->next_ns = now_ns + MINUTE;
    } else if (now_ns >= s->next_ns) {
        end_minute(s, m);
        s->next_ns = now_ns + MINUTE;
    }
    look_at_burn(s, m);
}
