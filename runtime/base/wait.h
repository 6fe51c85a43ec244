/* wait.h - how a thread waits for something that wakes nobody: it spins for a moment, then it naps between looks.
 *
 * The spin is a few steps of a forward long, so that a short batch is seen the moment it is done.  The nap bounds what
 * a long one costs: a percent or two of a core. */
#ifndef RUNTIME_BASE_WAIT_H
#define RUNTIME_BASE_WAIT_H
#include <sys/prctl.h>
#include "clock.h"

enum { WAIT_SPIN_NS = 50000, WAIT_NAP_NS = 5000 };

static inline void wait_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* One round of a wait that began at since_ns. */
static inline void wait_round(int64_t since_ns)
{
    if (clock_ns() - since_ns < WAIT_SPIN_NS) wait_relax();
    else nanosleep(&(struct timespec){.tv_nsec = WAIT_NAP_NS}, NULL);
}

/* Naps of the calling thread end when they should: by default the kernel adds up to 50 us. */
static inline void wait_exactly(void) { prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0); }
#endif
