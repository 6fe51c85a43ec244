/* planted.cc KERNEL SEED LATE THREADS - runs a small kernel, right or wrong, to show what the emulator takes and finds.
 *
 * A planted bug is the whole difference between a kernel and a right one, mostly one line; its name says which.
 * Numbers are small integers, exact in every type, so that results are compared for equality.  Ends with 0 when the
 * result is right, with 1 when it is not and stderr says "wrong: ...", with 2 when there is no such kernel; a bug that
 * the emulator or a sanitizer names ends it as that does.
 *
 * A program of its own, because a bug ends the process, and because TSan looks away in the child of a process that has
 * fibers. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>
#include "tests/emulate/simt.h"
#include "tests/emulate/simt_device.h"

template <class T> static T *shared_array() { return static_cast<T *>(simt_shared_memory()); }

static int compare(const std::vector<float> &is, const std::function<float(size_t)> &wanted)
{
    for (size_t i = 0; i < is.size(); i++)
        if (!(is[i] == wanted(i))) {
            fprintf(stderr, "wrong: number %zu is %g, not %g\n", i, static_cast<double>(is[i]),
                    static_cast<double>(wanted(i)));
            return 1;
        }
    return 0;
}

static float *data(std::vector<float> &v) { return v.data(); }

/* Sums of [blocks,512] by 128 threads: shuffles within a warp, shared memory between warps. */
enum sum_flaw { SUM_RIGHT, SUM_NO_BARRIER, SUM_NOT_CLEARED };
template <sum_flaw flaw> static __global__ void __launch_bounds__(128) sum_rows(const float *x, float *out)
{
    float *of_warp = shared_array<float>();
    float sum = 0;
    for (unsigned i = threadIdx.x; i < 512; i += blockDim.x) sum += x[blockIdx.x * 512 + i];
#pragma unroll
    for (int bits = 16; bits; bits /= 2) sum += __shfl_xor_sync(~0u, sum, bits);
    float *mine = of_warp + threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) *mine = flaw == SUM_NOT_CLEARED ? *mine + sum : sum;
    if (flaw != SUM_NO_BARRIER) __syncthreads();
    if (threadIdx.x == 0) out[blockIdx.x] = of_warp[0] + of_warp[1] + of_warp[2] + of_warp[3];
}

template <sum_flaw flaw> static int sums()
{
    const unsigned blocks = 9;
    std::vector<float> x(blocks * 512), out(blocks);
    for (size_t i = 0; i < x.size(); i++) x[i] = static_cast<float>(i / 512 + i % 2);
    const float *from = data(x);
    float *to = data(out);
    simt_run({blocks, 1, 1}, {128, 1, 1}, 16, [=] { sum_rows<flaw>(from, to); });
    return compare(out, [](size_t i) { return static_cast<float>(512 * i + 256); });
}

