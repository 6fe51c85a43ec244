/* simt_copy.cc - cp.async: copies under way from global to shared memory.
 *
 * A copy may land at any time between its queueing and the wait that must see it.  Late, it lands in that wait, and the
 * destination is NaN until then, so that reading too early and overwriting what others still read both show; early, it
 * lands at once.  TSan is told of the write at both ends. */
#include "simt_block.h"
#include <cstring>

static void land(const simt_copy *c)
{
    if (c->global) {
        simt_told_read(c->global, 16);
        memcpy(c->shared, c->global, 16);
    } else {
        memset(c->shared, 0, 16);
    }
    simt_told_written(c->shared, 16);
}

void simt_copy_async_16(void *shared, const void *global, bool copy, const char *file, int line)
{
    simt_fiber *f = simt_running();
    simt_shared_check(f, shared, "cp.async", file, line);
    if (copy && reinterpret_cast<uintptr_t>(global) % 16)
        SIMT_BREACH(f, file, line, "cp.async from %p, which is not on 16 bytes", global);
    if (copy && simt_forbidden(global, 16))
        SIMT_BREACH(f, file, line, "cp.async from %p, of which 16 bytes are not to be read", global);
    const simt_copy c = {static_cast<char *>(shared), copy ? static_cast<const char *>(global) : nullptr, f->groups};
    if (!f->block->worker->launch->options.copies_late) {
        land(&c);
        return;
    }
    if (copy) simt_told_read(global, 16);
    simt_told_written(shared, 16);
    memset(shared, 0xff, 16);
    f->copies.push_back(c);
}

void simt_copy_commit() { simt_running()->groups++; }

void simt_copy_wait(int left)
{
    simt_fiber *f = simt_running();
    if (left < 0) SIMT_BREACH(f, nullptr, 0, "cp.async.wait_group %d", left);
    size_t n = 0;
    while (n < f->copies.size() && f->copies[n].group + static_cast<unsigned>(left) < f->groups) land(&f->copies[n++]);
    f->copies.erase(f->copies.begin(), f->copies.begin() + static_cast<std::ptrdiff_t>(n));
}

void simt_copies_land(simt_fiber *f)
{
    for (const simt_copy &c : f->copies) land(&c);
    f->copies.clear();
}

void simt_copies_reset(simt_fiber *f)
{
    f->copies.clear();
    f->groups = 0;
}
