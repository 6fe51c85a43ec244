/* load_windows.h - a run in equal parts, by the time of its replies: what somebody saw who looked at it each second.
 *
 * 10 parts up to 20 s, then about one a second and at most 60; the number is a multiple of ten, so that tenths of the
 * run are whole windows.  The halves are by the time at which requests were due: a queue that grows shows in the
 * second, also in what was answered after the end.  One thread. */
#ifndef BENCH_LOAD_WINDOWS_H
#define BENCH_LOAD_WINDOWS_H
#include "load_latency.h"
#include "load_reply.h"

enum { LOAD_WINDOWS_MAX = 60, LOAD_TENTHS = 10, LOAD_LAST = 3 };
typedef struct {
    int64_t refused, errors, tokens; /* errors: other statuses and faults */
    load_latency intended;           /* of the 200s */
} load_window;
typedef struct {
    int64_t each_ns, duration_ns; /* 0: not divided, nothing is taken */
    int n;
    bool even; /* the load is the same in every tenth, so that a difference is the server's */
    load_window at[LOAD_WINDOWS_MAX];
    load_latency halves[2]; /* intended, of the 200s and of what got no reply */
} load_windows;

void load_windows_divide(load_windows *w, int64_t duration_ns);
/* since_ns: from the start of the run; after its end nothing is taken but for the halves. */
void load_windows_reply(load_windows *w, const load_reply *r, int64_t since_ns, int64_t intended_ns);
void load_windows_unanswered(load_windows *w, int64_t since_ns, int64_t intended_ns);
void load_windows_error(load_windows *w, int64_t since_ns);

void load_window_reply(load_window *w, const load_reply *r, int64_t intended_ns);
void load_window_add(load_window *into, const load_window *w);

/* How far windows lie apart beyond what chance explains: the most over the least, at least 1.  wander: of their medians
 * (load_latency.h), 0: not known. */
typedef struct {
    double medians, rates; /* intended p50; 200s a second */
} load_change;
load_change load_windows_change(const load_window *w, const double *seconds, int n, double wander);
/* Of the last LOAD_LAST tenths; {1, 1} where one of them has fewer than LOAD_WINDOW_NEEDS 200s, or the load is not
 * even. */
enum { LOAD_WINDOW_NEEDS = 100 };
load_change load_windows_last(const load_windows *w);
/* How much the q-quantile of a tenth wanders, as a standard error in milliseconds, by the steps from each of the first
 * `tenths` to the next: a steady drift is hardly in it.  0: less than two of them have a reply. */
double load_windows_wander(const load_windows *w, double q, int tenths);
#endif
