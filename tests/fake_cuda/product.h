/* product.h - D = epilogue(alpha op(A) op(B) + beta C), computed on the host; column-major, fp32 sums.
 *
 * An element's sum runs over k in order, whatever M and N are: the same row times the same column is the same number in
 * every batch. */
#ifndef TESTS_FAKE_CUDA_PRODUCT_H
#define TESTS_FAKE_CUDA_PRODUCT_H
#include <cublasLt.h>

struct product_matrix { const void *at; cudaDataType_t type; size_t ld; };

struct product {
    size_t         m, n, k; /* D is [m,n] */
    bool           a_transposed, b_transposed;
    product_matrix a, b, c, d, bias;
    float          alpha, beta;
    bool           has_bias, relu, gelu; /* gelu: the tanh form */
};

size_t product_element_bytes(cudaDataType_t type);
/* sums [m,n], columns m apart: op(A) op(B) */
void product_sums(const product &p, float *sums);
/* the rest, into D; where `wrong`, one number is */
void product_finish(const product &p, const float *sums, bool wrong);
#endif