/* c [64,64] = a [64,depth] b [64,depth]^T: two tiles of 32 columns in turns, by cp.async, ldmatrix and mma. */
enum product_flaw { PRODUCT_RIGHT, PRODUCT_WAITS_TOO_LITTLE, PRODUCT_OVERWRITES };
enum { DEPTH = 160, TILE = 32, ROW = TILE + 8, PRODUCT_BYTES = 4 * 64 * ROW * 2 };
template <element_type element, product_flaw flaw>
static __global__ void __launch_bounds__(128) product(const uint16_t *a, const uint16_t *b, float *c)
{
    uint16_t *const tiles = shared_array<uint16_t>();
    const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const auto fetch = [&](unsigned step) {
        for (unsigned i = threadIdx.x; i < 256; i += blockDim.x) {
            const unsigned row = i / 4, column = i % 4 * 8;
            uint16_t *to = tiles + (step % 2 * 128 + row) * ROW + column;
            simt_copy_async_16(to, a + row * DEPTH + step * TILE + column, true);
            simt_copy_async_16(to + 64 * ROW, b + row * DEPTH + step * TILE + column, row < 63); /* the last: zeros */
        }
        simt_copy_commit();
    };
    float sums[8][4] = {};
    fetch(0);
    for (unsigned step = 0; step < DEPTH / TILE; step++) {
        if (step + 1 < DEPTH / TILE) fetch(step + 1);
        simt_copy_wait(step + 1 == DEPTH / TILE ? 0 : flaw == PRODUCT_WAITS_TOO_LITTLE ? 2 : 1);
        __syncthreads();
        const uint16_t *at = tiles + step % 2 * 128 * ROW, *bt = at + 64 * ROW;
        for (unsigned k = 0; k < TILE; k += 16) {
            uint32_t fa[4], fb[4];
            simt_ldmatrix_x4(fa, at + (warp * 16 + lane % 16) * ROW + k + lane / 16 * 8);
            for (unsigned j = 0; j < 4; j++) {
                simt_ldmatrix_x4(fb, bt + (j * 16 + lane / 16 * 8 + lane % 8) * ROW + k + lane / 8 % 2 * 8);
                simt_mma_16816(element, sums[2 * j], fa, fb);
                simt_mma_16816(element, sums[2 * j + 1], fa, fb + 2);
            }
        }
        if (flaw != PRODUCT_OVERWRITES) __syncthreads();
    }
    for (unsigned j = 0; j < 8; j++)
        for (unsigned i = 0; i < 4; i++)
            c[(warp * 16 + lane / 4 + i / 2 * 8) * 64 + j * 8 + lane % 4 * 2 + i % 2] = sums[j][i];
}

template <element_type element, product_flaw flaw> static int products()
{
    std::vector<uint16_t> a(64 * DEPTH + 8), b(64 * DEPTH + 8);
    uint16_t *pa = reinterpret_cast<uint16_t *>((reinterpret_cast<uintptr_t>(a.data()) + 15) / 16 * 16);
    uint16_t *pb = reinterpret_cast<uint16_t *>((reinterpret_cast<uintptr_t>(b.data()) + 15) / 16 * 16);
    const auto number = [](size_t i, size_t salt) { return static_cast<float>((i * 7 + i / DEPTH) % salt) - 3; };
    for (size_t i = 0; i < 64 * DEPTH; i++) {
        pa[i] = element_from_f32(element, number(i, 11));
        pb[i] = element_from_f32(element, number(i, 13) / 8);
    }
    std::vector<float> c(64 * 64);
    float *pc = data(c);
    simt_run({1, 1, 1}, {128, 1, 1}, PRODUCT_BYTES, [=] { product<element, flaw>(pa, pb, pc); });
    return compare(c, [&](size_t i) {
        double sum = 0;
        for (size_t k = 0; k < DEPTH; k++)
            sum += static_cast<double>(number(i / 64 * DEPTH + k, 11) * number(i % 64 * DEPTH + k, 13)) / 8;
        return i % 64 == 63 ? 0.0f : static_cast<float>(sum);
    });
}

