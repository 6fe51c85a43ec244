#include "knee_search.h"
#include <math.h>

enum { FAILURES = 2, CLIENT_FAILURES = 3, STEPS_DOWN = 10 };
static const double STEP_UP = 1.5, STEP_DOWN = 0.95, CLOSE = 1.03;

const char *const knee_phases[] = {
    [KNEE_RAMP] = "ramp",   [KNEE_BISECT] = "bisect", [KNEE_CONFIRM] = "confirm",
    [KNEE_FOUND] = "found", [KNEE_NONE] = "none",     [KNEE_CLIENT_LIMIT] = "client limit"};

knee_search knee_search_begin(double first, double most, int confirmations)
{
    return (knee_search){
        .rate = first, .first = first, .most = most, .failed = INFINITY, .confirmations = confirmations};
}

int knee_search_is_over(const knee_search *s) { return s->phase >= KNEE_FOUND; }

static void confirm(knee_search *s)
{
    s->phase = s->confirmations ? KNEE_CONFIRM : KNEE_FOUND;
    s->rate = s->passed;
}

/* Half way by ratio, as the ramp's steps are. */
static void bisect(knee_search *s)
{
    s->phase = KNEE_BISECT;
    s->rate = sqrt(s->passed * s->failed);
    if (s->failed <= s->passed * CLOSE) confirm(s);
}

static void take_step(knee_search *s, knee_outcome o)
{
    if (o == KNEE_FAILED && ++s->failures < FAILURES) return;
    s->failures = 0;
    if (o == KNEE_PASSED) s->passed = s->rate;
    else s->failed = s->rate;
    if (!s->passed) {
        s->phase = KNEE_NONE;
    } else if (s->phase == KNEE_RAMP && s->rate * STEP_UP < s->failed && o == KNEE_PASSED) {
        s->rate *= STEP_UP;
        if (s->rate > s->most) s->phase = KNEE_CLIENT_LIMIT;
    } else {
        bisect(s);
    }
}

static void take_confirmation(knee_search *s, knee_outcome o)
{
    if (o == KNEE_PASSED) {
        s->passed = s->rate;
        if (++s->confirmed == s->confirmations) s->phase = KNEE_FOUND;
        return;
    }
    s->confirmed = 0;
    s->failed = s->rate;
    s->passed = 0; /* what passed once may have been luck too */
    s->rate *= STEP_DOWN;
    if (++s->steps_down > STEPS_DOWN || s->rate < s->first) s->phase = KNEE_NONE;
}

void knee_search_take(knee_search *s, knee_outcome o)
{
    if (o == KNEE_CLIENT_FAILED) {
        if (++s->client_failures == CLIENT_FAILURES) s->phase = KNEE_CLIENT_LIMIT;
        return;
    }
    s->client_failures = 0;
    if (s->phase == KNEE_CONFIRM) take_confirmation(s, o);
    else take_step(s, o);
}
