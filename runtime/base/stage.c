#include "stage.h"

const char *const stage_names[STAGES] = {"read",    "parse", "tokenize",  "queue", "h2d",
                                         "compute", "d2h",   "serialize", "write"};

void stage_settle(stage_times *t)
{
    int64_t before = t->at[STAGE_READ];
    for (int s = 1; s <= STAGES; s++) {
        if (t->at[s] == 0 && s < STAGES) continue;
        if (t->at[s] < before) t->at[s] = before;
        before = t->at[s];
    }
    for (int s = STAGES - 1; s > 0; s--)
        if (t->at[s] == 0) t->at[s] = t->at[s + 1];
}
