/* incidents_text.h - incidents for people: all of them as a table, one as a page.  Pure: documents in, text out.
 *
 * Members that are not there are left out or blank.  Nothing of a document moves the terminal's cursor: what is no
 * printable character is a blank. */
#ifndef SERVER_INCIDENTS_TEXT_H
#define SERVER_INCIDENTS_TEXT_H
#include <cjson/cJSON.h>
#include "out.h"

enum { INCIDENTS_TEXT_EVENTS = 20 /* of the flight recorder, the last of all threads */ };
void incidents_text(out *o, const cJSON *list, double now_unix_s); /* of incidents_write() */
void incident_text(out *o, const cJSON *one, double now_unix_s);   /* of incident_write() */
#endif
