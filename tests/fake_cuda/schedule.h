/* schedule.h - queues of work, and the scheduler that runs it: as late, and as oddly ordered, as the rules allow.
 *
 *   queue  [item]-[item]-[item]      an item is a graph of pieces (mostly of one), a record or a wait
 *   queue  [item]-[item]             only heads run; within a graph, whatever has all its predecessors
 *
 * Nothing runs when it is queued.  A query runs a number of ready pieces that the seed chooses, from queues that the
 * seed chooses; a call that waits runs pieces until what it waits for is done.  With seed 0 everything runs in the
 * order in which it was queued, at the first query. */
#ifndef TESTS_FAKE_CUDA_SCHEDULE_H
#define TESTS_FAKE_CUDA_SCHEDULE_H
#include <deque>
#include <functional>
#include <memory>
#include <vector>
#include "device.h"

struct host_span { const void *at; size_t bytes; }; /* of pinned memory; no bytes: none */

enum work_kind { WORK_COPY, WORK_COMPUTE };
struct work {
    work_kind             kind;
    std::function<void()> run; /* device memory is open to it */
    host_span             reads, writes;
    origin                from;
    cudaError_t           late;
};
struct work_node { work piece; std::vector<size_t> after; };
using work_graph = std::vector<work_node>;

struct record { bool done; double at_us; }; /* one recording of an event */
using turns = std::deque<uint64_t>;         /* launches of one executable graph, in their order */

struct queue_item {
    enum { GRAPH, RECORD, WAIT } kind;
    uint64_t                          order;
    bool                              stuck;
    std::shared_ptr<const work_graph> graph;
    std::vector<bool>                 done;
    size_t                            left;
    std::vector<uint64_t>             seen; /* what each piece's source held when it was queued; 0: not held to that */
    std::shared_ptr<turns>            turn;
    std::shared_ptr<record>           mark;
};

struct capture;
struct queue {
    bool                     legacy, blocking; /* blocking: ordered with the legacy queue */
    bool                     closed;           /* its stream is destroyed: goes when it is empty */
    std::deque<queue_item>   items;
    std::shared_ptr<capture> capturing; /* or NULL */
    std::vector<size_t>      frontier;  /* of the capture: what the next piece comes after */
};

std::shared_ptr<queue> schedule_open(bool blocking);
queue                 *schedule_legacy();
void                   schedule_each(const std::function<void(queue *)> &f);
void                   schedule_close(queue *q); /* its work still runs */
void                   schedule_graph(queue *q, std::shared_ptr<const work_graph> graph, std::shared_ptr<turns> turn);
void                   schedule_record(queue *q, std::shared_ptr<record> mark);
void                   schedule_wait(queue *q, std::shared_ptr<record> mark);

void schedule_progress(); /* a query's share */
/* Until finished() or until the device is dead. */
void schedule_until(const std::function<bool()> &finished);
/* True once all that is in the queue now has run; the legacy queue stands for every blocking one. */
std::function<bool()> schedule_through(const queue *q);
void schedule_drain();
bool schedule_uses(const void *at, size_t bytes); /* a piece that has not run reads or writes this pinned memory */
void schedule_forget();
#endif
