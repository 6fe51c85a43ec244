/* window.h - how long things took lately: a ring of one-second histograms, for exact quantiles over sliding windows.
 *
 * One thread records, any thread reads.  A window of k seconds is the second that is going on and the k - 1 before it.
 * The ring has two seconds more than the longest window, so that the one being cleared is in no reader's window; each
 * carries its second, written last, and a reader that sees it change leaves it out. */
#ifndef RUNTIME_BASE_WINDOW_H
#define RUNTIME_BASE_WINDOW_H
#include "histogram.h"
#include "status.h"

enum { WINDOW_SECONDS = 300 };
typedef struct window window; /* about 2 MiB */

status window_open(window **out, error *err);
void window_close(window *w);                                   /* NULL is fine */
void window_record(window *w, int64_t now_ns, int64_t took_ns); /* the owner's thread; now_ns never goes back */
/* Adds the last `seconds` (1 to WINDOW_SECONDS) before now_ns; any thread. */
void window_add(histogram_sum *into, const window *w, int64_t now_ns, int seconds);
#endif
