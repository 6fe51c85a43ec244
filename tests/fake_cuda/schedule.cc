/* schedule.cc - see schedule.h.
 *
 * Pinned memory that a queued copy will read must stay as it is, and what it will write means nothing before: both are
 * held to at every schedule.  A source is compared with what it held when it was queued; a destination is poisoned
 * then.  Neither is done where queued work itself is about to write, or still has to read, the same bytes. */
#include "schedule.h"
#include "memory.h"
#include <algorithm>
#include <cstring>

static std::vector<std::shared_ptr<queue>> &queues = *new std::vector<std::shared_ptr<queue>>();
static queue                               &legacy = *new queue{true, true, false, {}, nullptr, {}};
static uint64_t                             last_order;
static int                                  idle_queries;

std::shared_ptr<queue> schedule_open(bool blocking)
{
    queues.push_back(std::make_shared<queue>(queue{false, blocking, false, {}, nullptr, {}}));
    return queues.back();
}

queue *schedule_legacy() { return &legacy; }

static std::vector<queue *> every_queue()
{
    std::vector<queue *> all = {&legacy};
    for (const auto &q : queues) all.push_back(q.get());
    return all;
}

void schedule_each(const std::function<void(queue *)> &f)
{
    for (queue *q : every_queue()) f(q);
}

/* --- what is ready --- */

/* The legacy stream and blocking streams wait for what was queued before in each other. */
static bool in_legacy_order(const queue *q, uint64_t order)
{
    if (!q->blocking) return true;
    for (const queue *other : every_queue())
        if (other->blocking && other->legacy != q->legacy && !other->items.empty() &&
            other->items.front().order < order)
            return false;
    return true;
}

static bool head_is_ready(const queue *q)
{
    if (q->items.empty()) return false;
    const queue_item &i = q->items.front();
    if (i.stuck || !in_legacy_order(q, i.order)) return false;
    if (i.kind == queue_item::WAIT) return i.mark->done;
    return !i.turn || i.turn->front() == i.order;
}

static bool node_is_ready(const queue_item &i, size_t n)
{
    if (i.done[n]) return false;
    for (size_t before : (*i.graph)[n].after)
        if (!i.done[before]) return false;
    return true;
}

struct candidate { queue *q; size_t node; };

static std::vector<candidate> candidates()
{
    std::vector<candidate> all;
    for (queue *q : every_queue()) {
        if (!head_is_ready(q)) continue;
        const queue_item &i = q->items.front();
        if (i.kind != queue_item::GRAPH || i.left == 0) all.push_back({q, 0});
        for (size_t n = 0; i.kind == queue_item::GRAPH && n < i.graph->size(); n++)
            if (node_is_ready(i, n)) all.push_back({q, n});
    }
    return all;
}

/* What a timeline would show now: queues with pieces that could run, if one could copy while another computes. */
static void look_for_overlap(const std::vector<candidate> &all)
{
    std::vector<const queue *> with_work, copying, computing;
    for (const candidate &c : all) {
        const queue_item &i = c.q->items.front();
        if (i.kind != queue_item::GRAPH || i.left == 0) continue;
        auto &kind = (*i.graph)[c.node].piece.kind == WORK_COPY ? copying : computing;
        for (auto *list : {&with_work, &kind})
            if (std::find(list->begin(), list->end(), c.q) == list->end()) list->push_back(c.q);
    }
    if (copying.empty() || computing.empty() || with_work.size() < 2) return;
    the_device.overlap = std::max(the_device.overlap, static_cast<int>(with_work.size()));
}

/* --- pinned memory of pieces that have not run --- */

static uint64_t sum_of(host_span s)
{
    uint64_t    sum = 0x9e3779b97f4a7c15u + s.bytes;
    const auto *p = static_cast<const unsigned char *>(s.at);
    for (size_t i = 0; i < s.bytes; i += 8) {
        uint64_t word = 0;
        memcpy(&word, p + i, std::min<size_t>(8, s.bytes - i));
        sum = (sum ^ word) * 0xff51afd7ed558ccdu;
        sum ^= sum >> 29;
    }
    return sum ? sum : 1;
}

static bool overlap(host_span a, host_span b) { return memory_overlap(a.at, a.bytes, b.at, b.bytes); }

/* Whether a piece that has not run reads (or writes) the span. */
static bool pending(host_span s, host_span work::*what)
{
    for (const queue *q : every_queue())
        for (const queue_item &i : q->items)
            for (size_t n = 0; i.kind == queue_item::GRAPH && n < i.graph->size(); n++)
                if (!i.done[n] && overlap(s, (*i.graph)[n].piece.*what)) return true;
    return false;
}

bool schedule_uses(const void *at, size_t bytes)
{
    return pending({at, bytes}, &work::reads) || pending({at, bytes}, &work::writes);
}

/* --- queueing --- */

static queue_item *push(queue *q, decltype(queue_item::kind) kind)
{
    if (q->legacy && the_device.serving) breach("the legacy stream while serving: it waits for every blocking stream");
    queue_item i = {};
    i.kind = kind;
    i.order = ++last_order;
    i.stuck = the_device.stuck;
    q->items.push_back(std::move(i));
    return &q->items.back();
}

