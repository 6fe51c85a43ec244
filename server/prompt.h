/* prompt.h - the words that a model wants before a text ("query: "), and room to put both together. */
#ifndef SERVER_PROMPT_H
#define SERVER_PROMPT_H
#include "runtime/model/description.h"
#include "runtime/text/tokenizer.h"

typedef struct { char *p; size_t capacity; } prompt_room; /* {0}; used again for every text of a request */

const char *prompt_default(const model_description *m); /* NULL: none */
/* Makes *text the prompt and the text, which then lies in `room` until the next call; a NULL prompt leaves it alone. */
status prompt_join(text_view *text, prompt_room *room, const char *prompt, error *err);
void   prompt_room_free(prompt_room *room);
#endif
