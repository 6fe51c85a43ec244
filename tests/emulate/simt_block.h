/* simt_block.h - inside the emulator: a launch, its blocks, their warps and threads, and who runs next.
 *
 * A worker is one OS thread's share of a launch.  It keeps a few blocks in its seats, as a multiprocessor does, and one
 * ring of threads that can run.  A thread that must wait switches to the next of the ring; when a block ends or the
 * ring is empty the worker's own flow goes on, fills the empty seat or reports a deadlock.  All of it belongs to the
 * worker's OS thread, but for the launch's counter of blocks.  Workers, with their stacks, are kept for later launches.
 */
#ifndef TESTS_EMULATE_SIMT_BLOCK_H
#define TESTS_EMULATE_SIMT_BLOCK_H
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>
#include "simt.h"
#include "simt_device.h"
#include "simt_fiber.h"

#pragma GCC visibility push(hidden)

enum {
    SIMT_LANES = 32,
    SIMT_THREADS_MAX = 1024,          /* of a block; CUDA's limit */
    SIMT_SHARED_MAX = 227 << 10,      /* bytes of a block; sm_90's limit */
    SIMT_SEATS = 4,                   /* blocks of a worker that run in turns */
};

struct simt_block;
struct simt_worker;

struct simt_copy {
    char       *shared;
    const char *global; /* NULL: zeros */
    unsigned    group;
};

struct simt_fiber : simt_place {
    simt_context context;
    simt_block  *block;
    unsigned     warp, lane;
    bool         ended;
    const char  *waits_for, *file; /* NULL: it can run */
    int          line;
    const void  *in; /* of the warp operation that it waits in */
    void        *out;
    std::vector<simt_copy> copies; /* under way, oldest first */
    unsigned     groups;           /* committed */
    uint64_t     launch;           /* the last one whose start it has seen */
};

/* Lanes on their way to one operation of one mask. */
struct simt_group {
    unsigned       mask, arrived;
    simt_operation what;
    const char    *file;
    int            line;
    unsigned       generation;
    char           token[2]; /* of even and odd generations: a late waker must not see what came after */
};

/* As many groups as lanes: a lane waits in one at a time, so one is always free.  Allocated ahead, because memory that
 * one fiber takes and another gives back is a race to TSan. */
struct simt_warp_state {
    simt_group full; /* the mask of all lanes */
    simt_group others[SIMT_LANES];
    unsigned   others_used;
    unsigned   gone; /* lanes that ended, and those that the block does not fill */
};

struct simt_block {
    simt_worker    *worker;
    unsigned        threads, living;
    char           *memory, *shared; /* guarded pages; where this block's part begins */
    size_t          shared_bytes;
    std::unique_ptr<simt_fiber[]>      fibers;
    std::unique_ptr<simt_warp_state[]> warps;
    unsigned        fibers_made;
    unsigned        at_barrier, barrier_generation;
    const char     *barrier_file;
    int             barrier_line;
    char            barrier_token[2];
    char            end_token; /* the next block of this seat gets the same shared memory */
};

struct simt_launch {
    uint64_t     number; /* of all launches of the process, from 1 */
    simt_dim     grid, block;
    size_t       shared_bytes;
    const std::function<void()> *kernel;
    simt_options options;
    unsigned     blocks, step; /* order: 0, step, 2 step... modulo blocks */
    std::atomic<unsigned> next;
    char         start_token;
};

struct simt_worker {
    simt_context  own;
    simt_launch  *launch;
    simt_block    seats[SIMT_SEATS];
    simt_fiber   *ring[SIMT_SEATS * SIMT_THREADS_MAX]; /* can run, oldest first; each thread at most once */
    unsigned      ring_first, ring_count;
    uint32_t      random;
    char         *signal_stack;
    stack_t       signal_stack_before; /* the OS thread's own */
    simt_worker  *next_idle;
};

static inline simt_fiber *simt_running() { return static_cast<simt_fiber *>(simt_here); }

void simt_wake(simt_fiber *f);
void simt_wait(simt_fiber *f, const char *what, const char *file, int line);
/* Runs what waits only for lanes that have now ended. */
void simt_warp_lane_ended(simt_block *b, unsigned warp, unsigned lane);
void simt_copies_reset(simt_fiber *f);
void simt_copies_land(simt_fiber *f);

/* Shared memory: made once a seat, laid out against its guard page for each block, looked at when the block ends. */
void simt_shared_create(simt_block *b);
void simt_shared_begin(simt_block *b, size_t bytes);
void simt_shared_end(simt_block *b);
/* Aborts unless 16 bytes at p lie on 16 in the block's shared memory. */
void simt_shared_check(const simt_fiber *f, const void *p, const char *what, const char *file, int line);

/* What went wrong, in which block, thread (unless it is the worker that says so) and place of the source. */
void simt_report(const simt_fiber *f, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for a breach of CUDA's rules, which ends the process. */
#define SIMT_BREACH(...) (simt_report(__VA_ARGS__), abort())
void simt_faults_named(simt_worker *w, bool on); /* a fault of the calling OS thread within a kernel is named, too */

#pragma GCC visibility pop
#endif
