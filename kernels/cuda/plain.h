/* plain.h - the truth of every operation on a GPU: plain loops on the host, in float64, for tests and bench/ alone.
 *
 * They take what the kernels take, with host pointers; the results go to `out`, not rounded to the element type, and
 * the struct's own out is not looked at.  Rows beyond the header's T or S are neither read nor written. */
#ifndef KERNELS_CUDA_PLAIN_H
#define KERNELS_CUDA_PLAIN_H
#include "gemm.h"
#include "kernels.h"

void cuda_embed_plain(const cuda_embed *e, double *out);                  /* [T,H] */
void cuda_norm_plain(const cuda_norm *n, double *out);                    /* [T,H] */
void cuda_attention_plain(const cuda_attention *a, double *out);          /* [T,H]; does not look at the list of work */
void cuda_gelu_plain(const cuda_gelu *g, double *out);                    /* [T,I] */
void cuda_pool_plain(const cuda_pool *p, double *out, uint8_t *finite);   /* [S, H x number of poolings], [S] */
void cuda_head_plain(const cuda_head *h, double *out, uint8_t *finite);   /* [S,labels], [S] */
void cuda_gemm_plain(element_type element, cuda_gemm_shape shape, cuda_gemm_operands o, double *out); /* [M,N] */
#endif
