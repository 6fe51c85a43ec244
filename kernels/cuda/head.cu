/* head.cu - a reranker's or classifier's head: two small products for each sequence, on its first token alone.
 *
 *   x[first] [H] --> tanh(pooler [H,H] x + bias) --> classifier [labels,H] x + bias --> out [labels], finite
 *     (registers)          (shared memory)
 *
 * Mapping: a block a sequence, a warp an output number: lanes share the row of the matrix in 16-byte loads and hold
 * their columns of the vector in registers for all rows.  One launch for both products, since the vector between them
 * never leaves the block.  A product of cuBLASLt would gather the first tokens, round that vector to 16 bits and take
 * three launches.  Each block reads the pooler once (2 H^2 bytes, from L2 after the first), which for one sequence is
 * 3 us at H = 384 and about 20 at 1024 by the width of one SM's path to L2. */
#include "launch.cuh"
#include "element.cuh"
#include "reduce.cuh"

enum { THREADS = 512, COLUMNS = 8, WARPS = THREADS / LANES, ROUNDS = KERNEL_HIDDEN_MAX / (LANES * COLUMNS) };

/* The lane's columns of a round begin here. */
static __device__ __forceinline__ int column_of(int round) { return (round * LANES + threadIdx.x % LANES) * COLUMNS; }

/* row [H] . vector, in every lane; the vector is 0 beyond H. */
template <element_type element>
static __device__ __forceinline__ float dot(const float (&vector)[ROUNDS][COLUMNS], const uint16_t *row, int hidden)
{
    float sum = 0;
#pragma unroll
    for (int i = 0; i < ROUNDS; i++) {
        if (column_of(i) >= hidden) continue;
        float numbers[COLUMNS];
        element_load8<element>(numbers, row + column_of(i));
#pragma unroll
        for (int j = 0; j < COLUMNS; j++) sum += numbers[j] * vector[i][j];
    }
    return warp_sum(sum);
}

template <element_type element> static __device__ __forceinline__ float number_at(const void *array, int at)
{
    return element_unpack<element>(*element_at(array, at)).x;
}

template <element_type element> static __global__ void __launch_bounds__(THREADS) head_rows(const cuda_head h)
{
    SHARED(float, pooled); /* [H], then warp_sums [WARPS] */
    const int sequence = blockIdx.x, warp = threadIdx.x / LANES;
    if (sequence >= h.input.header->S) return;

    float           vector[ROUNDS][COLUMNS] = {};
    const uint16_t *x = element_at(h.x, static_cast<size_t>(h.input.starts[sequence]) * h.hidden);
#pragma unroll
    for (int i = 0; i < ROUNDS; i++)
        if (column_of(i) < h.hidden) element_load8<element>(vector[i], x + column_of(i));
    for (int i = warp; i < h.hidden; i += WARPS) {
        const float sum = dot<element>(vector, element_at(h.pooler, static_cast<size_t>(i) * h.hidden), h.hidden);
        if (threadIdx.x % LANES == 0) pooled[i] = tanhf(sum + number_at<element>(h.pooler_bias, i));
    }
    __syncthreads();

#pragma unroll
    for (int i = 0; i < ROUNDS; i++)
        if (column_of(i) < h.hidden)
#pragma unroll
            for (int j = 0; j < COLUMNS; j++) vector[i][j] = pooled[column_of(i) + j];
    float wrong = 0;
    for (int i = warp; i < h.labels; i += WARPS) {
        const float sum = dot<element>(vector, element_at(h.classifier, static_cast<size_t>(i) * h.hidden), h.hidden);
        const float logit = sum + number_at<element>(h.classifier_bias, i);
        if (!(fabsf(logit) < INFINITY)) wrong = 1;
        if (threadIdx.x % LANES == 0) h.out[static_cast<size_t>(sequence) * h.labels + i] = logit;
    }
    wrong = block_sum<THREADS>(wrong, pooled + h.hidden);
    if (threadIdx.x == 0) h.finite[sequence] = wrong == 0;
}

template <element_type element> static int launch(const cuda_head &h, kernel_stream stream)
{
    const size_t shared_bytes = (static_cast<size_t>(h.hidden) + WARPS) * sizeof(float);
    return LAUNCH((head_rows<element>), dim3(h.sequences), dim3(THREADS), shared_bytes, stream, h);
}

int cuda_head_run(const cuda_head *h, kernel_stream stream)
{
    if (h->sequences < 1 || h->labels < 1 || h->hidden < COLUMNS || h->hidden > KERNEL_HIDDEN_MAX ||
        h->hidden % COLUMNS)
        return KERNEL_BAD_SHAPE;
    return h->element == ELEMENT_F16 ? launch<ELEMENT_F16>(*h, stream) : launch<ELEMENT_BF16>(*h, stream);
}
