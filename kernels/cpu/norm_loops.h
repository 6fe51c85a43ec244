/* norm_loops.h - LayerNorm and the embedding, compiled once for each instruction set (see lanes.h). */
#include <math.h>
#include "norm.h"
#include "lanes.h"

enum { CHAINS = 4 }; /* of additions side by side: each waits for the one before it */

static inline float sum_of(const lanes *chains)
{
    return lanes_sum(lanes_add(lanes_add(chains[0], chains[1]), lanes_add(chains[2], chains[3])));
}

void LANES_SET(layer_norm)(const layer_norm *l, int row0, int row1)
{
    const int whole = l->hidden / LANES * LANES, rest = l->hidden - whole;
    for (int row = row0; row < row1; row++) {
        const float *x = l->in + (size_t)row * l->in_stride;
        float       *out = l->out + (size_t)row * l->out_stride;
        lanes        sums[CHAINS] = {rest ? lanes_load_n(x + whole, rest) : lanes_set(0), lanes_set(0), lanes_set(0),
                                     lanes_set(0)};
        int          h = 0;
        for (; h <= whole - CHAINS * LANES; h += CHAINS * LANES)
            for (int i = 0; i < CHAINS; i++) sums[i] = lanes_add(sums[i], lanes_load(x + h + i * LANES));
        for (; h < whole; h += LANES) sums[0] = lanes_add(sums[0], lanes_load(x + h));
        const float mean = sum_of(sums) / (float)l->hidden;

        const lanes means = lanes_set(mean);
        lanes       squares[CHAINS] = {lanes_set(0), lanes_set(0), lanes_set(0), lanes_set(0)};
        for (h = 0; h <= whole - CHAINS * LANES; h += CHAINS * LANES)
            for (int i = 0; i < CHAINS; i++) {
                const lanes d = lanes_sub(lanes_load(x + h + i * LANES), means);
                squares[i] = lanes_fma(d, d, squares[i]);
            }
        for (; h < whole; h += LANES) {
            const lanes d = lanes_sub(lanes_load(x + h), means);
            squares[0] = lanes_fma(d, d, squares[0]);
        }
        float variance = sum_of(squares);
        for (h = whole; h < l->hidden; h++) variance += (x[h] - mean) * (x[h] - mean);
        const lanes scale = lanes_set(1 / sqrtf(variance / (float)l->hidden + l->eps));

        for (h = 0; h < whole; h += LANES) {
            const lanes d = lanes_mul(lanes_sub(lanes_load(x + h), means), scale);
            lanes_store(out + h, lanes_fma(d, lanes_load(l->gamma + h), lanes_load(l->beta + h)));
        }
        if (rest) {
            const lanes d = lanes_mul(lanes_sub(lanes_load_n(x + whole, rest), means), scale);
            const lanes gamma = lanes_load_n(l->gamma + whole, rest), beta = lanes_load_n(l->beta + whole, rest);
            lanes_store_n(out + whole, lanes_fma(d, gamma, beta), rest);
        }
    }
}

void LANES_SET(embed)(const embed *e, int row0, int row1)
{
    const size_t hidden = (size_t)e->norm.hidden;
    for (int row = row0; row < row1; row++) {
        const float *word = e->word + (size_t)e->ids[row] * hidden;
        const float *position = e->position + (size_t)e->positions[row] * hidden;
        const float *type = e->type + (e->types ? (size_t)e->types[row] * hidden : 0);
        float       *out = e->norm.out + (size_t)row * e->norm.out_stride;
        for (int h = 0; h < e->norm.hidden; h += LANES) {
            const int left = e->norm.hidden - h;
            lanes x = lanes_add(lanes_load_n(word + h, left), lanes_load_n(type + h, left));
            lanes_store_n(out + h, lanes_add(x, lanes_load_n(position + h, left)), left);
        }
        LANES_SET(layer_norm)(&e->norm, row, row + 1); /* the row is still in L1 */
    }
}
