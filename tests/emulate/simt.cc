/* simt.cc - launches, seats, the ring of threads that can run, and __syncthreads.
 *
 * Compiled without sanitizers: it changes stacks, and its own accesses to what fibers share are no kernel's. */
#include "simt_block.h"
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <thread>

__thread simt_place *simt_here;
static __thread simt_options options_now = {0, true, 1};
static const char BARRIER[] = "__syncthreads";

void simt_set_options(simt_options o) { options_now = o; }
simt_options simt_get_options() { return options_now; }

void *simt_shared_memory() { return simt_running()->block->shared; }
unsigned simt_lane() { return simt_running()->lane; }

static void print_kernel(const simt_launch *l)
{
    int failed;
    char *name = abi::__cxa_demangle(l->kernel->target_type().name(), nullptr, nullptr, &failed);
    fprintf(stderr, "simt: launched by %s, grid (%u,%u,%u), block (%u,%u,%u), %zu bytes shared, seed %u\n",
            name ? name : "?", l->grid.x, l->grid.y, l->grid.z, l->block.x, l->block.y, l->block.z, l->shared_bytes,
            l->options.seed);
}

void simt_report(const simt_fiber *f, const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "simt: ");
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, ": block (%u,%u,%u)", f->block_index.x, f->block_index.y, f->block_index.z);
    if (simt_here) fprintf(stderr, " thread (%u,%u,%u)", f->thread_index.x, f->thread_index.y, f->thread_index.z);
    if (file) fprintf(stderr, " at %s:%d", file, line);
    fputc('\n', stderr);
    print_kernel(f->block->worker->launch);
}

/* Seed 0: the oldest.  Even seeds: mostly the newest, so that one warp runs ahead of the others as far as the barriers
 * let it.  Odd seeds: any. */
static simt_fiber *pick(simt_worker *w)
{
    if (!w->ring_count) return nullptr;
    const unsigned size = sizeof w->ring / sizeof *w->ring;
    const unsigned seed = w->launch->options.seed;
    simt_fiber **first = &w->ring[w->ring_first];
    if (seed) {
        w->random = w->random * 1664525u + 1013904223u;
        const bool newest = seed % 2 == 0 && w->random >> 8 & 3;
        const unsigned at = newest ? w->ring_count - 1
                                   : static_cast<unsigned>(static_cast<uint64_t>(w->random) * w->ring_count >> 32);
        std::swap(*first, w->ring[(w->ring_first + at) % size]);
    }
    w->ring_first = (w->ring_first + 1) % size;
    w->ring_count--;
    return *first;
}

void simt_wake(simt_fiber *f)
{
    simt_worker *w = f->block->worker;
    f->waits_for = nullptr;
    w->ring[(w->ring_first + w->ring_count++) % (sizeof w->ring / sizeof *w->ring)] = f;
}

void simt_wait(simt_fiber *f, const char *what, const char *file, int line)
{
    f->waits_for = what;
    f->file = file;
    f->line = line;
    simt_worker *w = f->block->worker;
    simt_fiber *next = pick(w);
    simt_here = next;
    simt_context_switch(&f->context, next ? &next->context : &w->own);
}

static void open_barrier(simt_block *b)
{
    b->at_barrier = 0;
    b->barrier_generation++;
    for (unsigned i = 0; i < b->threads; i++)
        if (b->fibers[i].waits_for == BARRIER) simt_wake(&b->fibers[i]);
}

void simt_barrier(const char *file, int line)
{
    simt_fiber *f = simt_running();
    simt_block *b = f->block;
    if (b->at_barrier && (b->barrier_line != line || strcmp(b->barrier_file, file)))
        SIMT_BREACH(f, file, line, "threads of one block at different __syncthreads, others at %s:%d", b->barrier_file,
                    b->barrier_line);
    b->barrier_file = file;
    b->barrier_line = line;
    /* A token of its own for every other barrier: who wakes late must not be ordered after what follows this one. */
    char *token = &b->barrier_token[b->barrier_generation % 2];
    simt_release(token);
    if (++b->at_barrier == b->living) open_barrier(b);
    else simt_wait(f, BARRIER, file, line);
    simt_acquire(token);
}

