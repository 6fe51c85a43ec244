/* stream.h - what stands behind a cudaStream_t; how other files queue work. */
#ifndef TESTS_FAKE_CUDA_STREAM_H
#define TESTS_FAKE_CUDA_STREAM_H
#include "handles.h"
#include "schedule.h"

queue *stream_queue(cudaStream_t stream); /* NULL is the legacy stream */
/* Queues it, or adds it to the stream's capture. */
cudaError_t stream_submit(cudaStream_t stream, work w);
#endif
