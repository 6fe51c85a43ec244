#include "norm.h"
#include <math.h>

/* x is any row of doubles; both truths end here. */
static void normalize(const layer_norm *l, const double *x, float *out)
{
    double mean = 0, variance = 0;
    for (int h = 0; h < l->hidden; h++) mean += x[h];
    mean /= l->hidden;
    for (int h = 0; h < l->hidden; h++) variance += (x[h] - mean) * (x[h] - mean);
    variance /= l->hidden;
    for (int h = 0; h < l->hidden; h++)
        out[h] = (float)((x[h] - mean) / sqrt(variance + (double)l->eps) * (double)l->gamma[h] + (double)l->beta[h]);
}

void layer_norm_plain(const layer_norm *l, int row0, int row1)
{
    for (int row = row0; row < row1; row++) {
        double x[l->hidden];
        for (int h = 0; h < l->hidden; h++) x[h] = (double)l->in[(size_t)row * l->in_stride + (size_t)h];
        normalize(l, x, l->out + (size_t)row * l->out_stride);
    }
}

void embed_plain(const embed *e, int row0, int row1)
{
    const size_t hidden = (size_t)e->norm.hidden;
    for (int row = row0; row < row1; row++) {
        const size_t word = (size_t)e->ids[row] * hidden, position = (size_t)e->positions[row] * hidden;
        const size_t type = e->types ? (size_t)e->types[row] * hidden : 0;
        double       x[hidden];
        for (size_t h = 0; h < hidden; h++)
            x[h] = (double)e->word[word + h] + (double)e->position[position + h] + (double)e->type[type + h];
        normalize(&e->norm, x, e->norm.out + (size_t)row * e->norm.out_stride);
    }
}
