/* fuzz_safetensors.c - any bytes as a weights file: what is accepted must be true of those bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tensor *t;
    error err;
    int n;
    status rc = safetensors_parse(&t, &n, "input", data, size, &err);
    check((rc == OK) == (t != NULL));
    if (rc != OK) {
        check(n == 0 && memchr(err.text, 0, sizeof err.text) && *err.text);
        return 0;
    }
    volatile uint8_t sink = 0;
    for (int i = 0; i < n; i++) {
        size_t product = 1;
        check(i == 0 || strcmp(t[i - 1].name, t[i].name) < 0);
        check(t[i].rank >= 0 && t[i].rank <= TENSOR_RANK_MAX && t[i].data >= data + 8 && t[i].data < data + size);
        for (int k = 0; k < t[i].rank; k++) product *= (size_t)t[i].shape[k];
        check(product == t[i].elements && product > 0);
        sink = (uint8_t)(sink ^ t[i].data[0]);
        if (t[i].type == DTYPE_OTHER) continue;
        float *f = malloc(product * sizeof *f);
        check(f != NULL);
        tensor_to_f32(f, &t[i]); /* reads every byte that the tensor claims */
        free(f);
    }
    free(t);
    return 0;
}
