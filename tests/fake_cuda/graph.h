/* graph.h - graphs that captures make. */
#ifndef TESTS_FAKE_CUDA_GRAPH_H
#define TESTS_FAKE_CUDA_GRAPH_H
#include "schedule.h"

void graph_create(std::shared_ptr<const work_graph> nodes, cudaGraph_t *out);
#endif
