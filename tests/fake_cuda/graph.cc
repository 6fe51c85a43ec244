/* graph.cc - graphs and their executable copies: the calls.
 *
 * A launch replays the pieces as they were captured, arguments and all, in any order that their edges allow.  Launches
 * of one executable graph follow each other. */
#include "graph.h"
#include "capture.h"
#include "stream.h"

struct graph : held {
    explicit graph(std::shared_ptr<const work_graph> nodes_) : held("graph", 0), nodes(nodes_) {}
    std::shared_ptr<const work_graph> nodes;
};

struct executable : held {
    explicit executable(std::shared_ptr<const work_graph> nodes_) : held("executable graph", 0), nodes(nodes_) {}
    std::shared_ptr<const work_graph> nodes;
    std::shared_ptr<turns>            turn = std::make_shared<turns>();
    bool                              on_device = false; /* uploaded, or launched before */
};

static auto &graphs = *new handles<cudaGraph_t, graph>("graph");
static auto &executables = *new handles<cudaGraphExec_t, executable>("executable graph");

void graph_create(std::shared_ptr<const work_graph> nodes, cudaGraph_t *out)
{
    graphs.add(std::make_unique<graph>(nodes), out);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t g, unsigned long long flags)
{
    call c(CALL_cudaGraphInstantiate);
    if (c.refused) return c.no();
    if (flags) return c.answer(cudaErrorInvalidValue);
    executables.add(std::make_unique<executable>(graphs.get(g)->nodes), out);
    return c.answer(cudaSuccess);
}

cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t *nodes, size_t *n)
{
    call c(CALL_cudaGraphGetNodes);
    if (c.refused) return c.no();
    if (nodes) breach("the fake device only counts nodes: nodes must be NULL");
    *n = graphs.get(g)->nodes->size();
    return c.answer(cudaSuccess);
}

static cudaError_t not_captured(const queue *q)
{
    if (!q->capturing) return cudaSuccess;
    complain("the fake device captures no graph within a graph");
    q->capturing->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t s)
{
    call c(CALL_cudaGraphUpload);
    if (c.refused) return c.no();
    executable       *e = executables.get(exec);
    const cudaError_t rc = not_captured(stream_queue(s));
    if (rc) return c.answer(rc);
    e->on_device = true;
    return c.answer(cudaSuccess);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    call c(CALL_cudaGraphLaunch);
    if (c.refused) return c.no();
    executable       *e = executables.get(exec);
    queue            *q = stream_queue(s);
    const cudaError_t rc = not_captured(q);
    if (rc) return c.answer(rc);
    if (the_device.serving && !e->on_device) breach("a graph's first launch while serving: it allocates");
    e->on_device = true;
    std::shared_ptr<const work_graph> nodes = e->nodes;
    if (c.late && !nodes->empty()) {
        auto spoiled = std::make_shared<work_graph>(*nodes);
        spoiled->back().piece.late = c.late;
        nodes = spoiled;
    }
    schedule_graph(q, nodes, e->turn);
    return c.answer(cudaSuccess);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    call c(CALL_cudaGraphExecDestroy);
    if (c.keeps()) return c.no();
    const std::unique_ptr<executable> gone = executables.take(exec);
    if (!gone->turn->empty() && !the_device.sticky && !the_device.stuck)
        breach("a launch of this graph has not finished");
    return c.refused ? c.no() : c.answer(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t g)
{
    call c(CALL_cudaGraphDestroy);
    if (c.keeps()) return c.no();
    graphs.take(g);
    return c.refused ? c.no() : c.answer(cudaSuccess);
}
