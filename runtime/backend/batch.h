/* batch.h - sequences laid end to end, no padding: S sequences, T = starts[S] tokens. */
#ifndef RUNTIME_BACKEND_BATCH_H
#define RUNTIME_BACKEND_BATCH_H
#include <stdint.h>
#include "runtime/base/status.h"
#include "runtime/model/description.h"

typedef struct {
    int            S, T, longest;
    const int32_t *ids;       /* [T] */
    const int8_t  *types;     /* [T], or NULL: all 0 */
    const int32_t *starts;    /* [S+1]: sequence s is ids[starts[s] .. starts[s+1]) */
    const uint8_t *normalize; /* [S]: 1 when row s leaves with length 1 */
} batch;

/* Every number is one that the model has a row for: cheap to see here, a read beyond a table later.  BAD_INPUT. */
status batch_check(const batch *in, const model_shape *shape, int max_tokens, int max_sequences, error *err);
#endif
