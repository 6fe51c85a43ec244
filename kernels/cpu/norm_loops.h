/* norm_loops.h - LayerNorm and the embedding, compiled once for each instruction set (see lanes.h). */
#include <math.h>
#include "norm.h"
#include "lanes.h"

void LANES_SET(layer_norm)(const layer_norm *l, int row0, int row1)
{
    const int whole = l->hidden / LANES * LANES, rest = l->hidden - whole;
    for (int row = row0; row < row1; row++) {
        const float *x = l->in + (size_t)row * l->in_stride;
        float       *out = l->out + (size_t)row * l->out_stride;
        lanes        sum = rest ? lanes_load_n(x + whole, rest) : lanes_set(0);
        for (int h = 0; h < whole; h += LANES) sum = lanes_add(sum, lanes_load(x + h));
        const float mean = lanes_sum(sum) / (float)l->hidden;

        const lanes means = lanes_set(mean);
        lanes       squares = lanes_set(0);
        for (int h = 0; h < whole; h += LANES) {
            lanes d = lanes_sub(lanes_load(x + h), means);
            squares = lanes_fma(d, d, squares);
        }
        float variance = lanes_sum(squares);
        for (int h = whole; h < l->hidden; h++) variance += (x[h] - mean) * (x[h] - mean);
        const lanes scale = lanes_set(1 / sqrtf(variance / (float)l->hidden + l->eps));

        for (int h = 0; h < l->hidden; h += LANES) {
            const int   left = l->hidden - h;
            const lanes d = lanes_mul(lanes_sub(lanes_load_n(x + h, left), means), scale);
            const lanes gamma = lanes_load_n(l->gamma + h, left), beta = lanes_load_n(l->beta + h, left);
            lanes_store_n(out + h, lanes_fma(d, gamma, beta), left);
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