static void thread_main()
{
    simt_fiber *f = simt_running();
    simt_block *b = f->block;
    simt_worker *w = b->worker;
    simt_context_arrived(&f->context);
    if (f->launch != w->launch->number) simt_acquire(&w->launch->start_token);
    f->launch = w->launch->number;
    if (b->shared_bytes) simt_acquire(&b->end_token); /* not else: it would hide races with the seat's last block */
    (*w->launch->kernel)();
    simt_copies_land(f); /* what nobody waited for: as late as it can */
    simt_release(&b->end_token);
    f->ended = true;
    b->living--;
    simt_warp_lane_ended(b, f->warp, f->lane);
    if (b->at_barrier && b->at_barrier == b->living) open_barrier(b);
    simt_fiber *next = b->living ? pick(w) : nullptr;
    simt_here = next;
    simt_context_end(&f->context, next ? &next->context : &w->own);
}

/* Gives a seat the launch's next block; false when there is none. */
static bool seat_next(simt_worker *w, simt_block *b)
{
    simt_launch *l = w->launch;
    const unsigned turn = l->next.fetch_add(1, std::memory_order_relaxed); /* only the number matters */
    b->living = 0;
    if (turn >= l->blocks) return false;
    const unsigned number = static_cast<unsigned>(static_cast<uint64_t>(turn) * l->step % l->blocks);
    b->threads = b->living = l->block.x * l->block.y * l->block.z;
    b->at_barrier = 0;
    simt_shared_begin(b, l->shared_bytes);
    for (unsigned i = 0; i < (b->threads + SIMT_LANES - 1) / SIMT_LANES; i++) {
        const unsigned lanes = b->threads - i * SIMT_LANES;
        b->warps[i].others_used = 0;
        b->warps[i].gone = lanes < SIMT_LANES ? ~0u << lanes : 0;
    }
    for (; b->fibers_made < b->threads; b->fibers_made++)
        simt_context_create(&b->fibers[b->fibers_made].context, b->fibers_made);
    const uint3 place = {number % l->grid.x, number / l->grid.x % l->grid.y, number / l->grid.x / l->grid.y};
    uint3 thread = {0, 0, 0};
    for (unsigned i = 0; i < b->threads; i++) {
        simt_fiber *f = &b->fibers[i];
        f->thread_index = thread;
        if (++thread.x == l->block.x) {
            thread.x = 0;
            if (++thread.y == l->block.y) thread.y = 0, thread.z++;
        }
        f->block_index = place;
        f->block_size = {l->block.x, l->block.y, l->block.z};
        f->grid_size = {l->grid.x, l->grid.y, l->grid.z};
        if (simt_watched_by_tsan) {
            char name[64]; /* as long as TSan keeps it */
            snprintf(name, sizeof name, "block (%u,%u,%u) thread (%u,%u,%u)", place.x, place.y, place.z,
                     f->thread_index.x, f->thread_index.y, f->thread_index.z);
            simt_tsan_name(&f->context, name);
        }
        f->block = b;
        f->warp = i / SIMT_LANES;
        f->lane = i % SIMT_LANES;
        f->ended = false;
        simt_copies_reset(f);
        simt_context_start(&f->context, thread_main);
        simt_wake(f);
    }
    return true;
}

/* Threads that wait at one place are told in one line. */
[[noreturn]] static void deadlock(simt_worker *w)
{
    fprintf(stderr, "simt: deadlock: no thread can go on\n");
    for (simt_block &b : w->seats)
        for (unsigned i = 0; b.living && i < b.threads; i++) {
            const simt_fiber *f = &b.fibers[i];
            unsigned same = 0, before = 0;
            for (unsigned j = 0; j < b.threads; j++)
                if (!b.fibers[j].ended && b.fibers[j].waits_for == f->waits_for && b.fibers[j].line == f->line)
                    same++, before += j < i;
            if (f->ended || before) continue;
            fprintf(stderr, "simt: block (%u,%u,%u): %u threads, the first (%u,%u,%u), wait for %s at %s:%d\n",
                    f->block_index.x, f->block_index.y, f->block_index.z, same, f->thread_index.x, f->thread_index.y,
                    f->thread_index.z, f->waits_for, f->file, f->line);
        }
    print_kernel(w->launch);
    abort();
}

/* Several blocks in turns let them meet in any order, and give them threads of their own under TSan, which would else
 * take two threads on one fiber for one.  One at a time is faster, and what the first look wants. */
static unsigned seats_of(const simt_launch *l)
{
    const unsigned threads = l->block.x * l->block.y * l->block.z;
    if (simt_watched_by_tsan) return threads > SIMT_THREADS_MAX / 4 ? 2 : SIMT_SEATS; /* TSan has some 8,000 threads */
    return l->options.seed ? SIMT_SEATS : 1;
}

