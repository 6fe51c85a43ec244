#include "trie.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A node's children must all fall on free cells.  After this many vain tries the crowded front of the array is given
 * up: 130,000 cells and 10 ms for BERT's 30,522 pieces, where a search without patience takes seconds. */
enum { TRIES_MAX = 200, KEEP_BEHIND = 64, FREE = -1, GROWTH = 1024, ALPHABET = 256 };

static bool grow(trie *t, int n)
{
    if (n < t->n) return true;
    int size = t->n;
    while (size <= n) size = size * 2 + GROWTH;
    trie_cell *cell = realloc(t->cell, (size_t)size * sizeof *cell);
    if (!cell) return false;
    for (int i = t->n; i < size; i++) cell[i] = (trie_cell){0, FREE, -1};
    t->cell = cell;
    t->n = size;
    return true;
}

/* A base that puts every child on a free cell, or 0 for want of memory. */
static int find_base(trie *t, const uint8_t *byte, int kids)
{
    while (t->free_from < t->n && t->cell[t->free_from].check != FREE) t->free_from++;
    int base = t->free_from - byte[0] > 1 ? t->free_from - byte[0] : 1;
    for (int tries = 0;; base++, tries++) {
        if (!grow(t, base + ALPHABET)) return 0; /* the whole alphabet, so that trie_step() stays inside */
        int i = 0;
        while (i < kids && base + byte[i] > TRIE_ROOT && t->cell[base + byte[i]].check == FREE) i++;
        if (i < kids) continue;
        if (tries > TRIES_MAX && base + byte[0] - KEEP_BEHIND > t->free_from)
            t->free_from = base + byte[0] - KEEP_BEHIND;
        return base;
    }
}

typedef struct { int node, first, end, depth; } task;

/* Puts the children of k.node, whose pieces [k.first, k.end) agree on their first k.depth bytes, and stacks them. */
static bool place(trie *t, task k, const trie_piece *p, task *stack, int *n)
{
    while (k.first < k.end && p[k.first].n == k.depth) t->cell[k.node].id = p[k.first++].id;
    if (k.first == k.end) return true;
    uint8_t byte[ALPHABET];
    int     start[ALPHABET + 1], kids = 0;
    for (int i = k.first; i < k.end; i++) {
        uint8_t c = (uint8_t)p[i].p[k.depth];
        if (kids && byte[kids - 1] == c) continue;
        byte[kids] = c;
        start[kids++] = i;
    }
    start[kids] = k.end;
    int base = find_base(t, byte, kids);
    if (!base) return false;
    t->cell[k.node].base = base;
    for (int i = 0; i < kids; i++) t->cell[base + byte[i]].check = k.node;
    for (int i = kids; i-- > 0;) stack[(*n)++] = (task){base + byte[i], start[i], start[i + 1], k.depth + 1};
    return true;
}

int trie_piece_order(const void *a, const void *b)
{
    const trie_piece *x = a, *y = b;
    int order = memcmp(x->p, y->p, (size_t)(x->n < y->n ? x->n : y->n));
    if (order) return order;
    return x->n != y->n ? x->n - y->n : x->id - y->id;
}

status trie_build(trie *out, trie_piece *pieces, int n, error *err)
{
    /* Tasks on the stack own disjoint, non-empty ranges of pieces, so it never holds more than n + 1. */
    task  *stack = malloc(((size_t)n + 1) * sizeof *stack);
    trie   t = {.free_from = TRIE_ROOT + 1};
    bool   ok = stack && grow(&t, GROWTH);
    int    tasks = 0;
    *out = (trie){0};
    if (n) qsort(pieces, (size_t)n, sizeof *pieces, trie_piece_order);
    if (ok) {
        t.cell[TRIE_NONE].check = t.cell[TRIE_ROOT].check = TRIE_NONE;
        stack[tasks++] = (task){TRIE_ROOT, 0, n, 0};
    }
    while (ok && tasks) {
        task k = stack[--tasks];
        ok = place(&t, k, pieces, stack, &tasks);
    }
    /* From "none" nothing may lead on: its steps land past every node's cells. */
    ok = ok && grow(&t, t.n + ALPHABET);
    free(stack);
    if (!ok) {
        trie_free(&t);
        return fail(err, NO_MEMORY, "no memory for a vocabulary of %d pieces", n);
    }
    t.cell[TRIE_NONE].base = t.n - ALPHABET;
    t.cell[TRIE_NONE].id = -1;
    *out = t;
    return OK;
}

void trie_free(trie *t)
{
    free(t->cell);
    *t = (trie){0};
}
