/* simt_fiber.cc - the switch of stacks, and the hooks of ASan and TSan. */
#include "simt_fiber.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>
#ifndef __x86_64__
#include <ucontext.h>
#endif

extern "C" {
#define WEAK __attribute__((weak))
WEAK void *__tsan_get_current_fiber();
WEAK void *__tsan_create_fiber(unsigned flags);
WEAK void __tsan_switch_to_fiber(void *fiber, unsigned flags);
WEAK void __tsan_set_fiber_name(void *fiber, const char *name);
WEAK void __tsan_acquire(void *);
WEAK void __tsan_release(void *);
WEAK void __tsan_read_range(void *, unsigned long);
WEAK void __tsan_write_range(void *, unsigned long);
WEAK void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t bytes);
WEAK void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *bytes);
WEAK void __asan_poison_memory_region(const volatile void *, size_t);
WEAK void __asan_unpoison_memory_region(const volatile void *, size_t);
WEAK void *__asan_region_is_poisoned(void *, size_t);
WEAK void __sanitizer_set_death_callback(void (*)());
#undef WEAK
}

static const unsigned TSAN_NO_ORDER = 1; /* of __tsan_switch_to_fiber: the switch is no happens-before edge */

const bool simt_watched_by_tsan = __tsan_switch_to_fiber != nullptr;
const bool simt_watched_by_asan = __asan_poison_memory_region != nullptr;

void simt_tsan_acquire(void *token) { __tsan_acquire(token); }
void simt_tsan_release(void *token) { __tsan_release(token); }

void simt_told_read(const void *p, size_t bytes)
{
    if (simt_watched_by_tsan) __tsan_read_range(const_cast<void *>(p), bytes);
}

void simt_told_written(const void *p, size_t bytes)
{
    if (simt_watched_by_tsan) __tsan_write_range(const_cast<void *>(p), bytes);
}

void simt_forbid(const void *p, size_t bytes)
{
    if (simt_watched_by_asan) __asan_poison_memory_region(p, bytes);
}

void simt_allow(const void *p, size_t bytes)
{
    if (simt_watched_by_asan) __asan_unpoison_memory_region(p, bytes);
}

bool simt_forbidden(const void *p, size_t bytes)
{
    return simt_watched_by_asan && __asan_region_is_poisoned(const_cast<void *>(p), bytes);
}

void simt_tsan_name(simt_context *c, const char *name) { __tsan_set_fiber_name(c->tsan, name); }

void simt_asan_on_death(void (*f)()) { __sanitizer_set_death_callback(f); }

size_t simt_page()
{
    static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return page;
}

char *simt_guarded(size_t bytes)
{
    const size_t page = simt_page(), inside = (bytes + page - 1) / page * page;
    void *p = mmap(nullptr, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *low = static_cast<char *>(p) + page;
    if (p == MAP_FAILED || mprotect(low, inside, PROT_READ | PROT_WRITE)) {
        perror("simt: no memory for a fiber or a block");
        abort();
    }
    return low;
}

void simt_context_adopt(simt_context *c)
{
    if (simt_watched_by_tsan) c->tsan = __tsan_get_current_fiber();
}

void simt_context_create(simt_context *c, unsigned number)
{
    /* Instrumented frames are several times as large.  Stacks that began at one offset of their pages would share a few
     * sets of the first-level cache: each begins a little lower than the last. */
    const size_t bytes = (simt_watched_by_tsan || simt_watched_by_asan) ? 256 << 10 : 64 << 10;
    c->stack = simt_guarded(bytes);
    c->stack_bytes = bytes - number % 16 * 256;
    if (simt_watched_by_tsan) c->tsan = __tsan_create_fiber(0);
}

#ifdef __x86_64__
/* Saves what the calling convention lets a callee change; the rest the compiler has saved around the call. */
asm(R"(
    .text
    .p2align 4
    .globl simt_swap
    .hidden simt_swap
    .type simt_swap, @function
simt_swap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size simt_swap, . - simt_swap
)");

void simt_context_start(simt_context *c, void (*entry)())
{
    void **top = reinterpret_cast<void **>(c->stack + c->stack_bytes);
    *--top = nullptr; /* entry's return address: the end of a backtrace */
    *--top = reinterpret_cast<void *>(entry);
    for (int i = 0; i < 6; i++) *--top = nullptr;
    c->stack_pointer = top;
}

#else
/* Slower by two system calls a switch, which save and restore signal masks.  What a context was before it was saved is
 * kept on its own stack. */
void simt_context_start(simt_context *c, void (*entry)())
{
    ucontext_t *u = reinterpret_cast<ucontext_t *>(c->stack);
    getcontext(u);
    u->uc_stack.ss_sp = u + 1;
    u->uc_stack.ss_size = c->stack_bytes - sizeof *u;
    u->uc_link = nullptr;
    makecontext(u, entry, 0);
    c->stack_pointer = u;
}

void simt_swap(void **from, void *to)
{
    ucontext_t here;
    *from = &here;
    swapcontext(&here, static_cast<ucontext_t *>(to));
}
#endif

/* Before and after a switch.  `fake` is where the leaving one's ASan stack is kept; NULL when it will not come back. */
static void leave(simt_context *to, simt_context *from, void **fake)
{
    to->came_from = from;
    if (simt_watched_by_tsan) __tsan_switch_to_fiber(to->tsan, TSAN_NO_ORDER);
    if (simt_watched_by_asan) __sanitizer_start_switch_fiber(fake, to->stack, to->stack_bytes);
}

static void arrive(simt_context *self, void *fake)
{
    if (!simt_watched_by_asan) return;
    const void *stack;
    size_t bytes;
    __sanitizer_finish_switch_fiber(fake, &stack, &bytes);
    self->came_from->stack = static_cast<char *>(const_cast<void *>(stack)); /* how an OS thread's is learned */
    self->came_from->stack_bytes = bytes;
}

void simt_context_switch_watched(simt_context *from, simt_context *to)
{
    leave(to, from, &from->asan_fake);
    simt_swap(&from->stack_pointer, to->stack_pointer);
    arrive(from, from->asan_fake);
}

void simt_context_arrived(simt_context *self) { arrive(self, nullptr); }

void simt_context_end(simt_context *from, simt_context *to)
{
    leave(to, from, nullptr);
    simt_swap(&from->stack_pointer, to->stack_pointer);
    abort(); /* an ended fiber was switched to */
}
