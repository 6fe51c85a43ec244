/* simt_shared.cc - a block's shared memory, and who touched what lies beyond it.
 *
 *   | guard page | ... 0xff ... | block's part: NaN at its start | up to 127 bytes of 0xff | guard page |
 *
 * The part begins on 128 bytes, as on a GPU, and ends as close to the guard page as that allows.  Behind it the guard
 * page catches what is farther off than the alignment's rest; the rest and the 128 bytes before are compared when the
 * block ends.  ASan gets a page more in front of the guard page, and sees every byte around the part poisoned: its
 * report says more than a fault. */
#include "simt_block.h"
#include <mutex>

static const size_t ALIGN = 128;
static const size_t SIGNAL_STACK_BYTES = 64 << 10;

/* Word by word, and volatile: memset() would be a write of the emulator to TSan, which sees library calls even of code
 * that is not instrumented. */
static void fill(char *from, char *to)
{
    volatile uint64_t *p = reinterpret_cast<uint64_t *>(from);
    for (; p < reinterpret_cast<uint64_t *>(to); p++) *p = ~0ull;
}

static size_t memory_bytes() { return (SIMT_SHARED_MAX + ALIGN + 2 * simt_page() - 1) / simt_page() * simt_page(); }

static char *memory_end(const simt_block *b)
{
    return b->memory + memory_bytes() - (simt_watched_by_asan ? simt_page() : 0);
}

void simt_shared_create(simt_block *b) { b->memory = simt_guarded(memory_bytes()); }

void simt_shared_begin(simt_block *b, size_t bytes)
{
    char *end = memory_end(b);
    b->shared = end - (bytes + ALIGN - 1) / ALIGN * ALIGN;
    b->shared_bytes = bytes;
    fill(b->shared - ALIGN, end);
    simt_forbid(b->memory, memory_bytes());
    simt_allow(b->shared, bytes);
}

void simt_shared_end(simt_block *b)
{
    const char *part_end = b->shared + b->shared_bytes, *end = memory_end(b);
    for (const char *p = b->shared - ALIGN; p < end; p++) {
        if (p == b->shared) p = part_end;
        if (p < end && static_cast<unsigned char>(*p) != 0xff)
            SIMT_BREACH(&b->fibers[0], nullptr, 0, "somebody wrote to byte %td %s shared memory of %zu bytes",
                        p < b->shared ? b->shared - p : p - part_end + 1, p < b->shared ? "before" : "beyond",
                        b->shared_bytes);
    }
}

void simt_shared_check(const simt_fiber *f, const void *p, const char *what, const char *file, int line)
{
    const uintptr_t at = reinterpret_cast<uintptr_t>(p), low = reinterpret_cast<uintptr_t>(f->block->shared);
    if (at % 16) SIMT_BREACH(f, file, line, "%s at %p, which is not on 16 bytes", what, p);
    if (at < low || at + 16 > low + f->block->shared_bytes)
        SIMT_BREACH(f, file, line, "%s at byte %td of shared memory of %zu bytes", what,
                    static_cast<std::ptrdiff_t>(at - low), f->block->shared_bytes);
}

static void on_death()
{
    if (simt_here) simt_report(simt_running(), nullptr, 0, "what was reported above is of");
}

/* Runs on the OS thread's signal stack, for the fiber's own may be what overflowed.  Not safe in general to print here;
 * the process is at its end and the fault is the kernel's own. */
static struct sigaction before;

static void on_fault(int, siginfo_t *info, void *)
{
    const simt_fiber *f = simt_here ? simt_running() : nullptr;
    if (!f) { /* not in a kernel: for whoever was asked before us, when it faults again */
        sigaction(SIGSEGV, &before, nullptr);
        return;
    }
    const char *at = static_cast<const char *>(info->si_addr), *part_end = f->block->shared + f->block->shared_bytes;
    if (at >= part_end && at < memory_end(f->block) + simt_page())
        SIMT_BREACH(f, nullptr, 0, "touched byte %td beyond shared memory of %zu bytes", at - part_end + 1,
                    f->block->shared_bytes);
    if (at < f->context.stack && at >= f->context.stack - simt_page()) SIMT_BREACH(f, nullptr, 0, "its stack is full");
    SIMT_BREACH(f, nullptr, 0, "touched %p, where there is nothing", static_cast<const void *>(at));
}

void simt_faults_named(simt_worker *w, bool on)
{
    if (simt_watched_by_asan) simt_asan_on_death(on_death);
    if (simt_watched_by_asan || simt_watched_by_tsan) return; /* they have handlers of their own */
    static std::once_flag installed;
    std::call_once(installed, [] {
        struct sigaction a = {};
        a.sa_sigaction = on_fault;
        a.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigaction(SIGSEGV, &a, &before);
    });
    if (!w->signal_stack) w->signal_stack = simt_guarded(SIGNAL_STACK_BYTES);
    stack_t ours = {};
    ours.ss_sp = w->signal_stack;
    ours.ss_size = SIGNAL_STACK_BYTES;
    if (on) sigaltstack(&ours, &w->signal_stack_before);
    else sigaltstack(&w->signal_stack_before, nullptr);
}
