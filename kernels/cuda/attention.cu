/* attention.cu - softmax(q k^T / sqrt(D)) v over packed sequences, on tensor cores, scores never in memory.
 *
 *   block (head, item): 64 queries, 4 warps x 16          keys and values in tiles of 64, two tiles on their way
 *
 *   q (registers) x K tile --> scores [16,64] --> masked, largest, 2^(score - largest) --> x V tile --> out, sum
 *                    \__________________ fp32, in registers, warp by warp ________________/
 *
 * Mapping: heads run first over the grid, so that all heads of the longest item start first, and blocks that read the
 * same rows of qkv stand beside one another.  An item is a tile of one sequence or a run of short ones; in a run a row
 * sees the keys of its own sequence alone, and a warp skips the groups of 16 keys that none of its rows sees: four
 * texts of 16 tokens cost four 16x16 squares, not one of 64x64.  Tiles that every row sees in full are a template
 * instance of their own, without a mask and without a branch between its products.
 * The softmax is the online one for every length: the first rescaling finds zeros and costs 2 % of a tile, and a second
 * kernel for up to two tiles would be a second truth.
 * Q comes by plain loads, each warp's own rows: through shared memory it would cost a barrier and 9 KiB.  Rows of a
 * tile are D + 8 elements apart: 8 rows of 16 bytes then lie in 8 different groups of banks, which is what ldmatrix
 * wants; a swizzle would save 4 KiB, and blocks are limited by registers.  At most 36 KiB of shared memory.
 * Rejected: heads of short texts side by side in one block (they are blocks of their own, and leave early);
 * wgmma (see ptx.cuh).  cost_attention() in cost.h. */
#include "launch.cuh"
#include "element.cuh"
#include "ptx.cuh"
#include "reduce.cuh"

enum { TILE = ATTENTION_TILE, WARPS = 4, THREADS = WARPS * LANES, GROUP = 16, GROUPS = TILE / GROUP, TILES_HELD = 2 };

template <int width> constexpr int stride = width + 8; /* elements from row to row of a tile */

/* The tiles in shared memory. */
template <int width> struct tiles {
    uint16_t key[TILES_HELD][TILE * stride<width>], value[TILES_HELD][TILE * stride<width>];
};

/* What a block works on: the item, and the rows of its head. */
struct block_work {
    const uint16_t *key, *value; /* of token key0 */
    size_t          row;         /* elements from token to token */
    int             keys;
    bool            run;         /* several sequences */
};

/* Sixteen queries of a warp.  A lane has rows lane / 4 and lane / 4 + 8 of each fragment, and of each group of 8
 * columns the pair lane % 4. */
template <int width> struct queries {
    uint32_t q[width / GROUP][4];
    float    out[width / 8][4];
    float    most[2], sum[2]; /* largest score; sum of this lane's columns */
    int      begin[2], end[2]; /* the keys that each row sees, from key0 */
    int      first, last;      /* the keys that any row of the warp sees */
};

/* Begins to copy tile `t` of keys and values.  Rows from `keys` to the end of their group are zeros: a score of theirs
 * is masked, but 0 x NaN would not be 0.  Groups beyond are read by nobody. */
template <int width> static __device__ __forceinline__ void copy_tile(const block_work &b, tiles<width> &s, int t)
{
    constexpr int chunks = width / 8;
    uint16_t     *key = s.key[t % TILES_HELD], *value = s.value[t % TILES_HELD];
#pragma unroll
    for (int i = 0; i < TILE * chunks / THREADS; i++) {
        const int    chunk = i * THREADS + threadIdx.x, row = chunk / chunks, column = chunk % chunks * 8;
        const int    token = t * TILE + row, to = row * stride<width> + column;
        const bool   there = token < b.keys;
        const size_t from = static_cast<size_t>(there ? token : 0) * b.row + column;
        if (token - row % GROUP >= b.keys) continue;
        ptx_copy_async_16(key + to, b.key + from, there);
        ptx_copy_async_16(value + to, b.value + from, there);
    }
}

/* A number of a value that is not finite would reach the other sequences of its run as 0 x NaN.  It is moved to the
 * key, where the mask stops it: its own sequence's scores become NaN, the others' stay.  Each thread looks at what it
 * copied itself, so no barrier is needed before. */
template <element_type element, int width> static __device__ void keep_at_home(const block_work &b, tiles<width> &s)
{
    constexpr int chunks = width / 8;
    for (int i = threadIdx.x; i < b.keys * chunks; i += THREADS) {
        const int to = i / chunks * stride<width> + i % chunks * 8;
        float     numbers[8], zero = 0;
        element_load8<element>(numbers, s.value[0] + to);
#pragma unroll
        for (int j = 0; j < 8; j++) zero += 0 * numbers[j];
        if (zero == 0) continue;
        *reinterpret_cast<uint4 *>(s.value[0] + to) = make_uint4(0, 0, 0, 0);
        *reinterpret_cast<uint4 *>(s.key[0] + to) = make_uint4(~0u, ~0u, ~0u, ~0u); /* NaN */
    }
}

