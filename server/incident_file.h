/* incident_file.h - one incident: a record, and the document of it that is its file, FOLDER/ID.json.
 *
 * The document is the one of incidents.h.  Its last member, the bundle, is a hundred times as long as the rest, so a
 * record may be without it.  All strings of a record are UTF-8. */
#ifndef SERVER_INCIDENT_FILE_H
#define SERVER_INCIDENT_FILE_H
#include "incidents.h"

typedef enum { INCIDENT_OPEN, INCIDENT_ACKNOWLEDGED, INCIDENT_RESOLVED, INCIDENT_STATES } incident_state;
extern const char *const incident_states[INCIDENT_STATES]; /* "open", ... */

enum {
    INCIDENT_TEXT = 257,
    INCIDENT_WHO = 80,
    INCIDENT_NOTE_MAX = 1024,
    INCIDENT_FILE_ROOM = 80 /* for /ID.json.new in a path */
};
typedef struct incident {
    char id[64]; /* fit for a file's name */
    cause why;
    incident_state state;
    int64_t opened_ms, last_ms, acknowledged_ms, resolved_ms; /* Unix time; 0: not yet */
    int64_t count;
    char rule[64], summary[512], version[128], digest[65], model[128];
    char team[INCIDENT_TEXT], contact[INCIDENT_TEXT], runbook[INCIDENT_TEXT];
    char acknowledged_by[INCIDENT_WHO], resolved_by[INCIDENT_WHO], note[INCIDENT_NOTE_MAX + 1];
    char *bundle; /* [bundle_bytes], JSON, from malloc; NULL: only the file has it, or nobody */
    size_t bundle_bytes;
    bool unwritten;        /* incidents.c's: the file, if there is one, is older */
    struct incident *next; /* likewise */
} incident;

void incident_free(incident *n); /* NULL is fine */
/* As much of `from` as fits, whole letters only; bytes that are no UTF-8 become '?'. */
void incident_copy(char *to, size_t room, const char *from);

int64_t incident_time_ms(const char *text); /* "2026-11-25T09:00:00.123Z" as Unix time; 0: it is none */

void incident_head(out *o, const incident *n);     /* without its bundle */
void incident_document(out *o, const incident *n); /* with it, null where it is not known; a line feed ends it */
/* The reverse.  MALFORMED: it is no such document. */
status incident_parse(incident **parsed, const char *text, size_t bytes, error *err);

/* IO_FAILED, MALFORMED: not there, not to be read, no incident, or that of another name. */
status incident_file_read(incident **read, const char *folder, const char *name, error *err);
/* Makes the folder where there is none.  IO_FAILED, NO_MEMORY: the file is as it was. */
status incident_file_write(const char *folder, const incident *n, error *err);
bool incident_file_is_there(const char *folder, const incident *n); /* whatever is in it */
void incident_file_remove(const char *folder, const incident *n);
#endif
