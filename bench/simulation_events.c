#include "simulation_events.h"
#include <assert.h>
#include <stdlib.h>

static bool before(const simulation_event *a, const simulation_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

status simulation_events_add(simulation_events *e, simulation_event event, error *err)
{
    if (e->n == e->room) {
        const int room = e->room ? 2 * e->room : 1024;
        simulation_event *more = realloc(e->at, (size_t)room * sizeof *more);
        if (!more) return fail(err, NO_MEMORY, "no memory for %d events", room);
        e->at = more;
        e->room = room;
    }
    event.order = e->told++;
    int i = e->n++;
    for (int up; i > 0 && before(&event, &e->at[up = (i - 1) / 2]); i = up) e->at[i] = e->at[up];
    e->at[i] = event;
    return OK;
}

simulation_event simulation_events_take(simulation_events *e)
{
    assert(e->n > 0);
    const simulation_event first = e->at[0], last = e->at[--e->n];
    int i = 0;
    for (int down; (down = 2 * i + 1) < e->n; i = down) {
        if (down + 1 < e->n && before(&e->at[down + 1], &e->at[down])) down++;
        if (!before(&e->at[down], &last)) break;
        e->at[i] = e->at[down];
    }
    if (e->n) e->at[i] = last;
    return first;
}

void simulation_events_close(simulation_events *e)
{
    free(e->at);
    *e = (simulation_events){0};
}
