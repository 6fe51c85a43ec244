/* release_text.h - how a release goes, for a terminal and for a log. */
#ifndef SERVER_RELEASE_TEXT_H
#define SERVER_RELEASE_TEXT_H
#include <cjson/cJSON.h>
#include <stdbool.h>
#include "out.h"

/* A bar of the steps that have ended and the one that goes on: one line of at most 79 columns, without its end. */
void release_text_progress(out *o, const cJSON *release);
/* Lines for the steps that have ended since `*told` of them had; *told counts on. */
void release_text_steps(out *o, const cJSON *release, int *told);
/* The rules of the bake, a line each; nothing before it has begun. */
void release_text_rules(out *o, const cJSON *release);
/* "running", "done", ...; "" where it is no release, or another than this. */
const char *release_text_state(const cJSON *release, int64_t number);
/* Of a release that has not been done: the step that said no, and why; "" else. */
void release_text_reason(out *o, const cJSON *release);
#endif
