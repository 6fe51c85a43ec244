/* cudnn_absent.c - cudnn_attention.h where the build found no cuDNN. */
#include "cudnn_attention.h"
#include <stddef.h>

status cudnn_attention_open(cudnn_attention **out, const cudnn_attention_operands *o, error *err)
{
    (void)o;
    *out = NULL;
    return fail(err, UNAVAILABLE, "no cuDNN: it was not there when this was built");
}

void cudnn_attention_close(cudnn_attention *a) { (void)a; }

int cudnn_attention_run(void *attention, kernel_stream stream)
{
    (void)attention, (void)stream;
    return KERNEL_BAD_SHAPE;
}
