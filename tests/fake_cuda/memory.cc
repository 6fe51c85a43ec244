/* memory.cc - see memory.h.
 *
 * Both ranges are reserved once, without access, and handed out upwards.  A fault inside them is said in words by a
 * handler of SIGSEGV; other faults go where they went before it. */
#include "memory.h"
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

static constexpr size_t PAGE = 4096, ALIGNMENT = 256;

struct allocation {
    std::unique_ptr<held> hold; /* while it lives */
    size_t                bytes;
    unsigned char        *page, *begin, *end_page; /* page <= begin < begin + bytes <= end_page */
    origin                made, freed;
};

struct range {
    const char    *kind;
    size_t         reserve;
    unsigned char *base = nullptr, *next = nullptr;
    std::map<uintptr_t, std::unique_ptr<allocation>> live = {}, dead = {}; /* by first page */
};
/* Never destroyed: what is still held at exit is told then. */
static range &device_range = *new range{"device memory block", size_t(192) << 30};
static range &pinned_range = *new range{"pinned memory block", size_t(64) << 30};

static bool             is_open;
static size_t           used;
static bool             watching;
static struct sigaction fault_before, fault_in_kernel; /* whose handlers were there: the process's, the emulator's */

static range *range_of(const void *pointer)
{
    const auto *p = static_cast<const unsigned char *>(pointer);
    for (range *r : {&device_range, &pinned_range})
        if (r->base && p >= r->base && p < r->base + r->reserve) return r;
    return nullptr;
}

static allocation *found_in(const std::map<uintptr_t, std::unique_ptr<allocation>> &map, const void *pointer)
{
    auto at = map.upper_bound(reinterpret_cast<uintptr_t>(pointer));
    if (at == map.begin()) return nullptr;
    allocation *a = (--at)->second.get();
    return static_cast<const unsigned char *>(pointer) < a->end_page + PAGE ? a : nullptr; /* its guard is its own */
}

/* "16 bytes past the end of the device memory block of 100 bytes made by cudaMalloc (number 3)" */
static std::string described(const void *pointer)
{
    char         text[300];
    const range *r = range_of(pointer);
    if (!r) return "memory of the host's own";
    const allocation *a = found_in(r->live, pointer), *gone = found_in(r->dead, pointer);
    const auto       *p = static_cast<const unsigned char *>(pointer);
    if (!a && gone) {
        snprintf(text, sizeof text, "the %s of %zu bytes made by %s (number %ld) and given back by %s (number %ld)",
                 r->kind, gone->bytes, call_name(gone->made.call), gone->made.number, call_name(gone->freed.call),
                 gone->freed.number);
        return text;
    }
    if (!a) return std::string("no ") + r->kind + " at all";
    char where[60] = "";
    if (p >= a->begin + a->bytes)
        snprintf(where, sizeof where, "%zu bytes past the end of ", static_cast<size_t>(p - a->begin) - a->bytes);
    else if (p < a->begin)
        snprintf(where, sizeof where, "%zu bytes before ", static_cast<size_t>(a->begin - p));
    snprintf(text, sizeof text, "%sthe %s of %zu bytes made by %s (number %ld)", where, r->kind, a->bytes,
             call_name(a->made.call), a->made.number);
    return text;
}

/* Not async-signal-safe, and need not be: the process ends here. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    const range *r = range_of(info->si_addr);
    const bool in_kernel = the_device.working && the_device.current.call == CALL_cudaLaunchKernel;
    if (r && in_kernel && fault_in_kernel.sa_sigaction) { /* which says block and thread, and ends the process */
        complain("touched %s", described(info->si_addr).c_str());
        fault_in_kernel.sa_sigaction(number, info, context);
    }
    if (r && the_device.working) breach("touched %s", described(info->si_addr).c_str());
    if (r) {
        the_device.current = {CALL_NONE, 0};
        breach("the host touched %s%s", described(info->si_addr).c_str(),
               r == &device_range ? ", which only a kernel or a copy may" : "");
    }
    const struct sigaction &next = in_kernel && fault_in_kernel.sa_sigaction ? fault_in_kernel : fault_before;
    if (next.sa_flags & SA_SIGINFO) {
        next.sa_sigaction(number, info, context);
        return;
    }
    sigaction(number, &next, nullptr); /* and the same instruction faults again */
}

void memory_watch()
{
    struct sigaction now = {}, there;
    now.sa_sigaction = on_fault;
    now.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &now, &there);
    if (watching && there.sa_sigaction != on_fault) fault_in_kernel = there;
    if (!watching) fault_before = there;
    watching = true;
}

static void reserve(range *r)
{
    void *base = mmap(nullptr, r->reserve, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) breach("the host has no %zu bytes of addresses for a %s", r->reserve, r->kind);
    madvise(base, r->reserve, MADV_DONTDUMP);
    r->base = r->next = static_cast<unsigned char *>(base);
    if (!watching) memory_watch();
}

