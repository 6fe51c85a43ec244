/* incident_routes.c - incidents over the ops port, in every phase: what is told while it loads, or once the device is
 * lost, may be why.  Who asks is in x-operator: the door has seen to that. */
#include <string.h>
#include "admin.h"
#include "answer.h"
#include "door.h"
#include "incidents.h"
#include "runtime/base/json.h"

/* What the '*' of the path stands for: a name, of at most 64 bytes. */
static void take_id(const call *c, char id[65])
{
    const http_slice name = c->wildcard[0];
    const size_t n = name.n < 64 ? name.n : 64;
    memcpy(id, name.p, n);
    id[n] = 0;
}

static void answer_state(call *c, status rc, const char *id, const char *state_name, const error *err)
{
    out o = {0};
    if (rc != OK) {
        answer_error(c, rc, 0, err);
        return;
    }
    out_format(&o, "{\"id\":\"%s\",\"state\":\"%s\"}\n", id, state_name);
    answer_json(c, &o, "");
}

void incidents_get(call *c)
{
    out o = {0};
    incidents_write(&o, app_of(c)->incidents);
    answer_json(c, &o, "cache-control: no-store\r\n");
}

void incident_get(call *c)
{
    out o = {0};
    char id[65];
    error err;
    take_id(c, id);
    const status rc = incident_write(&o, app_of(c)->incidents, id, &err);
    if (rc == OK) answer_json(c, &o, "cache-control: no-store\r\n");
    else answer_error(c, rc, 0, &err);
}

void incident_acknowledge_post(call *c)
{
    char id[65], who[80];
    error err;
    take_id(c, id);
    door_operator(c, who);
    answer_state(c, incidents_acknowledge(app_of(c)->incidents, id, who, &err), id, "acknowledged", &err);
}

void incident_resolve_post(call *c)
{
    cJSON *tree;
    char id[65], who[80];
    const char *note = "";
    error err;
    if (!answer_body(c, &tree)) return;
    take_id(c, id);
    door_operator(c, who);
    status rc = json_string(&note, tree, "note", &err);
    if (rc == OK) rc = incidents_resolve(app_of(c)->incidents, id, who, note, &err);
    cJSON_Delete(tree);
    answer_state(c, rc, id, "resolved", &err);
}
