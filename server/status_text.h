/* status_text.h - the document of console_state.h as a screen of 80 columns or little more. */
#ifndef SERVER_STATUS_TEXT_H
#define SERVER_STATUS_TEXT_H
#include <cjson/cJSON.h>
#include "out.h"

/* Members that are not there are left out.  where: of the server, as asked for. */
void status_text(out *o, const cJSON *state, const char *where);
/* 93784 s is "1 d 2 h": the two largest units.  For people. */
void status_age(out *o, double seconds);
#endif