/* One tile for one warp.  whole: every row sees all of its keys. */
template <element_type element, int width, bool whole>
static __device__ __forceinline__ void attend(queries<width> &w, const uint16_t *key, const uint16_t *value, int key0,
                                              float scale_log2)
{
    const int lane = threadIdx.x % LANES;
    float     p[2 * GROUPS][4] = {}, most[2] = {w.most[0], w.most[1]};
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        const int here = key0 + g * GROUP;
        if (!whole && (here >= w.last || here + GROUP <= w.first)) continue;
#pragma unroll
        for (int k = 0; k < width / GROUP; k++) {
            uint32_t b[4]; /* keys 0-7 and 8-15 of the group, columns 0-7 and 8-15 of the sixteen */
            const int row = g * GROUP + lane % 8 + lane / 16 * 8, column = k * GROUP + lane / 8 % 2 * 8;
            ptx_ldmatrix_x4(b, key + row * stride<width> + column);
            ptx_mma_16816<element>(p[2 * g], w.q[k], b[0], b[1]);
            ptx_mma_16816<element>(p[2 * g + 1], w.q[k], b[2], b[3]);
        }
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const int half = i / 2 % 2, column = here + i / 4 * 8 + lane % 4 * 2 + i % 2;
            float    &score = p[2 * g + i / 4][i % 4];
            if (!whole && (column < w.begin[half] || column >= w.end[half])) score = -INFINITY;
            most[half] = fmaxf(most[half], score);
        }
    }

    /* Every row has seen a key, so most is no infinity; where it is NaN or a score was, the row becomes NaN. */
    float shift[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        most[half] = fmaxf(most[half], __shfl_xor_sync(0xffffffffu, most[half], 1));
        most[half] = fmaxf(most[half], __shfl_xor_sync(0xffffffffu, most[half], 2));
        const float rescale = ptx_exp2((w.most[half] - most[half]) * scale_log2);
        w.most[half] = most[half];
        w.sum[half] *= rescale;
        shift[half] = most[half] * scale_log2;
#pragma unroll
        for (int j = 0; j < width / 8; j++) {
            w.out[j][2 * half] *= rescale;
            w.out[j][2 * half + 1] *= rescale;
        }
    }

#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        const int here = key0 + g * GROUP;
        if (!whole && (here >= w.last || here + GROUP <= w.first)) continue;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const int half = i / 2 % 2;
            float    &weight = p[2 * g + i / 4][i % 4];
            weight = ptx_exp2(weight * scale_log2 - shift[half]);
            w.sum[half] += weight;
        }
        uint32_t a[4]; /* where a score's fragment ends up is where the next product wants its left side */
#pragma unroll
        for (int i = 0; i < 4; i++)
            a[i] = element_pack<element>(p[2 * g + i / 2][i % 2 * 2], p[2 * g + i / 2][i % 2 * 2 + 1]);
#pragma unroll
        for (int j = 0; j < width / GROUP; j++) {
            uint32_t b[4]; /* transposed: columns 0-7 and 8-15 of the sixteen, keys 0-7 and 8-15 of the group */
            ptx_ldmatrix_x4_trans(b, value + (g * GROUP + lane % 16) * stride<width> + j * GROUP + lane / 16 * 8);
            ptx_mma_16816<element>(w.out[2 * j], a, b[0], b[1]);
            ptx_mma_16816<element>(w.out[2 * j + 1], a, b[2], b[3]);
        }
    }
}

/* The warp's rows of Q into fragments, and which keys they see.  Rows without a query are zeros and see what the last
 * query sees; they are not written. */
template <int width>
static __device__ __forceinline__ void take_queries(queries<width> &w, const cuda_attention &a, const block_work &b,
                                                    cuda_attention_work item, int row0, const uint16_t *q)
{
    const int lane = threadIdx.x % LANES;
    w = {};
#pragma unroll
    for (int half = 0; half < 2; half++) {
        const int  row = row0 + lane / 4 + half * 8;
        const bool there = row < item.queries;
        const int  token = item.query0 + (there ? row : item.queries - 1);
        const auto from = q + static_cast<size_t>(token) * b.row + lane % 4 * 2;
#pragma unroll
        for (int k = 0; k < width / GROUP; k++) {
            w.q[k][half] = there ? *reinterpret_cast<const uint32_t *>(from + k * GROUP) : 0;
            w.q[k][half + 2] = there ? *reinterpret_cast<const uint32_t *>(from + k * GROUP + 8) : 0;
        }
        w.most[half] = -INFINITY;
        w.begin[half] = 0;
        w.end[half] = b.keys;
        if (b.run) {
            const int32_t *starts = a.input.starts + a.input.sequence[token];
            w.begin[half] = starts[0] - item.key0;
            w.end[half] = starts[1] - item.key0;
        }
    }
    w.first = __shfl_sync(0xffffffffu, w.begin[0], 0);          /* of the warp's first row */
    w.last = __shfl_sync(0xffffffffu, w.end[1], LANES - 1);     /* and of its last */
}

