/* cpu_share.h - who computes what of a batch.
 *
 * Where its sequences can be dealt out so that no thread has much more than another, each thread gets whole ones, in
 * groups that keep within its core's L2; the weights pass through that core once for each group, and nobody waits but at
 * the end.  Where they cannot, a few texts or one, rows are dealt out instead, in rounds: threads with rows of the same
 * text wait for each other in every layer. */
#ifndef RUNTIME_BACKEND_CPU_SHARE_H
#define RUNTIME_BACKEND_CPU_SHARE_H
#include <stdbool.h>
#include <stdint.h>
#include "workers.h"

typedef struct {
    int     threads;   /* 1 to WORKERS_MOST */
    int     most_rows; /* of a thread's, at once; one text may have more */
    int     area_rows; /* of the workspace: a group's, at most */
    int     tile_rows; /* rows are cut at multiples of it */
    int64_t row_cost, pair_cost; /* of a row; of a row and a row that it attends to */
} cpu_share_rules;

/* ---- whole sequences ---- */

typedef struct { int n0, n1, thread; } cpu_group; /* numbers n0..n1 of the order */

typedef struct {
    int        groups;
    cpu_group *group; /* [groups]; both are the caller's, room for S */
    uint64_t  *order; /* [S] sequence in the lower half; thread after thread */
} cpu_share;

/* starts: [S+1].  false: the busiest thread would have too much more than its share, or a group more than its area; then
 * nothing of the result counts. */
bool cpu_share_whole(cpu_share *out, const cpu_share_rules *rules, const int32_t *starts, int S);

/* ---- rows ---- */

/* The end of the round that begins with sequence s0, so that all of them are as large. */
int  cpu_share_round(const cpu_share_rules *rules, const int32_t *starts, int S, int s0);
/* Rows of the sequences s0..s1, counted from the first: thread i has ends[i-1]..ends[i], or none.  Returns whether a text
 * is several threads'. */
bool cpu_share_rows(int *ends, const cpu_share_rules *rules, const int32_t *starts, int s0, int s1);
#endif
