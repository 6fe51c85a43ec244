/* reference.h - the real model and 361 texts with their sentence vectors in float64's precision (golden/data/README.md).
 *
 * Every length from 3 to 256 tokens; read once, for the life of the program. */
#ifndef TESTS_SUPPORT_REFERENCE_H
#define TESTS_SUPPORT_REFERENCE_H
#include <stdbool.h>
#include <stdint.h>
#include "runtime/model/weights.h"

enum { REFERENCE_ROWS = 361, REFERENCE_DIMENSIONS = 384, REFERENCE_LONGEST = 256 };

bool         reference_read(void); /* before the two below; false: missing or not what it should be */
const int32_t *reference_ids(int row, int *n);
const float *reference_vector(int row); /* [REFERENCE_DIMENSIONS], of length 1 */

/* all-MiniLM-L6-v2, the caller's; NULL with a line on stderr when it is not there. */
model *reference_model(void);
#endif
