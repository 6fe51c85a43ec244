/* batch.h - sequences laid end to end, no padding: S sequences, T = starts[S] tokens. */
#ifndef RUNTIME_BACKEND_BATCH_H
#define RUNTIME_BACKEND_BATCH_H
#include <stdint.h>

typedef struct {
    int            S, T, longest;
    const int32_t *ids;       /* [T] */
    const int8_t  *types;     /* [T], or NULL: all 0 */
    const int32_t *starts;    /* [S+1]: sequence s is ids[starts[s] .. starts[s+1]) */
    const uint8_t *normalize; /* [S]: 1 when row s leaves with length 1 */
} batch;
#endif
