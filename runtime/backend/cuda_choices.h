/* cuda_choices.h - which algorithm was the fastest for each product, kept in a file between starts.
 *
 * A choice is good for one library, driver, device and element type: together they are its identity, which names the
 * file and stands in it.  The file is text with a sum at its end:
 *
 *     beeline gemm choices 1
 *     cublasLt 130100, runtime 13000, driver 13000, sm_90, NVIDIA H200, float16, workspace 33554432
 *     128 1152 384 bias alone 3.214 00000000000000aa ... (8 words)
 *     sum 9f3c...
 *
 * A cache is never a reason to fail: what cannot be read, is corrupt or foreign counts as empty, what cannot be written
 * is not kept; each is one line to the operator.  Several models share a file, so saving keeps rows of other shapes.
 * A new file replaces the old one whole.  One thread at a time. */
#ifndef RUNTIME_BACKEND_CUDA_CHOICES_H
#define RUNTIME_BACKEND_CUDA_CHOICES_H
#include "kernels/cuda/gemm.h"
#include "runtime/base/status.h"

/* What was timed: the product alone, or with the LayerNorm that follows it. */
typedef enum { CHOICE_ALONE, CHOICE_WITH_NORM } cuda_choice_scope;

typedef struct {
    cuda_gemm_shape     shape;
    cuda_choice_scope   scope;
    float               us; /* of the whole scope */
    cuda_gemm_algorithm algorithm;
} cuda_choice;

typedef struct cuda_choices cuda_choices;

/* dir NULL or "": nothing is read or kept.  note may be NULL.  identity: one line of printable text.  NO_MEMORY. */
status cuda_choices_open(cuda_choices **out, const char *dir, const char *identity, void (*note)(const char *line),
                         error *err);
void   cuda_choices_close(cuda_choices *c); /* NULL is fine */
/* NULL: there is none.  Valid until the next put. */
const cuda_choice *cuda_choices_find(const cuda_choices *c, cuda_gemm_shape shape, cuda_choice_scope scope);
status cuda_choices_put(cuda_choices *c, const cuda_choice *choice, error *err); /* in place of an older one */
void   cuda_choices_save(cuda_choices *c); /* where something was put since the file was read */
const char *cuda_choices_path(const cuda_choices *c); /* "" when nothing is kept */
#endif
