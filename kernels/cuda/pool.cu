/* pool.cu - a batch's last kernel: a sequence's tokens become one fp32 row, of length 1 where asked, and a verdict.
 *
 *   x [n,H] --> group 0: tokens 0, G, 2G... --+
 *           --> group 1: tokens 1, G+1...   --+--> sums added in order of groups --> row [poolings x H] --> out, finite
 *           ...                               |       (shared memory)               (shared memory)
 *
 * Mapping: a block a sequence, because the length of a row is a sum over all of it.  A thread takes 8 columns (16
 * bytes) of every G-th token, G = THREADS / (H / 8) groups: with one group a text of 512 tokens would be 512 loads one
 * after the other.  Which thread adds what depends on H alone, so a text has the same bits in every batch; atomics
 * would not give that.  The sum, the weighted sum and the largest are all kept whatever is asked for: 24 operations
 * to 16 bytes are free beside the load, and kinds as template arguments would be 63 kernels.
 * The sum of squares is in float64, where the square of no float overflows: it is finite exactly when every number of
 * the row is, and so serves the verdict too.  Bound by latency for one text: cost_pool() in cost.h. */
#include "launch.cuh"
#include "element.cuh"
#include "kernels/cpu/pool.h"
#include "reduce.cuh"

enum { THREADS = 512, COLUMNS = 8, WARPS = THREADS / LANES, OF_ONE_TOKEN = POOLING_CLS | POOLING_LAST };

/* Where a pooling stands among those asked for. */
static __host__ __device__ int place_of(int poolings, int pooling)
{
    int place = 0;
    for (int bit = POOLING_CLS; bit < pooling; bit <<= 1) place += (poolings & bit) != 0;
    return place;
}

/* NaN stays: fmaxf would drop it. */
static __device__ __forceinline__ float larger(float x, float most) { return x > most || x != x ? x : most; }

/* A sequence's tokens [n,H] taken together by the block's groups of threads. */
struct gathering {
    float *partial; /* [groups,H] */
    int    hidden, group, groups, column, n;
};

/* Hands each column's total to to(column, total); a barrier before and after. */
template <bool sum, class function>
static __device__ __forceinline__ void gather(const gathering &g, const float (&x)[COLUMNS], function to)
{
    __syncthreads(); /* the partial sums before these have been read */
    if (g.group < g.groups)
        for (int i = 0; i < COLUMNS; i++) g.partial[g.group * g.hidden + g.column + i] = x[i];
    __syncthreads();
    for (int column = threadIdx.x; column < g.hidden; column += THREADS) {
        float total = g.partial[column];
        for (int i = 1; i < g.groups && i < g.n; i++) {
            const float next = g.partial[i * g.hidden + column];
            total = sum ? total + next : larger(next, total);
        }
        to(column, total);
    }
}

template <element_type element>
static __device__ __forceinline__ void pool_tokens(const cuda_pool &p, const uint16_t *x, gathering g, float *row)
{
    float sum[COLUMNS] = {}, weighted[COLUMNS] = {}, most[COLUMNS];
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) most[i] = -INFINITY;
    if (g.group < g.groups) {
#pragma unroll 4
        for (int t = g.group; t < g.n; t += g.groups) {
            float token[COLUMNS];
            element_load8<element>(token, x + static_cast<size_t>(t) * g.hidden + g.column);
#pragma unroll
            for (int i = 0; i < COLUMNS; i++) {
                sum[i] += token[i];
                weighted[i] += token[i] * static_cast<float>(t + 1);
                most[i] = larger(token[i], most[i]);
            }
        }
    }
    const float n = static_cast<float>(g.n);
    if (p.poolings & POOLING_MAX) {
        float *to = row + place_of(p.poolings, POOLING_MAX) * g.hidden;
        gather<false>(g, most, [&](int column, float total) { to[column] = total; });
    }
    if (p.poolings & (POOLING_MEAN | POOLING_MEAN_SQRT_LEN)) {
        float *mean = row + place_of(p.poolings, POOLING_MEAN) * g.hidden;
        float *by_root = row + place_of(p.poolings, POOLING_MEAN_SQRT_LEN) * g.hidden;
        gather<true>(g, sum, [&](int column, float total) {
            if (p.poolings & POOLING_MEAN) mean[column] = total / n;
            if (p.poolings & POOLING_MEAN_SQRT_LEN) by_root[column] = total / sqrtf(n);
        });
    }
    if (p.poolings & POOLING_WEIGHTED_MEAN) {
        float *to = row + place_of(p.poolings, POOLING_WEIGHTED_MEAN) * g.hidden;
        gather<true>(g, weighted, [&](int column, float total) { to[column] = total / (n * (n + 1) / 2); });
    }
}

