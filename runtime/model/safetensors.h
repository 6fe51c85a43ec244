/* safetensors.h - a weights file, read once and checked before anyone points into it.
 *
 * Format: u64 little-endian N <= 100,000,000; N bytes of JSON; then data.  Sorted by offset the tensors must be
 * contiguous and cover the file exactly; duplicate names, unknown types, overflow are refused by tensor and number. */
#ifndef RUNTIME_MODEL_SAFETENSORS_H
#define RUNTIME_MODEL_SAFETENSORS_H
#include <stddef.h>
#include <stdint.h>
#include "runtime/base/file.h"
#include "runtime/base/status.h"

typedef enum { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_OTHER /* known size, not usable as a weight */ } dtype;
enum { TENSOR_RANK_MAX = 8 };
typedef struct {
    const char    *name; /* belongs to the set */
    const uint8_t *data; /* row-major, perhaps unaligned */
    dtype          type;
    int            rank;
    int64_t        shape[TENSOR_RANK_MAX];
    size_t         elements;
} tensor;

typedef struct tensor_set tensor_set; /* every tensor of model.safetensors, or of all shards of its index */

status tensor_set_open(tensor_set **out, directory *d, error *err);
void   tensor_set_close(tensor_set *s); /* NULL is fine */
int           tensor_set_count(const tensor_set *s);
const tensor *tensor_set_at(const tensor_set *s, int i);
const tensor *tensor_set_find(const tensor_set *s, const char *name); /* NULL when absent */

/* The header alone, for shards, tests and fuzzing: checks `size` bytes of a whole file held in memory.
 * On success *out [*n] is the caller's to free, with the names in it; data points into bytes. */
status safetensors_parse(tensor **out, int *n, const char *what, const uint8_t *bytes, size_t size, error *err);

void tensor_to_f32(float *out /* [elements] */, const tensor *t);
#endif
