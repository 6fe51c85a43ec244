/* admin.h - handlers of the ops port that change which version answers, and that tell what was changed. */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H
#include "http.h"

void release_post(call *c);  /* {version, reason, breaking?} -> 202 {number} */
void release_get(call *c);   /* the release under way, else the last one */
void rollback_post(call *c); /* {reason} -> {version, previous, ms} */
void versions_get(call *c);
void ledger_get(call *c); /* the last lines, oldest first */
void console_state_get(call *c);
void drain_post(call *c); /* as SIGTERM: 202 */
/* incident_routes.c */
void incidents_get(call *c);             /* all of them, without bundles */
void incident_get(call *c);              /* one, with its bundle */
void incident_acknowledge_post(call *c); /* -> {id, state} */
void incident_resolve_post(call *c);     /* {note} -> {id, state} */
#endif
