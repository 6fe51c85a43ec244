/* attention_head.h - one head's attention in float32, compiled once for each instruction set (see lanes.h).
 *
 *                 queries ->                          for every block of queries (two registers of them)
 *     keys   [ scores = k q' ]   k is broadcast, q was turned once: a register holds one key's scores of LANES queries
 *       |    [ 2^(c (score - largest)), and its sum: down the columns, so nothing goes across a register ]
 *       v    out [queries,D] = scores' v / sum          a score is broadcast, a register holds LANES columns of v
 *
 * All n scores of a block are kept, so no online softmax is needed.
 * A query has its own lane, then its own row of sums, and keys are added in their order: its result depends on neither
 * the block nor the lane. */
#ifndef KERNELS_CPU_ATTENTION_HEAD_H
#define KERNELS_CPU_ATTENTION_HEAD_H
#include <math.h>
#include "attention.h"
#include "lanes_exp2.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
    HEAD_VECTORS = 2,
    HEAD_QUERIES = HEAD_VECTORS * LANES,
    HEAD_ROWS = LANES == 16 ? 14 : 6, /* 28 of 32 registers, or 12 of 16, hold sums */
};

typedef struct {
    const float *q, *k, *v; /* [queries,D], [n,D], [n,D padded to whole registers] */
    size_t q_stride, k_stride, v_stride, out_stride;
    float *out; /* [queries,D] */
    int queries, n, width;
} head;

/* Up to two registers of queries; lanes without a query repeat the last one. */
static void turn_queries(float *turned, const head *h, int query, int rows, int columns)
{
    for (int r = 0; r < columns; r += LANES)
        for (int d = 0; d < h->width; d += LANES) {
            lanes x[LANES];
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) {
                const int row = query + (r + i < rows ? r + i : rows - 1);
                x[i] = lanes_load_n(h->q + (size_t)row * h->q_stride + d, h->width - d);
            }
            lanes_turn(x);
#pragma GCC unroll 16
            for (int i = 0; i < LANES; i++) lanes_store(turned + (d + i) * columns + r, x[i]);
        }
}

/* sums[row][vector] = a[row,k] b[k,vector] over k in order; all but the pointers is constant where this is inlined. */
ALWAYS_INLINE void tile(lanes sums[][HEAD_VECTORS], const float *a, size_t a_row, size_t a_step, const float *b,
                        size_t b_step, int K, const int rows, const int vectors)
{
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sums[r][v] = lanes_set(0);
    for (int k = 0; k < K; k++, a += a_step, b += b_step) {
        lanes column[HEAD_VECTORS];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) column[v] = lanes_load(b + v * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const lanes x = lanes_set(a[(size_t)r * a_row]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sums[r][v] = lanes_fma(x, column[v], sums[r][v]);
        }
    }
}

typedef enum { HEAD_FULL, HEAD_LOW } head_precision; /* of weights: float32, or as a bfloat16 has them */

/* x rounded to the eight bits of a bfloat16, by a product that pushes the others out of a float32 (Veltkamp). */
static inline lanes short_of(lanes x)
{
    const lanes pushed = lanes_mul(x, lanes_set(65537));
    return lanes_sub(pushed, lanes_sub(pushed, x));
}

/* A block of queries on its way through the steps. */
typedef struct {
    const head *h;
    float *turned;            /* [D,columns] */
    float *scores;            /* [n,columns] */
    int query, rows, columns; /* columns: rows rounded up to whole registers */
    float largest[HEAD_QUERIES], inverse[HEAD_QUERIES];
} head_block;

ALWAYS_INLINE void score_tile(head_block *b, int key, const int rows, const int vectors)
{
    lanes sums[HEAD_ROWS][HEAD_VECTORS];
    const int columns = vectors * LANES;
    float *scores = b->scores + key * columns;
    tile(sums, b->h->k + (size_t)key * b->h->k_stride, b->h->k_stride, 1, b->turned, (size_t)columns, b->h->width, rows,
         vectors);
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        lanes most = lanes_load(b->largest + v * LANES);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            most = lanes_max(most, sums[r][v]);
            lanes_store(scores + r * columns + v * LANES, sums[r][v]);
        }
        lanes_store(b->largest + v * LANES, most);
    }
}

