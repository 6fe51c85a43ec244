#include "prompt.h"
#include <stdlib.h>
#include <string.h>

const char *prompt_default(const model_description *m)
{
    return m->default_prompt >= 0 ? m->prompts[m->default_prompt].text : NULL;
}

status prompt_join(text_view *text, prompt_room *room, const char *prompt, error *err)
{
    if (!prompt) return OK;
    size_t before = strlen(prompt), need = before + text->n;
    if (need > room->capacity) {
        char *grown = realloc(room->p, need);
        if (!grown) return fail(err, NO_MEMORY, "no memory for a text of %zu bytes behind its prompt", text->n);
        *room = (prompt_room){grown, need};
    }
    if (need) memcpy(room->p, prompt, before);
    if (need) memcpy(room->p + before, text->p, text->n);
    *text = (text_view){room->p, need};
    return OK;
}

void prompt_room_free(prompt_room *room) { free(room->p); }
