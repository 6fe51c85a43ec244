/* backend.c - one batch through a backend, start to end: for whoever has nothing else to do meanwhile. */
#include "backend.h"
#include <stdlib.h>
#include <string.h>
#include "runtime/base/wait.h"

status backend_forward(const backend_ops *ops, backend *b, const batch *in, float *out, error *err)
{
    uint8_t *finite = malloc(in->S > 0 ? (size_t)in->S : 1);
    if (!finite) return fail(err, NO_MEMORY, "no memory for a batch of %d sequences", in->S);
    status rc = ops->submit(b, 0, in, err);
    if (rc == OK) {
        const int64_t begun_ns = clock_ns();
        while ((rc = ops->collect(b, 0, out, finite, err)) == PENDING) wait_round(begun_ns);
    }
    const uint8_t *bad = rc == OK ? memchr(finite, 0, (size_t)in->S) : NULL;
    if (bad)
        rc = fail(err, NOT_FINITE, "the model gave a vector that is not finite, for sequence %d of %d",
                  (int)(bad - finite), in->S);
    free(finite);
    return rc;
}
