/* simt_fiber.h - a stack and a place to go on from, and what the sanitizers must be told about both.
 *
 * Whether ASan or TSan watches is found at run time, by weak symbols: the emulator itself is compiled without either,
 * so no macro tells.  A switch orders no memory for TSan, which takes each fiber for a thread; only tokens do.  A fiber
 * is run by one OS thread at a time. */
#ifndef TESTS_EMULATE_SIMT_FIBER_H
#define TESTS_EMULATE_SIMT_FIBER_H
#include <cstddef>

#pragma GCC visibility push(hidden) /* within the library: a call needs no table */

extern const bool simt_watched_by_tsan, simt_watched_by_asan;

struct simt_context {
    void       *stack_pointer; /* while it does not run */
    char       *stack;         /* lowest address; of an OS thread: known once ASan has seen it leave */
    size_t      stack_bytes;
    void       *tsan;      /* TSan's name for it */
    void       *asan_fake; /* ASan's own stack for it, while it does not run */
    simt_context *came_from;
};

/* Makes an OS thread's own flow switchable. */
void simt_context_adopt(simt_context *c);
/* A stack with a guard page below it; for ever. */
void simt_context_create(simt_context *c, unsigned number);
/* The next switch to c calls entry, which must not return and first of all calls simt_context_arrived(). */
void simt_context_start(simt_context *c, void (*entry)());
/* Goes on in `to`; returns when something switches back. */
#ifdef __x86_64__
extern "C" void simt_swap(void **from, void *to);
#else
void simt_swap(void **from, void *to);
#endif
void simt_context_switch_watched(simt_context *from, simt_context *to);
static inline void simt_context_switch(simt_context *from, simt_context *to)
{
    if (simt_watched_by_tsan || simt_watched_by_asan) simt_context_switch_watched(from, to);
    else simt_swap(&from->stack_pointer, to->stack_pointer);
}
void simt_context_arrived(simt_context *self);
/* The same for the last time, until `from` is started anew. */
[[noreturn]] void simt_context_end(simt_context *from, simt_context *to);

/* A token orders memory for TSan: what was done before a release is seen after a later acquire. */
void simt_tsan_acquire(void *token);
void simt_tsan_release(void *token);
static inline void simt_acquire(void *token)
{
    if (simt_watched_by_tsan) simt_tsan_acquire(token);
}
static inline void simt_release(void *token)
{
    if (simt_watched_by_tsan) simt_tsan_release(token);
}
/* Accesses of code that is not instrumented, on behalf of the running fiber. */
void simt_told_read(const void *p, size_t bytes);
void simt_told_written(const void *p, size_t bytes);
void simt_tsan_name(simt_context *c, const char *name); /* what TSan's reports call it */
/* For ASan. */
void simt_forbid(const void *p, size_t bytes);
void simt_allow(const void *p, size_t bytes);
bool simt_forbidden(const void *p, size_t bytes);
void simt_asan_on_death(void (*f)()); /* after a report, before the end */

/* Zeroed pages with a page that faults on either side; bytes is rounded up to pages.  Never freed. */
char *simt_guarded(size_t bytes);
size_t simt_page();

#pragma GCC visibility pop
#endif
