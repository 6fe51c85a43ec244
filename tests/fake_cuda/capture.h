/* capture.h - a capture: what is queued on its streams becomes a graph instead of running.
 *
 * CUDA programming guide, "Stream Capture".  A stream joins by waiting for an event that was recorded in the capture,
 * and must be joined again before it ends. */
#ifndef TESTS_FAKE_CUDA_CAPTURE_H
#define TESTS_FAKE_CUDA_CAPTURE_H
#include <pthread.h>
#include "schedule.h"

struct capture {
    cudaStreamCaptureMode mode;
    pthread_t             thread;
    queue                *began; /* where it must end */
    work_graph            nodes;
    bool                  invalid;
};

/* Whether the calling thread must not wait, look or allocate; if so, the captures that forbid it are invalid. */
bool capture_forbids();
/* Work on the legacy stream would depend on a capturing blocking stream: that invalidates it. */
bool capture_excludes_legacy();
void capture_add(queue *q, work w);
/* q waits for what was recorded in `from`: an error, and then both are invalid, or cudaSuccess. */
cudaError_t capture_join(queue *q, const std::shared_ptr<capture> &from, const std::vector<size_t> &frontier);
#endif
