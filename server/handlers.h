/* handlers.h - who answers what; the table is routes.c. */
#ifndef SERVER_HANDLERS_H
#define SERVER_HANDLERS_H
#include "http.h"

void embed_post(call *c);            /* embed.c */
void embeddings_post(call *c);
void tokenize_post(call *c);         /* tokenize.c */
void decode_post(call *c);
void info_get(call *c);              /* info.c */
void models_get(call *c);
void health_get(call *c);
void health_live_get(call *c);
void health_ready_get(call *c);
#endif