ALWAYS_INLINE void value_tile(head_block *b, int row, const int rows, int column, const int vectors)
{
    const head *h = b->h;
    lanes sums[HEAD_ROWS][HEAD_VECTORS];
    tile(sums, b->scores + row, 1, (size_t)b->columns, h->v + column, h->v_stride, h->n, rows, vectors);
    float *out = h->out + (size_t)(b->query + row) * h->out_stride + column;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            lanes_store_n(out + (size_t)r * h->out_stride + v * LANES,
                          lanes_mul(sums[r][v], lanes_set(b->inverse[row + r])), h->width - column - v * LANES);
}

#define ROWS(n)                                                                                                        \
    case n:                                                                                                            \
        if (values) value_tile(b, at, n, column, vectors);                                                             \
        else score_tile(b, at, n, vectors);                                                                            \
        break;

/* All rows of one step, dealt evenly: 16 are 8 + 8, not 14 + 2, whose second tile would wait for its loads. */
ALWAYS_INLINE void tiles(head_block *b, const int values, int n, int column, const int vectors)
{
    const int count = (n + HEAD_ROWS - 1) / HEAD_ROWS;
    for (int t = 0; t < count; t++) {
        const int at = n * t / count;
        switch (n * (t + 1) / count - at) {
            ROWS(1)
            ROWS(2)
            ROWS(3) ROWS(4) ROWS(5) ROWS(6)
#if TILE_ROWS >= 8
                ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) ROWS(13) ROWS(14)
#endif
        }
    }
}

/* Turns scores into weights without their common divisor.  The product by c is rounded before the difference, but alike
 * in all of a query's weights.  Below 2^-100 a weight is as good as none, and its products are not denormal, which
 * would be slow. */
ALWAYS_INLINE void soften(head_block *b, const int vectors, const head_precision precision)
{
    const int columns = vectors * LANES;
    const lanes c = lanes_set(1.44269504f / sqrtf((float)b->h->width));
    for (int v = 0; v < vectors; v++) {
        const lanes most = lanes_sub(lanes_set(0), lanes_mul(lanes_load(b->largest + v * LANES), c));
        float *scores = b->scores + v * LANES;
        lanes sum = lanes_set(0);
        for (int key = 0; key < b->h->n; key++, scores += columns) {
            const lanes x = lanes_max(lanes_set(-100), lanes_fma(lanes_load(scores), c, most));
            const lanes weight = precision == HEAD_FULL ? lanes_exp2(x) : short_of(lanes_exp2_low(x));
            lanes_store(scores, weight);
            sum = lanes_add(sum, weight);
        }
        lanes_store(b->inverse + v * LANES, lanes_div(lanes_set(1), sum));
    }
}

ALWAYS_INLINE void attend_block(head_block *b, const int vectors, const head_precision precision)
{
    const head *h = b->h;
    for (int i = 0; i < HEAD_QUERIES; i++) b->largest[i] = -INFINITY;
    turn_queries(b->turned, h, b->query, b->rows, b->columns);
    tiles(b, 0, h->n, 0, vectors);
    soften(b, vectors, precision);
    for (int column = 0; column < h->width; column += HEAD_QUERIES)
        if (h->width - column > LANES) tiles(b, 1, b->rows, column, 2);
        else tiles(b, 1, b->rows, column, 1);
}

ALWAYS_INLINE void attend(const head *h, float *scratch, const head_precision precision)
{
    head_block b = {
        .h = h, .turned = scratch, .scores = scratch + (h->width + LANES - 1) / LANES * LANES * HEAD_QUERIES};
    for (b.query = 0; b.query < h->queries; b.query += HEAD_QUERIES) {
        b.rows = h->queries - b.query < HEAD_QUERIES ? h->queries - b.query : HEAD_QUERIES;
        b.columns = b.rows > LANES ? 2 * LANES : LANES;
        if (b.rows > LANES) attend_block(&b, 2, precision);
        else attend_block(&b, 1, precision);
    }
}
#endif
