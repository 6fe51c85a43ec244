/* incident_signs.h - trouble that nobody reports, seen in the monitor's numbers: rules and their thresholds.
 *
 * A sign is on as long as its rule holds.  One thread's. */
#ifndef SERVER_INCIDENT_SIGNS_H
#define SERVER_INCIDENT_SIGNS_H
#include "monitor.h"

typedef enum { SIGN_BURN, SIGN_CONTRACT, SIGNS } sign_kind;
enum { SIGNS_MINUTES = 6 };
typedef struct {
    bool on, began;   /* began: at this look */
    int64_t again_ns; /* the user's: not before */
    char summary[200];
} sign;
typedef struct {
    sign of[SIGNS];
    struct {
        int64_t bad, posts, refused;
    } minute[SIGNS_MINUTES]; /* as the counts were, a minute apart; the newest is minute[(minutes - 1) % ...] */
    int64_t minutes, next_ns;
} incident_signs; /* {0} at the start */

void incident_signs_look(incident_signs *s, const monitor *m, int64_t now_ns);
#endif