cudaError_t memory_allocate(void **out, memory_place place, size_t bytes)
{
    range *r = place == MEMORY_DEVICE ? &device_range : &pinned_range;
    *out = nullptr;
    if (bytes == 0) return cudaSuccess;
    if (bytes > r->reserve) return cudaErrorMemoryAllocation;
    const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, pages = (rounded + PAGE - 1) / PAGE * PAGE;
    if (place == MEMORY_DEVICE && rounded > the_device.settings.memory - used) return cudaErrorMemoryAllocation;
    if (!r->base) reserve(r);
    if (pages + 2 * PAGE > static_cast<size_t>(r->base + r->reserve - r->next))
        breach("the addresses for a %s are used up: fake_cuda_reset() gives them back", r->kind);
    auto a = std::make_unique<allocation>();
    a->hold = std::make_unique<held>(r->kind, bytes);
    a->bytes = bytes;
    a->made = the_device.current;
    a->page = r->next + PAGE;
    a->end_page = a->page + pages;
    a->begin = a->end_page - rounded;
    r->next = a->end_page + PAGE;
    if (mprotect(a->page, pages, PROT_READ | PROT_WRITE))
        breach("the host has no memory for a %s of %zu bytes", r->kind, bytes);
    memset(a->page, MEMORY_POISON, pages);
    if (place == MEMORY_DEVICE) {
        used += rounded;
        if (!is_open) mprotect(a->page, pages, PROT_NONE);
    }
    *out = a->begin;
    r->live[reinterpret_cast<uintptr_t>(a->page)] = std::move(a);
    return cudaSuccess;
}

static void check(const unsigned char *from, const unsigned char *to)
{
    if (from == to || (*from == MEMORY_POISON && !memcmp(from, from + 1, static_cast<size_t>(to - from) - 1))) return;
    while (*from == MEMORY_POISON) from++;
    breach("something wrote %s", described(from).c_str());
}

static void check(const allocation *a)
{
    check(a->page, a->begin);
    check(a->begin + a->bytes, a->end_page);
}

void memory_free(void *pointer, memory_place place)
{
    range *r = place == MEMORY_DEVICE ? &device_range : &pinned_range;
    if (!pointer) return;
    allocation *a = range_of(pointer) == r ? found_in(r->live, pointer) : nullptr;
    if (!a || a->begin != pointer)
        breach("%p is no begin of a %s: it is in %s", pointer, r->kind, described(pointer).c_str());
    const size_t pages = static_cast<size_t>(a->end_page - a->page);
    if (place == MEMORY_DEVICE) {
        memory_open();
        used -= (a->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    check(a);
    /* Fresh pages without access in its place: the memory goes back to the host, the addresses do not. */
    mmap(a->page, pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    const auto at = r->live.find(reinterpret_cast<uintptr_t>(a->page));
    a->hold.reset();
    a->freed = the_device.current;
    r->dead[at->first] = std::move(at->second);
    r->live.erase(at);
}

size_t memory_used() { return used; }

memory_place memory_place_of(const void *pointer)
{
    const range *r = range_of(pointer);
    return r == &device_range ? MEMORY_DEVICE : r == &pinned_range ? MEMORY_PINNED : MEMORY_PAGEABLE;
}

void memory_require(const void *pointer, size_t bytes, const char *what)
{
    const range *r = range_of(pointer);
    const auto  *p = static_cast<const unsigned char *>(pointer);
    if (!r) {
        if (!pointer && bytes) breach("%s is NULL", what);
        return;
    }
    const allocation *a = found_in(r->live, pointer);
    if (!a || p < a->begin || p >= a->begin + a->bytes) breach("%s begins in %s", what, described(pointer).c_str());
    const size_t left = a->bytes - static_cast<size_t>(p - a->begin);
    if (bytes > left)
        breach("%s of %zu bytes ends %zu bytes past the end of %s", what, bytes, bytes - left,
               described(pointer).c_str());
}

bool memory_overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    const auto *x = static_cast<const unsigned char *>(a), *y = static_cast<const unsigned char *>(b);
    return a_bytes && b_bytes && x < y + b_bytes && y < x + a_bytes;
}

void memory_open()
{
    if (is_open) return;
    is_open = true;
    for (const auto &row : device_range.live)
        mprotect(row.second->page, static_cast<size_t>(row.second->end_page - row.second->page),
                 PROT_READ | PROT_WRITE);
}

void memory_close()
{
    if (!is_open) return;
    is_open = false;
    mprotect(device_range.base, static_cast<size_t>(device_range.next - device_range.base), PROT_NONE);
}

void memory_check()
{
    for (const range *r : {&device_range, &pinned_range})
        for (const auto &row : r->live) check(row.second.get());
}

void memory_forget()
{
    for (range *r : {&device_range, &pinned_range}) {
        if (!r->base) continue;
        mmap(r->base, static_cast<size_t>(r->next - r->base), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        r->next = r->base;
        r->dead.clear();
    }
    used = 0;
}