/* Divides by the sum and writes the rows, through `staged` [64,D] so that 16 bytes leave at once. */
template <element_type element, int width>
static __device__ __forceinline__ void put_queries(const queries<width> &w, uint16_t *staged, uint16_t *out,
                                                   size_t out_row, int row0, int rows)
{
    constexpr int chunks = width / 8;
    const int     lane = threadIdx.x % LANES;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float sum = w.sum[half];
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        const float scale = 1 / sum;
        uint16_t   *to = staged + (row0 + lane / 4 + half * 8) * stride<width> + lane % 4 * 2;
#pragma unroll
        for (int j = 0; j < width / 8; j++)
            *reinterpret_cast<uint32_t *>(to + j * 8) =
                element_pack<element>(w.out[j][2 * half] * scale, w.out[j][2 * half + 1] * scale);
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < GROUP * chunks / LANES; i++) {
        const int chunk = i * LANES + lane, row = row0 + chunk / chunks, column = chunk % chunks * 8;
        if (row < rows)
            *reinterpret_cast<uint4 *>(out + row * out_row + column) =
                *reinterpret_cast<const uint4 *>(staged + row * stride<width> + column);
    }
}

template <element_type element, int width>
static __global__ void __launch_bounds__(THREADS) attention_items(const cuda_attention a, float scale_log2)
{
    SHARED(tiles<width>, s);
    if (static_cast<int>(blockIdx.y) >= a.input.header->work_items) return;

    const cuda_attention_work item = a.input.work[blockIdx.y];
    const size_t    hidden = static_cast<size_t>(a.heads) * width;
    const uint16_t *q = element_at(a.qkv, blockIdx.x * width);
    const size_t    key0 = static_cast<size_t>(item.key0) * 3 * hidden;
    block_work      b = {q + key0 + hidden, q + key0 + 2 * hidden, 3 * hidden, item.keys, false};

    copy_tile(b, *s, 0);
    ptx_copy_commit();
    if (b.keys > TILE) copy_tile(b, *s, 1);
    ptx_copy_commit(); /* also when it is empty: the waits below count groups */
    b.run = a.input.sequence[item.key0] != a.input.sequence[item.key0 + item.keys - 1];

    const int      row0 = threadIdx.x / LANES * GROUP;
    const bool     busy = row0 < item.queries; /* a warp without queries copies, and waits at the barriers */
    queries<width> w;
    if (busy) take_queries(w, a, b, item, row0, q);

    const int n_tiles = (b.keys + TILE - 1) / TILE;
    for (int t = 0; t < n_tiles; t++) {
        ptx_copy_wait<1>();
        if (b.run) keep_at_home<element>(b, *s);
        __syncthreads();
        const uint16_t *key = s->key[t % TILES_HELD], *value = s->value[t % TILES_HELD];
        const bool whole = !b.run && (t + 1) * TILE <= b.keys;
        if (busy && whole) attend<element, width, true>(w, key, value, t * TILE, scale_log2);
        else if (busy) attend<element, width, false>(w, key, value, t * TILE, scale_log2);
        if (t + TILES_HELD < n_tiles) {
            __syncthreads(); /* every warp is done with the tile that the next copy overwrites */
            copy_tile(b, *s, t + TILES_HELD);
        }
        ptx_copy_commit();
    }

    /* The other tile's keys: all warps left them before the last tile's barrier, and no copy goes there any more. */
    uint16_t *out = element_at(a.out, static_cast<size_t>(item.query0) * hidden + blockIdx.x * width);
    if (busy) put_queries<element>(w, s->key[n_tiles % TILES_HELD], out, hidden, row0, item.queries);
}

template <element_type element, int width> static int launch(const cuda_attention &a, kernel_stream stream)
{
    const float scale_log2 = static_cast<float>(1.4426950408889634 / sqrt(static_cast<double>(width)));
    return LAUNCH((attention_items<element, width>), dim3(a.heads, a.work_items), dim3(THREADS), sizeof(tiles<width>),
                  stream, a, scale_log2);
}

int cuda_attention_run(const cuda_attention *a, kernel_stream stream)
{
    if (a->heads < 1 || a->work_items < 1 || a->work_items > 65535) return KERNEL_BAD_SHAPE; /* a grid's y ends there */
    const bool f16 = a->element == ELEMENT_F16;
    if (a->width == 32) return f16 ? launch<ELEMENT_F16, 32>(*a, stream) : launch<ELEMENT_BF16, 32>(*a, stream);
    if (a->width == 64) return f16 ? launch<ELEMENT_F16, 64>(*a, stream) : launch<ELEMENT_BF16, 64>(*a, stream);
    return KERNEL_BAD_SHAPE;
}