/* p [16,8] = f [16,16] v [16,8]: f from registers, v by ldmatrix.trans, as attention multiplies with v. */
static __global__ void weighted(float *out)
{
    uint16_t *v = shared_array<uint16_t>(); /* [16,16]; only its first eight columns are multiplied */
    const unsigned lane = threadIdx.x;
    for (unsigned i = lane; i < 256; i += 32)
        v[i] = f16_from_f32(static_cast<float>(i % 16) + 0.5f * static_cast<float>(i / 16));
    __syncwarp();
    uint32_t f[4], fv[4];
    for (unsigned i = 0; i < 4; i++) {
        const unsigned row = lane / 4 + i % 2 * 8, column = lane % 4 * 2 + i / 2 * 8;
        f[i] = (row == column ? 0x3c00u : 0) | (row == column + 1 ? 0x3c000000u : 0); /* the identity */
    }
    simt_ldmatrix_x4_trans(fv, v + lane % 16 * 16 + lane / 16 * 8);
    float c[4] = {1, 1, 1, 1};
    simt_mma_16816(ELEMENT_F16, c, f, fv);
    for (unsigned i = 0; i < 4; i++) out[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
}

static int transposes()
{
    std::vector<float> out(16 * 8);
    float *to = data(out);
    simt_run({1, 1, 1}, {32, 1, 1}, 512, [=] { weighted(to); });
    return compare(out, [](size_t i) { return 1 + static_cast<float>(i % 8) + 0.5f * static_cast<float>(i / 8); });
}

/* Every 16-bit number times 1: 16 of them are the first column of a. */
template <element_type element> static int widened()
{
    std::vector<float> out(65536);
    float *to = data(out);
    simt_run({64, 1, 1}, {32, 1, 1}, 0, [=] {
        const unsigned row = threadIdx.x / 4, first = threadIdx.x % 4 == 0;
        const uint32_t one = element_from_f32(element, 1), b[2] = {first ? one : 0, 0};
        for (unsigned i = blockIdx.x * 1024; i < (blockIdx.x + 1) * 1024; i += 16) {
            const uint32_t a[4] = {first ? i + row : 0, first ? i + row + 8 : 0, 0, 0};
            float c[4] = {};
            simt_mma_16816(element, c, a, b);
            if (first) to[i + row] = c[0];
            if (first) to[i + row + 8] = c[2];
        }
    });
    const auto comparable = [](float x) { return x == x ? x : 1234.5f; }; /* which no 16-bit number is */
    for (float &x : out) x = comparable(x);
    return compare(out, [&](size_t i) { return comparable(element_to_f32(element, static_cast<uint16_t>(i))); });
}

/* Lanes that exchange without memory: widths, votes, parts of a warp, a warp of 8 lanes, lanes that left. */
static __global__ void exchange(float *out)
{
    const unsigned lane = threadIdx.x % 32, all = ~0u;
    const int mine = static_cast<int>(threadIdx.x);
    int bad = 0;
    bad += threadIdx.x < 64 && __shfl_sync(all, mine, 5) != static_cast<int>(threadIdx.x / 32 * 32 + 5);
    if (threadIdx.x < 32) { /* the other warps take no part */
        bad += __shfl_sync(all, mine, 1, 8) != static_cast<int>(lane / 8 * 8 + 1);
        bad += __shfl_down_sync(all, mine, 3, 16) != static_cast<int>(lane % 16 + 3 > 15 ? lane : lane + 3);
        bad += __shfl_up_sync(all, mine, 3) != static_cast<int>(lane < 3 ? lane : lane - 3);
        bad += __shfl_xor_sync(all, static_cast<double>(mine), 9) != static_cast<double>(lane ^ 9);
        bad += __ballot_sync(all, lane % 3 == 0) != 0x49249249u;
        bad += !__any_sync(all, lane == 7) || __all_sync(all, lane != 7) || __any_sync(all, 0) || !__all_sync(all, 1);
        const unsigned half = lane < 16 ? 0xffffu : 0xffff0000u; /* two parts, each on its own */
        bad += __shfl_xor_sync(half, mine, 1) != static_cast<int>(lane ^ 1);
        bad += __ballot_sync(half, 1) != half;
        if (lane >= 20) { /* these leave; the others go on without them */
            out[threadIdx.x] = static_cast<float>(bad);
            return;
        }
        bad += __ballot_sync(all, 1) != 0xfffffu;
        bad += __shfl_down_sync(all, mine, 1) != static_cast<int>(lane == 19 ? ~0u : lane + 1); /* undefined */
    }
    __syncthreads();
    out[threadIdx.x] = static_cast<float>(bad);
}

static int exchanges()
{
    std::vector<float> out(72, -1);
    float *to = data(out);
    simt_run({1, 1, 1}, {72, 1, 1}, 0, [=] { exchange(to); });
    return compare(out, [](size_t) { return 0.0f; });
}

/* Lanes hand numbers round through shared memory, a turn at a time. */
enum turn_flaw { TURN_RIGHT, TURN_BY_SHUFFLE };
template <turn_flaw flaw> static __global__ void turns(float *out)
{
    float *slot = shared_array<float>();
    const unsigned lane = threadIdx.x;
    float mine = static_cast<float>(lane);
    for (int i = 0; i < 4; i++) {
        slot[lane] = mine;
        if (flaw == TURN_RIGHT) __syncwarp();
        else (void)__shfl_sync(~0u, 0, 0); /* all lanes have come, but no memory is ordered */
        mine = slot[(lane + 1) % 32];
        __syncwarp();
    }
    out[lane] = mine;
}

template <turn_flaw flaw> static int all_turns()
{
    std::vector<float> out(32);
    float *to = data(out);
    simt_run({1, 1, 1}, {32, 1, 1}, 128, [=] { turns<flaw>(to); });
    return compare(out, [](size_t i) { return static_cast<float>((i + 4) % 32); });
}

/* Blocks of 4 x 3 x 2 threads, a grid of 3 x 2 x 2, that meet in one counter of each kind. */
static int meetings()
{
    std::vector<float> out(4);
    float *to = data(out);
    int n = 0, *count = &n;
    unsigned m = 0, *places = &m;
    simt_run({3, 2, 2}, {4, 3, 2}, 0, [=] {
        const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
        const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
        atomicAdd(count, 1);
        atomicAdd(places, thread + 24 * block);
        atomicAdd(to + thread % 4, 1.0f);
    });
    if (n != 288 || m != 288 * 287 / 2) out[0] = -1;
    return compare(out, [](size_t) { return 72.0f; });
}

/* Each of 128 threads reads what another wrote, in rounds. */
enum round_flaw { ROUND_RIGHT, ROUND_NO_SECOND_BARRIER };
template <round_flaw flaw> static int rounds()
{
    std::vector<float> out(128);
    float *to = data(out);
    simt_run({1, 1, 1}, {128, 1, 1}, 512, [=] {
        float *s = shared_array<float>(), sum = 0;
        for (unsigned i = 0; i < 4; i++) {
            s[threadIdx.x] = static_cast<float>(i + threadIdx.x);
            __syncthreads();
            sum += s[threadIdx.x ^ 64];
            if (flaw == ROUND_RIGHT) __syncthreads();
        }
        to[threadIdx.x] = sum;
    });
    return compare(out, [](size_t i) { return static_cast<float>(6 + 4 * (i ^ 64)); });
}

/* The host writes what a launch reads, and reads what it wrote, with nothing between but the launches. */
static int launches_in_turn()
{
    std::vector<float> x(64);
    float *to = data(x);
    for (int i = 0; i < 4; i++) {
        for (float &number : x) number += 1;
        simt_run({2, 1, 1}, {32, 1, 1}, 0, [=] { to[blockIdx.x * 32 + threadIdx.x] *= 2; });
    }
    return compare(x, [](size_t) { return 30.0f; });
}

/* No kernel throws, but what ASan does then goes wrong where it does not know a fiber's stack. */
static int unwinds()
{
    std::vector<float> out(32);
    float *to = data(out);
    simt_run({1, 1, 1}, {32, 1, 1}, 0, [=] {
        try {
            throw threadIdx.x;
        } catch (unsigned thrown) {
            to[threadIdx.x] = static_cast<float>(thrown);
        }
    });
    return compare(out, [](size_t i) { return static_cast<float>(i); });
}

/* One kernel of 128 threads and `bytes` of shared memory that need not give anything right. */
static int alone(size_t bytes, const std::function<void(float *)> &kernel)
{
    std::vector<float> out(128, 1);
    float *to = data(out);
    simt_run({1, 1, 1}, {128, 1, 1}, bytes, [&kernel, to] { kernel(to); });
    return compare(out, [](size_t) { return 1.0f; });
}

static int shared_written_at(size_t bytes, ptrdiff_t at)
{
    return alone(bytes, [=](float *) { *(shared_array<volatile char>() + at) = 1; });
}

static int shared_read_beyond()
{
    return alone(512, [](float *out) { out[threadIdx.x] = shared_array<float>()[128 + threadIdx.x]; });
}

static int matrix_rows_at(ptrdiff_t bytes)
{
    return alone(1024, [=](float *) {
        uint32_t r[4];
        simt_ldmatrix_x4(r, shared_array<char>() + bytes);
    });
}

static int copy_between(ptrdiff_t to, ptrdiff_t from)
{
    static char global[64] __attribute__((aligned(16)));
    return alone(1024, [=](float *) { simt_copy_async_16(shared_array<char>() + to, global + from, true); });
}

static int copy_from_beyond()
{
    const std::vector<uint4> global(4);
    const uint4 *end = global.data() + global.size();
    return alone(1024, [=](float *) {
        simt_copy_async_16(shared_array<char>(), end, true);
        simt_copy_wait(0);
    });
}

static int global_beyond()
{
    return alone(0, [](float *out) { out[threadIdx.x + 1] = 1; });
}

static int global_unmapped()
{
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    char *p = static_cast<char *>(mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    return alone(0, [=](float *) { p[threadIdx.x] = 1; });
}

static int barriers_in_two_branches()
{
    return alone(0, [](float *) {
        if (threadIdx.x < 64) __syncthreads();
        else
            __syncthreads();
    });
}

static int barrier_and_warp_wait_for_each_other()
{
    return alone(0, [](float *) {
        if (threadIdx.x < 16) __syncthreads();
        else if (threadIdx.x < 32) __syncwarp();
    });
}

static int lanes_at_different_operations()
{
    return alone(0, [](float *out) {
        if (threadIdx.x % 2) out[threadIdx.x] = __shfl_xor_sync(~0u, 1.0f, 1);
        else out[threadIdx.x] = __any_sync(~0u, 1) ? 1.0f : 0.0f;
    });
}

static int lane_outside_its_mask()
{
    return alone(0, [](float *out) { out[threadIdx.x] = __shfl_xor_sync(0x7fffffffu, 1.0f, 0); });
}

static int mma_without_all_lanes()
{
    return alone(0, [](float *) {
        if (threadIdx.x % 32 == 9) return;
        float c[4] = {};
        const uint32_t a[4] = {}, b[2] = {};
        simt_mma_16816(ELEMENT_BF16, c, a, b);
    });
}

static int shuffle_from_a_lane_that_left()
{
    return alone(0, [](float *out) {
        if (threadIdx.x % 32 == 9) return;
        out[threadIdx.x] = __shfl_sync(~0u, 1.0f, 9);
    });
}

static int blocks_write_one_place()
{
    std::vector<float> out(1);
    float *to = data(out);
    simt_run({3, 1, 1}, {32, 1, 1}, 0, [=] {
        if (threadIdx.x == 0) *to += 1;
    });
    return compare(out, [](size_t) { return 3.0f; });
}

static int a_block_reads_its_neighbour()
{
    std::vector<float> x(2 * 64, 1), out(2 * 64);
    float *from = data(x), *to = data(out);
    simt_run({2, 1, 1}, {64, 1, 1}, 0, [=] {
        const unsigned i = blockIdx.x * 64 + threadIdx.x;
        from[i] = 1;
        to[i] = from[(i + 64) % 128];
    });
    return compare(out, [](size_t) { return 1.0f; });
}

static unsigned fill_stack(unsigned depth)
{
    volatile char frame[1024];
    memset(const_cast<char *>(frame), static_cast<int>(depth % 7), sizeof frame);
    return depth ? fill_stack(depth - 1) + static_cast<unsigned>(frame[depth % 1024]) : 0;
}

static int stack_overflows()
{
    return alone(0, [](float *out) { out[0] = static_cast<float>(fill_stack(100000)); });
}

static int launch_of_nothing()
{
    simt_run({0, 1, 1}, {32, 1, 1}, 0, [] {});
    return 0;
}

static int launch_too_large()
{
    simt_run({1, 1, 1}, {32, 1, 1}, (227 << 10) + 1, [] {});
    return 0;
}

static const struct { const char *name; int (*run)(); } kernels[] = {
    {"sums", sums<SUM_RIGHT>},
    {"products f16", products<ELEMENT_F16, PRODUCT_RIGHT>},
    {"products bf16", products<ELEMENT_BF16, PRODUCT_RIGHT>},
    {"widened f16", widened<ELEMENT_F16>},
    {"widened bf16", widened<ELEMENT_BF16>},
    {"transposes", transposes},
    {"exchanges", exchanges},
    {"turns", all_turns<TURN_RIGHT>},
    {"meetings", meetings},
    {"rounds", rounds<ROUND_RIGHT>},
    {"launches in turn", launches_in_turn},
    {"unwinds", unwinds},
    {"no barrier after writing", sums<SUM_NO_BARRIER>},
    {"no barrier before overwriting", rounds<ROUND_NO_SECOND_BARRIER>},
    {"shuffle for a barrier", all_turns<TURN_BY_SHUFFLE>},
    {"one group too few waited for", products<ELEMENT_F16, PRODUCT_WAITS_TOO_LITTLE>},
    {"copy over what is read", products<ELEMENT_F16, PRODUCT_OVERWRITES>},
    {"shared memory not initialised", sums<SUM_NOT_CLEARED>},
    {"shared written just beyond", [] { return shared_written_at(500, 500); }},
    {"shared written beyond", [] { return shared_written_at(512, 512); }},
    {"shared written far beyond", [] { return shared_written_at(500, 1000); }},
    {"shared written before", [] { return shared_written_at(512, -1); }},
    {"shared read beyond", shared_read_beyond},
    {"ldmatrix misaligned", [] { return matrix_rows_at(8); }},
    {"ldmatrix beyond", [] { return matrix_rows_at(1024); }},
    {"cp.async to misaligned", [] { return copy_between(8, 0); }},
    {"cp.async from misaligned", [] { return copy_between(0, 8); }},
    {"cp.async before", [] { return copy_between(-16, 0); }},
    {"cp.async from beyond", copy_from_beyond},
    {"global beyond", global_beyond},
    {"global unmapped", global_unmapped},
    {"barriers in two branches", barriers_in_two_branches},
    {"barrier and warp wait for each other", barrier_and_warp_wait_for_each_other},
    {"lanes at different operations", lanes_at_different_operations},
    {"lane outside its mask", lane_outside_its_mask},
    {"mma without all lanes", mma_without_all_lanes},
    {"shuffle from a lane that left", shuffle_from_a_lane_that_left},
    {"blocks write one place", blocks_write_one_place},
    {"a block reads its neighbour", a_block_reads_its_neighbour},
    {"stack overflows", stack_overflows},
    {"launch of nothing", launch_of_nothing},
    {"launch too large", launch_too_large},
};

/* TSan takes fibers for threads that are still busy, and would give them a second at exit. */
extern "C" const char *__tsan_default_options();
extern "C" const char *__tsan_default_options() { return "atexit_sleep_ms=0"; }

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    simt_set_options({static_cast<unsigned>(atoi(argv[2])), atoi(argv[3]) != 0, atoi(argv[4])});
    for (const auto &k : kernels)
        if (!strcmp(k.name, argv[1])) return k.run();
    return 2;
}
