/* trie.h - all pieces of a vocabulary in one double array: a step is an addition, a load and a compare.
 *
 * Source: Aoe, "An efficient digital search algorithm by using a double-array structure", 1989.
 * Read-only once built: any thread. */
#ifndef RUNTIME_TEXT_TRIE_H
#define RUNTIME_TEXT_TRIE_H
#include <stdint.h>
#include "runtime/base/status.h"

typedef struct { int32_t base, check, id; } trie_cell; /* id: of the piece that ends here, or -1 */
typedef struct { trie_cell *cell; int n, free_from; } trie;
typedef struct { const char *p; int n, id; } trie_piece; /* n bytes at p */

/* The order of pieces, for qsort(): by bytes, then length, then id. */
int trie_piece_order(const void *a, const void *b);

enum { TRIE_NONE = 0, TRIE_ROOT = 1 };

/* Sorts `pieces`; of equal ones the higher id wins.  Needs at most 2^16 bytes a piece and NO_MEMORY is its only error.
 */
status trie_build(trie *out, trie_piece *pieces, int n, error *err);
void   trie_free(trie *t); /* {0} is fine */

/* The node after byte c, or TRIE_NONE, from which nothing leads on.  Never leaves the array. */
static inline int trie_step(const trie *t, int node, uint8_t c)
{
    int next = t->cell[node].base + c;
    return t->cell[next].check == node ? next : TRIE_NONE;
}
#endif
