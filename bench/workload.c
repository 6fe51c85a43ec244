#include "workload.h"
#include <string.h>

static const int mixed[WORKLOAD_SEQUENCES] = {
#include "lengths.inc"
};

void workload_fill(packed *p, const int *lengths, int n, const model_shape *m)
{
    memset(p, 0, sizeof *p);
    p->in = (batch){.ids = p->ids, .starts = p->starts, .normalize = p->normalize};
    for (int i = 0; i < n && i < WORKLOAD_SEQUENCES; i++) {
        const int length = lengths[i] < m->positions ? lengths[i] : m->positions;
        if (p->in.T + length > WORKLOAD_TOKENS) return;
        for (int t = p->in.T; t < p->in.T + length; t++)
            p->ids[t] = (int32_t)(((unsigned)t * 2654435761u) % (unsigned)m->vocab);
        p->lengths[i] = length;
        p->normalize[i] = 1;
        p->in.T += length;
        p->in.S++;
        p->starts[i + 1] = p->in.T;
        if (length > p->in.longest) p->in.longest = length;
    }
}

void workload_make(packed *p, int sequences, int tokens, int most, const model_shape *m)
{
    int lengths[WORKLOAD_SEQUENCES], n = 0, total = 0;
    if (tokens == WORKLOAD_MIXED) {
        for (; n < WORKLOAD_SEQUENCES && total + mixed[n] <= most; n++) total += lengths[n] = mixed[n];
    } else {
        for (; n < sequences && n < WORKLOAD_SEQUENCES; n++) lengths[n] = tokens;
    }
    workload_fill(p, lengths, n, m);
}
