/* batch.c - what every backend wants to know of a batch before it touches a table. */
#include "batch.h"

status batch_check(const batch *in, const model_shape *shape, int max_tokens, int max_sequences, error *err)
{
    if (in->S < 1 || in->S > max_sequences || in->T < 1 || in->T > max_tokens || in->starts[0] != 0 ||
        in->starts[in->S] != in->T)
        return fail(err, BAD_INPUT, "a batch of %d tokens and %d sequences: room for %d and %d", in->T, in->S,
                    max_tokens, max_sequences);
    for (int s = 0; s < in->S; s++)
        if (in->starts[s + 1] <= in->starts[s] || in->starts[s + 1] - in->starts[s] > shape->positions)
            return fail(err, BAD_INPUT, "sequence %d: %d tokens, wanted 1 to %d", s, in->starts[s + 1] - in->starts[s],
                        shape->positions);
    for (int t = 0; t < in->T; t++) {
        if (in->ids[t] < 0 || in->ids[t] >= shape->vocab)
            return fail(err, BAD_INPUT, "token %d: id %d, wanted 0 to %d", t, in->ids[t], shape->vocab - 1);
        if (in->types && (in->types[t] < 0 || in->types[t] >= shape->types))
            return fail(err, BAD_INPUT, "token %d: type %d, wanted 0 to %d", t, in->types[t], shape->types - 1);
    }
    return OK;
}
