/* stream.cc - streams and events: the calls.
 *
 * An event holds its latest recording; a wait holds the recording that was the latest when it was queued. */
#include "stream.h"
#include "capture.h"

struct stream : held {
    explicit stream(std::shared_ptr<queue> q_) : held("stream", 0), q(q_) {}
    std::shared_ptr<queue> q;
};

struct event : held {
    explicit event(unsigned flags_) : held("event", 0), flags(flags_) {}
    unsigned                 flags;
    std::shared_ptr<record>  latest;   /* or NULL: never recorded */
    std::shared_ptr<capture> captured; /* where it was recorded last, if that was a capture */
    std::vector<size_t>      frontier;
};

static auto &streams = *new handles<cudaStream_t, stream>("stream");
static auto &events = *new handles<cudaEvent_t, event>("event");

queue *stream_queue(cudaStream_t s) { return s ? streams.get(s)->q.get() : schedule_legacy(); }

/* The error with which nothing may be queued on this stream now. */
static cudaError_t stream_refusal(const queue *q)
{
    if (q->capturing && q->capturing->invalid) return cudaErrorStreamCaptureInvalidated;
    if (q->legacy && capture_excludes_legacy()) {
        complain("the legacy stream depends on a blocking stream that captures");
        return cudaErrorStreamCaptureImplicit;
    }
    return cudaSuccess;
}

cudaError_t stream_submit(cudaStream_t s, work w)
{
    queue            *q = stream_queue(s);
    const cudaError_t rc = stream_refusal(q);
    if (rc) return rc;
    if (q->capturing) {
        capture_add(q, w);
        return cudaSuccess;
    }
    auto graph = std::make_shared<work_graph>();
    graph->push_back({w, {}});
    schedule_graph(q, graph, nullptr);
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags)
{
    call c(CALL_cudaStreamCreateWithFlags);
    if (c.refused) return c.no();
    if (flags != cudaStreamDefault && flags != cudaStreamNonBlocking) return c.answer(cudaErrorInvalidValue);
    streams.add(std::make_unique<stream>(schedule_open(flags == cudaStreamDefault)), out);
    return c.answer(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    call c(CALL_cudaStreamDestroy);
    if (c.keeps()) return c.no();
    if (!s) return c.answer(cudaErrorInvalidResourceHandle);
    const std::unique_ptr<stream> gone = streams.take(s);
    if (gone->q->capturing) breach("this stream captures");
    /* What is queued runs all the same: the call returns at once and the stream goes when its work is done. */
    schedule_close(gone->q.get());
    return c.refused ? c.no() : c.answer(cudaSuccess);
}

static cudaError_t not_while_capturing(queue *q)
{
    if (!q->capturing) return cudaSuccess;
    complain("waits for, or looks at, a stream that captures");
    q->capturing->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    call c(CALL_cudaStreamSynchronize);
    if (c.refused) return c.no();
    queue            *q = stream_queue(s);
    const cudaError_t rc = not_while_capturing(q);
    if (rc) return c.answer(rc);
    schedule_until(schedule_through(q));
    return c.answer(device_take_failure());
}

cudaError_t cudaStreamQuery(cudaStream_t s)
{
    call c(CALL_cudaStreamQuery);
    if (c.refused) return c.no();
    queue            *q = stream_queue(s);
    const cudaError_t rc = not_while_capturing(q);
    if (rc) return c.answer(rc);
    const auto finished = schedule_through(q);
    schedule_progress();
    const cudaError_t failure = device_take_failure();
    return c.answer(failure ? failure : finished() ? cudaSuccess : cudaErrorNotReady);
}

cudaError_t cudaDeviceSynchronize(void)
{
    call c(CALL_cudaDeviceSynchronize);
    if (c.refused) return c.no();
    schedule_drain();
    return c.answer(device_take_failure());
}

/* --- events --- */

static cudaError_t event_create(cudaEvent_t *out, unsigned flags)
{
    if (flags & ~static_cast<unsigned>(cudaEventBlockingSync | cudaEventDisableTiming)) return cudaErrorInvalidValue;
    events.add(std::make_unique<event>(flags), out);
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *out)
{
    call c(CALL_cudaEventCreate);
    return c.refused ? c.no() : c.answer(event_create(out, cudaEventDefault));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags)
{
    call c(CALL_cudaEventCreateWithFlags);
    return c.refused ? c.no() : c.answer(event_create(out, flags));
}

cudaError_t cudaEventDestroy(cudaEvent_t e)
{
    call c(CALL_cudaEventDestroy);
    if (c.keeps()) return c.no();
    events.take(e);
    return c.refused ? c.no() : c.answer(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s)
{
    call c(CALL_cudaEventRecord);
    if (c.refused) return c.no();
    event            *ev = events.get(e);
    queue            *q = stream_queue(s);
    const cudaError_t rc = stream_refusal(q);
    if (rc) return c.answer(rc);
    ev->captured = q->capturing;
    ev->frontier = q->frontier;
    if (q->capturing) return c.answer(cudaSuccess);
    ev->latest = std::make_shared<record>();
    schedule_record(q, ev->latest);
    return c.answer(cudaSuccess);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags)
{
    call c(CALL_cudaStreamWaitEvent);
    if (c.refused) return c.no();
    if (flags != cudaEventWaitDefault) return c.answer(cudaErrorInvalidValue);
    event            *ev = events.get(e);
    queue            *q = stream_queue(s);
    const cudaError_t rc = stream_refusal(q);
    if (rc) return c.answer(rc);
    if (ev->captured) return c.answer(capture_join(q, ev->captured, ev->frontier));
    if (q->capturing) {
        complain("a capture would depend on an event that was recorded outside it");
        q->capturing->invalid = true;
        return c.answer(cudaErrorStreamCaptureIsolation);
    }
    if (ev->latest) schedule_wait(q, ev->latest); /* never recorded: nothing to wait for */
    return c.answer(cudaSuccess);
}

static cudaError_t not_captured(const event *ev)
{
    if (!ev->captured) return cudaSuccess;
    complain("this event was last recorded in a capture");
    ev->captured->invalid = true;
    return cudaErrorCapturedEvent;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e)
{
    call c(CALL_cudaEventSynchronize);
    if (c.refused) return c.no();
    const event      *ev = events.get(e);
    const cudaError_t rc = not_captured(ev);
    if (rc) return c.answer(rc);
    const std::shared_ptr<record> mark = ev->latest;
    if (mark) schedule_until([&] { return mark->done; });
    return c.answer(device_take_failure());
}

cudaError_t cudaEventQuery(cudaEvent_t e)
{
    call c(CALL_cudaEventQuery);
    if (c.refused) return c.no();
    const event      *ev = events.get(e);
    const cudaError_t rc = not_captured(ev);
    if (rc) return c.answer(rc);
    schedule_progress();
    const cudaError_t failure = device_take_failure();
    return c.answer(failure ? failure : !ev->latest || ev->latest->done ? cudaSuccess : cudaErrorNotReady);
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
    call c(CALL_cudaEventElapsedTime);
    if (c.refused) return c.no();
    const event *a = events.get(start), *b = events.get(end);
    if (a->captured || b->captured || !a->latest || !b->latest || ((a->flags | b->flags) & cudaEventDisableTiming)) {
        complain("both events must be recorded, outside a capture, and keep time");
        return c.answer(cudaErrorInvalidResourceHandle);
    }
    if (!a->latest->done || !b->latest->done) return c.answer(cudaErrorNotReady);
    *ms = static_cast<float>((b->latest->at_us - a->latest->at_us) / 1e3);
    return c.answer(cudaSuccess);
}