static void work(simt_worker *w, simt_launch *l, unsigned number)
{
    w->launch = l;
    w->ring_first = w->ring_count = 0;
    w->random = l->options.seed * 2654435761u + number * 40503u;
    simt_context_adopt(&w->own);
    simt_release(&l->start_token); /* by each OS thread: to TSan, thread-local memory is written when a thread begins */
    simt_faults_named(w, true);
    const unsigned seats = seats_of(l);
    for (unsigned i = 0; i < SIMT_SEATS; i++) w->seats[i].living = 0;
    unsigned open = 0;
    while (open < seats && seat_next(w, &w->seats[open])) open++;
    for (unsigned living = open; living;) {
        simt_fiber *f = pick(w);
        if (!f) deadlock(w);
        simt_here = f;
        simt_context_switch(&w->own, &f->context); /* comes back when a block has ended, or no thread can run */
        for (unsigned i = 0; i < open; i++) {
            simt_block *b = &w->seats[i];
            if (b->living || !b->threads) continue;
            simt_shared_end(b);
            b->threads = 0;
            if (!seat_next(w, b)) living--;
        }
    }
    for (unsigned i = 0; i < open; i++) simt_acquire(&w->seats[i].end_token);
    simt_faults_named(w, false);
}

static simt_worker *worker_create()
{
    simt_worker *w = new simt_worker();
    for (simt_block &b : w->seats) {
        b.worker = w;
        b.fibers = std::make_unique<simt_fiber[]>(SIMT_THREADS_MAX);
        b.warps = std::make_unique<simt_warp_state[]>(SIMT_THREADS_MAX / SIMT_LANES);
        simt_shared_create(&b);
    }
    return w;
}

/* Workers that no launch uses, in a list that is never taken apart.  A spinning flag and not a mutex: TSan would see a
 * mutex order launches of different threads that nothing else orders. */
static std::atomic_flag idle_busy = ATOMIC_FLAG_INIT;
static simt_worker *idle;

static simt_worker *worker_acquire()
{
    while (idle_busy.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
    simt_worker *w = idle;
    if (w) idle = w->next_idle;
    idle_busy.clear(std::memory_order_release);
    return w ? w : worker_create();
}

static void worker_release(simt_worker *w)
{
    while (idle_busy.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
    w->next_idle = idle;
    idle = w;
    idle_busy.clear(std::memory_order_release);
}

static void share(simt_launch *l, unsigned number)
{
    simt_worker *w = worker_acquire();
    work(w, l, number);
    worker_release(w);
}

static unsigned divisor(unsigned a, unsigned b) { return b ? divisor(b, a % b) : a; }

void simt_run(simt_dim grid, simt_dim block, size_t shared_bytes, const std::function<void()> &kernel)
{
    const uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
    const uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
    const bool fits = threads <= SIMT_THREADS_MAX && shared_bytes <= SIMT_SHARED_MAX;
    if (simt_here || !blocks || blocks > INT32_MAX || !threads || !fits) {
        fprintf(stderr, "simt: no launch: grid (%u,%u,%u), block (%u,%u,%u) of at most %d threads", grid.x, grid.y,
                grid.z, block.x, block.y, block.z, SIMT_THREADS_MAX);
        fprintf(stderr, ", %zu of at most %d bytes shared%s\n", shared_bytes, SIMT_SHARED_MAX,
                simt_here ? ", within a kernel" : "");
        abort();
    }
    static std::atomic<uint64_t> launches;
    simt_launch l = {};
    l.number = ++launches;
    l.grid = grid;
    l.block = block;
    l.shared_bytes = shared_bytes;
    l.kernel = &kernel;
    l.options = options_now;
    l.blocks = static_cast<unsigned>(blocks);
    l.step = l.options.seed % l.blocks ? l.options.seed % l.blocks : 1;
    while (divisor(l.step, l.blocks) != 1) l.step++;
    const int others = std::min(l.options.os_threads, static_cast<int>(blocks)) - 1;
    std::vector<std::thread> threads_of_os;
    for (int i = 0; i < others; i++) threads_of_os.emplace_back(share, &l, static_cast<unsigned>(i) + 1);
    share(&l, 0);
    for (std::thread &t : threads_of_os) t.join();
}