template <element_type element> static __global__ void __launch_bounds__(THREADS) pool_rows(const cuda_pool p)
{
    SHARED(double, warp_sums); /* [WARPS], then row [dimensions], then partial [groups,H] */
    const int sequence = blockIdx.x, thread = threadIdx.x;
    if (sequence >= p.input.header->S) return;

    const int first = p.input.starts[sequence], n = p.input.starts[sequence + 1] - first;
    const int dimensions = place_of(p.poolings, POOLING_ALL + 1) * p.hidden, threads_per_row = p.hidden / COLUMNS;
    float    *row = reinterpret_cast<float *>(warp_sums + WARPS);
    const uint16_t *x = element_at(p.x, static_cast<size_t>(first) * p.hidden);

    if (thread < threads_per_row) {
        for (int pooling = POOLING_CLS; pooling <= POOLING_LAST; pooling *= POOLING_LAST) {
            if (!(p.poolings & pooling)) continue;
            const int token = pooling == POOLING_CLS ? 0 : n - 1;
            float     numbers[COLUMNS];
            element_load8<element>(numbers, x + static_cast<size_t>(token) * p.hidden + thread * COLUMNS);
            for (int i = 0; i < COLUMNS; i++)
                row[place_of(p.poolings, pooling) * p.hidden + thread * COLUMNS + i] = numbers[i];
        }
    }
    if (p.poolings & ~OF_ONE_TOKEN)
        pool_tokens<element>(p, x,
                             {row + dimensions, p.hidden, thread / threads_per_row, THREADS / threads_per_row,
                              thread % threads_per_row * COLUMNS, n},
                             row);
    __syncthreads();

    double squares = 0;
    for (int i = thread; i < dimensions; i += THREADS) {
        const double number = row[i];
        squares += number * number;
    }
    squares = block_sum<THREADS>(squares, warp_sums);
    const double length = sqrt(squares);
    const double scale = !p.input.normalize[sequence] ? 1 : 1 / (length < 1e-12 ? 1e-12 : length);
    for (int i = thread; i < dimensions; i += THREADS)
        p.out[static_cast<size_t>(sequence) * dimensions + i] = static_cast<float>(static_cast<double>(row[i]) * scale);
    if (thread == 0) p.finite[sequence] = squares < INFINITY; /* NaN is not */
}

template <element_type element> static int launch(const cuda_pool &p, kernel_stream stream)
{
    const int    groups = THREADS / (p.hidden / COLUMNS);
    const size_t floats = static_cast<size_t>(place_of(p.poolings, POOLING_ALL + 1) + groups) * p.hidden;
    const size_t shared_bytes = WARPS * sizeof(double) + floats * sizeof(float); /* at most 41088 */
    return LAUNCH((pool_rows<element>), dim3(p.sequences), dim3(THREADS), shared_bytes, stream, p);
}

int cuda_pool_run(const cuda_pool *p, kernel_stream stream)
{
    if (p->sequences < 1 || p->hidden < COLUMNS || p->hidden > KERNEL_HIDDEN_MAX || p->hidden % COLUMNS ||
        p->poolings < 1 || p->poolings > POOLING_ALL)
        return KERNEL_BAD_SHAPE;
    return p->element == ELEMENT_F16 ? launch<ELEMENT_F16>(*p, stream) : launch<ELEMENT_BF16>(*p, stream);
}