void schedule_graph(queue *q, std::shared_ptr<const work_graph> graph, std::shared_ptr<turns> turn)
{
    cudaError_t late = cudaSuccess;
    for (const injection &now : device_injected(CALL_work)) {
        if (now.kind == INJECT_HANG) the_device.stuck = true;
        else late = static_cast<cudaError_t>(now.code);
    }
    if (late && !graph->empty()) {
        auto spoiled = std::make_shared<work_graph>(*graph);
        (*spoiled)[0].piece.late = late;
        graph = spoiled;
    }
    queue_item *i = push(q, queue_item::GRAPH);
    i->graph = graph;
    i->done.assign(graph->size(), false);
    i->left = graph->size();
    i->seen.assign(graph->size(), 0);
    i->turn = turn;
    if (turn) turn->push_back(i->order);
    for (size_t n = 0; n < graph->size(); n++) {
        const work &w = (*graph)[n].piece;
        if (w.reads.bytes) memory_require(w.reads.at, w.reads.bytes, "the source");
        if (w.writes.bytes) memory_require(w.writes.at, w.writes.bytes, "the destination");
        if (w.reads.bytes && !pending(w.reads, &work::writes)) i->seen[n] = sum_of(w.reads);
        if (w.writes.bytes && !pending(w.writes, &work::reads))
            memset(const_cast<void *>(w.writes.at), MEMORY_POISON, w.writes.bytes);
    }
    look_for_overlap(candidates());
}

void schedule_record(queue *q, std::shared_ptr<record> mark) { push(q, queue_item::RECORD)->mark = mark; }
void schedule_wait(queue *q, std::shared_ptr<record> mark) { push(q, queue_item::WAIT)->mark = mark; }

/* --- running --- */

static void run(const work &w, uint64_t seen)
{
    const origin caller = the_device.current;
    the_device.current = w.from;
    the_device.working = true;
    the_device.clock_us += 1;
    if (w.late) {
        if (error_is_sticky(w.late)) the_device.sticky = w.late;
        else the_device.unreported = w.late;
    } else {
        if (seen && sum_of(w.reads) != seen)
            breach("the host changed the pinned source of this copy before it ran: a slot used again too early");
        memory_open();
        w.run();
        if (w.kind == WORK_COMPUTE) memory_check();
    }
    the_device.working = false;
    the_device.current = caller;
}

static void forget(const queue *q)
{
    queues.erase(std::find_if(queues.begin(), queues.end(), [q](const auto &p) { return p.get() == q; }));
}

static void pop(queue *q)
{
    if (q->items.front().turn) q->items.front().turn->pop_front();
    q->items.pop_front();
    if (q->closed && q->items.empty()) forget(q);
}

/* One ready piece; false: there is none, or the device is dead. */
static bool step()
{
    if (the_device.sticky) return false;
    const std::vector<candidate> all = candidates();
    if (all.empty()) return false;
    look_for_overlap(all);
    candidate chosen = all[device_random(all.size())];
    if (the_device.settings.seed == 0)
        for (const candidate &c : all)
            if (c.q->items.front().order < chosen.q->items.front().order) chosen = c;
    queue_item &i = chosen.q->items.front();
    if (i.kind == queue_item::GRAPH && i.left) {
        run((*i.graph)[chosen.node].piece, i.seen[chosen.node]);
        i.done[chosen.node] = true;
        if (--i.left) return true;
    }
    if (i.kind == queue_item::RECORD) *i.mark = {true, device_now_us()};
    pop(chosen.q);
    return true;
}

void schedule_progress()
{
    uint64_t steps = ~uint64_t(0);
    switch (the_device.settings.seed ? device_random(8) : 8) {
    case 0:
    case 1:
        steps = idle_queries < 4 ? 0 : 1; /* a program that asks again and again does see an end */
        break;
    case 2:
    case 3: steps = 1; break;
    case 4:
    case 5: steps = 1 + device_random(8); break;
    case 6: steps = 1 + device_random(64); break;
    }
    idle_queries = steps ? 0 : idle_queries + 1;
    while (steps-- && step()) {}
}

void schedule_until(const std::function<bool()> &finished)
{
    while (!finished() && !the_device.sticky) {
        if (step()) continue;
        if (the_device.stuck) device_hang();
        if (!the_device.sticky) breach("waits for what can never happen");
    }
}

std::function<bool()> schedule_through(const queue *q)
{
    return [q, limit = last_order] {
        for (const queue *other : every_queue())
            if ((other == q || (q->legacy && other->blocking)) && !other->items.empty() &&
                other->items.front().order <= limit)
                return false;
        return true;
    };
}

void schedule_close(queue *q)
{
    q->closed = true;
    if (q->items.empty()) forget(q);
}

void schedule_drain()
{
    schedule_until([] {
        for (const queue *q : every_queue())
            if (!q->items.empty()) return false;
        return true;
    });
}

void schedule_forget()
{
    queues.clear();
    legacy.items.clear();
    idle_queries = 0;
}
