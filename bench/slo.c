#include "slo.h"
#include <string.h>
#include "quantity.h"

static const slo percentiles[] = {{"p50", 0.5, 0}, {"p90", 0.9, 0}, {"p99", 0.99, 0}, {"p99.9", 0.999, 0}};
enum { PERCENTILES = sizeof percentiles / sizeof *percentiles };
static const double LEAST_NS = 1e4, MOST_NS = 60e9;

status slo_read(slo *out, const char *text, error *err)
{
    const size_t n = strcspn(text, "<");
    int at = 0;
    *out = (slo){0};
    while (at < PERCENTILES && (strlen(percentiles[at].percentile) != n || memcmp(percentiles[at].percentile, text, n)))
        at++;
    if (at == PERCENTILES)
        return fail(err, BAD_INPUT, "--slo %.40s: \"%.*s\", wanted p50, p90, p99 or p99.9, as p99<=10ms", text,
                    n < 20 ? (int)n : 20, text);
    if (strncmp(text + n, "<=", 2))
        return fail(err, BAD_INPUT, "--slo %.40s: wanted <= after %.*s", text, (int)n, text);
    const double ns = quantity_read(text + n + 2, quantity_times);
    if (!(ns >= LEAST_NS && ns <= MOST_NS))
        return fail(err, BAD_INPUT, "--slo %.40s: \"%.20s\", wanted 10us to 60s", text, text + n + 2);
    *out = percentiles[at];
    out->most_ms = ns * 1e-6;
    return OK;
}
