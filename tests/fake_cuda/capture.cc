/* capture.cc - see capture.h; and the calls that begin and end a capture. */
#include "capture.h"
#include "graph.h"
#include "stream.h"
#include <algorithm>

static auto &active = *new std::vector<std::shared_ptr<capture>>();

static bool mine(const capture *c) { return pthread_equal(c->thread, pthread_self()); }

bool capture_forbids()
{
    bool forbidden = false;
    for (const auto &c : active) {
        if (c->mode == cudaStreamCaptureModeRelaxed) continue;
        if (c->mode == cudaStreamCaptureModeThreadLocal && !mine(c.get())) continue;
        c->invalid = forbidden = true;
    }
    return forbidden;
}

bool capture_excludes_legacy()
{
    bool excluded = false;
    for (const auto &c : active)
        if (c->began->blocking) c->invalid = excluded = true;
    return excluded;
}

void capture_add(queue *q, work w)
{
    work_graph &nodes = q->capturing->nodes;
    nodes.push_back({w, q->frontier});
    q->frontier = {nodes.size() - 1};
}

cudaError_t capture_join(queue *q, const std::shared_ptr<capture> &from, const std::vector<size_t> &frontier)
{
    if (std::find(active.begin(), active.end(), from) == active.end()) {
        complain("this event was last recorded in a capture that has ended");
        return cudaErrorCapturedEvent;
    }
    if (from->invalid) return cudaErrorStreamCaptureInvalidated;
    if (!q->capturing) {
        q->capturing = from;
        q->frontier.clear();
    }
    if (q->capturing != from) {
        complain("would merge two captures");
        q->capturing->invalid = from->invalid = true;
        return cudaErrorStreamCaptureMerge;
    }
    for (size_t n : frontier)
        if (std::find(q->frontier.begin(), q->frontier.end(), n) == q->frontier.end()) q->frontier.push_back(n);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode)
{
    call c(CALL_cudaStreamBeginCapture);
    if (c.refused) return c.no();
    queue *q = stream_queue(s);
    if (q->legacy) return c.answer(cudaErrorStreamCaptureUnsupported);
    if (q->capturing) return c.answer(cudaErrorIllegalState);
    q->capturing = std::make_shared<capture>(capture{mode, pthread_self(), q, {}, false});
    q->frontier.clear();
    active.push_back(q->capturing);
    return c.answer(cudaSuccess);
}

/* Every piece must come before the end of the stream where the capture began. */
static bool is_joined(const work_graph &nodes, const std::vector<size_t> &end)
{
    std::vector<bool>   reached(nodes.size(), false);
    std::vector<size_t> next = end;
    size_t              n = 0;
    while (!next.empty()) {
        const size_t at = next.back();
        next.pop_back();
        if (reached[at]) continue;
        reached[at] = true;
        n++;
        next.insert(next.end(), nodes[at].after.begin(), nodes[at].after.end());
    }
    return n == nodes.size();
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *out)
{
    call c(CALL_cudaStreamEndCapture);
    *out = nullptr;
    if (c.refused) return c.no();
    queue                         *q = stream_queue(s);
    const std::shared_ptr<capture> now = q->capturing;
    if (!now) return c.answer(cudaErrorIllegalState);
    if (now->began != q) {
        now->invalid = true;
        return c.answer(cudaErrorStreamCaptureUnmatched);
    }
    if (now->mode != cudaStreamCaptureModeRelaxed && !mine(now.get())) {
        now->invalid = true;
        return c.answer(cudaErrorStreamCaptureWrongThread);
    }
    const bool joined = is_joined(now->nodes, q->frontier);
    active.erase(std::find(active.begin(), active.end(), now));
    schedule_each([&](queue *other) {
        if (other->capturing == now) other->capturing = nullptr;
    });
    if (now->invalid) return c.answer(cudaErrorStreamCaptureInvalidated);
    if (!joined) return c.answer(cudaErrorStreamCaptureUnjoined);
    graph_create(std::make_shared<work_graph>(now->nodes), out);
    return c.answer(cudaSuccess);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus *out)
{
    call c(CALL_cudaStreamIsCapturing);
    if (c.refused) return c.no();
    const queue *q = stream_queue(s);
    if (q->legacy && capture_excludes_legacy()) return c.answer(cudaErrorStreamCaptureImplicit);
    *out = !q->capturing           ? cudaStreamCaptureStatusNone
           : q->capturing->invalid ? cudaStreamCaptureStatusInvalidated
                                   : cudaStreamCaptureStatusActive;
    return c.answer(cudaSuccess);
}
