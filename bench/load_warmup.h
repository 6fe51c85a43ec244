/* load_warmup.h - when a server that was cold, or idle, has come to answer as it will: three windows in a row agree.
 *
 * A window is 500 ms long and longer until it has 50 replies.  Windows agree whose medians and throughputs lie within
 * 10 % of each other, beyond what chance explains (load_windows.h): at 100 requests/s a Poisson count alone varies by
 * more than that from one half second to the next.  No clock and no socket here. */
#ifndef BENCH_LOAD_WARMUP_H
#define BENCH_LOAD_WARMUP_H
#include "load_windows.h"

typedef struct {
    load_window last[LOAD_LAST]; /* the latest first */
    double seconds[LOAD_LAST];
    int taken;     /* windows so far */
    bool steady;   /* the last three agree */
    double took_s; /* the whole warm-up; 0: there was none */
} load_warmup;     /* {0} has seen nothing; 40 KiB */

bool load_warmup_full(const load_window *w, double seconds);
/* A full window; returns steady. */
bool load_warmup_take(load_warmup *u, const load_window *w, double seconds);
#endif
