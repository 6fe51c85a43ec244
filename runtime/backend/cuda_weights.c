/* cuda_weights.c - one list of parts, walked twice: to measure and place, and to convert and send.
 *
 * Tensors pass through one pinned buffer of bounded size, piece by piece, so that a model of any size needs no second
 * copy of itself on the host. */
#include "cuda_weights.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { PIECE = 1 << 20 /* numbers at a time: 2 to 4 MiB, large enough to hide the wait for each */, ALIGNMENT = 256 };

/* A tensor's place on the device. */
typedef struct {
    const tensor *from;
    void        **to;     /* the field that points to it; NULL: it follows the part before, as key does query */
    bool          single; /* stays fp32 */
} part;

typedef struct {
    cuda_device  *device;
    kernel_stream stream;
    element_type  element;
    const char   *model;
    float        *loose;  /* [PIECE] */
    void         *pinned; /* [PIECE], fp32 or element */
} sender;

/* ---- the list ---- */

enum { EMBEDDING_PARTS = 5, HEAD_PARTS = 4, LAYER_PARTS = 16 };

/* In one order for ever; returns how many parts. */
static int list(part *out, cuda_weights *w, const model *m)
{
    const embedding_weights *e = &m->embedding;
    int n = 0;
    out[n++] = (part){e->word, &w->word, false};
    out[n++] = (part){e->position, &w->position, false};
    out[n++] = (part){e->type, &w->type, false};
    out[n++] = (part){e->norm_gamma, (void **)&w->embed_gamma, true};
    out[n++] = (part){e->norm_beta, (void **)&w->embed_beta, true};
    for (int i = 0; i < m->description.shape.layers; i++) {
        const layer_weights *from = &m->layer[i];
        cuda_layer          *to = &w->layers[i];
        const part layer[LAYER_PARTS] = {
            {from->query_w, &to->qkv, false}, {from->key_w, NULL, false}, {from->value_w, NULL, false},
            {from->query_b, &to->qkv_b, false}, {from->key_b, NULL, false}, {from->value_b, NULL, false},
            {from->attention_out_w, &to->attention_out, false}, {from->attention_out_b, &to->attention_out_b, false},
            {from->norm1_gamma, (void **)&to->norm1_gamma, true}, {from->norm1_beta, (void **)&to->norm1_beta, true},
            {from->inner_w, &to->inner, false}, {from->inner_b, &to->inner_b, false},
            {from->outer_w, &to->outer, false}, {from->outer_b, &to->outer_b, false},
            {from->norm2_gamma, (void **)&to->norm2_gamma, true}, {from->norm2_beta, (void **)&to->norm2_beta, true},
        };
        for (int p = 0; p < LAYER_PARTS; p++) out[n++] = layer[p];
    }
    if (m->description.task == TASK_EMBED) return n;
    out[n++] = (part){m->head.pooler_w, &w->pooler, false};
    out[n++] = (part){m->head.pooler_b, &w->pooler_b, false};
    out[n++] = (part){m->head.classifier_w, &w->classifier, false};
    out[n++] = (part){m->head.classifier_b, &w->classifier_b, false};
    return n;
}

static size_t size_of(const part *p)
{
    return p->from->elements * (p->single ? sizeof(float) : sizeof(uint16_t));
}

/* With no base it only counts. */
static size_t place(const part *parts, int n, char *base)
{
    size_t end = 0;
    for (int i = 0; i < n; i++) {
        if (parts[i].to) {
            end = (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            if (base) *parts[i].to = base + end;
        }
        end += size_of(&parts[i]);
    }
    return end;
}

/* ---- one tensor on its way ---- */

static size_t bytes_of(dtype type)
{
    return type == DTYPE_F32 ? sizeof(float) : sizeof(uint16_t);
}

/* loose -> pinned, in the type of the part */
static status convert(const sender *s, const part *p, size_t n, error *err)
{
    uint16_t *halves = s->pinned;
    float    *floats = s->pinned;
    for (size_t i = 0; i < n; i++) {
        if (p->single) {
            floats[i] = s->loose[i];
            continue;
        }
        halves[i] = element_from_f32(s->element, s->loose[i]);
        if (isfinite(s->loose[i]) && !isfinite(element_to_f32(s->element, halves[i])))
            return fail(err, BAD_INPUT, "%s: tensor \"%.80s\" holds %g, %s; bfloat16 is the answer (\"torch_dtype\")",
                        s->model, p->from->name, (double)s->loose[i],
                        s->element == ELEMENT_F16 ? "float16 ends at 65504" : "beyond the largest number");
    }
    return OK;
}

static status send(const sender *s, const part *p, char *to, error *err)
{
    const size_t width = p->single ? sizeof(float) : sizeof(uint16_t);
    status       rc = OK;
    for (size_t at = 0, n; rc == OK && at < p->from->elements; at += n) {
        tensor piece = *p->from;
        n = p->from->elements - at < PIECE ? p->from->elements - at : PIECE;
        piece.data += at * bytes_of(piece.type);
        piece.elements = n;
        tensor_to_f32(s->loose, &piece);
        rc = convert(s, p, n, err);
        if (rc == OK) rc = cuda_device_copy_in(s->device, to + at * width, s->pinned, n * width, s->stream, err);
        if (rc == OK) rc = cuda_device_synchronize(s->device, s->stream, err);
    }
    return rc;
}

static status send_all(sender *s, const part *parts, int n, error *err)
{
    const int mark = cuda_device_mark(s->device);
    char     *to = NULL;
    s->loose = malloc(PIECE * sizeof *s->loose);
    status rc = s->loose ? OK : fail(err, NO_MEMORY, "%s: no memory to read a weight into", s->model);
    if (rc == OK) rc = cuda_device_pinned(s->device, &s->pinned, PIECE * sizeof(float), "weights on their way", err);
    if (rc == OK) rc = cuda_device_stream(s->device, &s->stream, err);
    for (int i = 0; rc == OK && i < n; i++) {
        if (parts[i].to) to = *parts[i].to;
        rc = send(s, &parts[i], to, err);
        to += size_of(&parts[i]);
    }
    cuda_device_release(s->device, mark);
    free(s->loose);
    return rc;
}

/* ---- open and close ---- */

status cuda_weights_open(cuda_weights **out, cuda_device *d, const model *m, element_type element, error *err)
{
    const int     layers = m->description.shape.layers;
    cuda_weights *w = calloc(1, sizeof *w);
    part         *parts = calloc((size_t)(EMBEDDING_PARTS + HEAD_PARTS + layers * LAYER_PARTS), sizeof *parts);
    sender        s = {.device = d, .element = element, .model = m->description.name};
    void         *memory;
    status        rc = OK;
    *out = NULL;
    if (w) w->element = element;
    if (w) w->layers = calloc((size_t)layers, sizeof *w->layers);
    if (!w || !parts || !w->layers) {
        rc = fail(err, NO_MEMORY, "%s: no memory", m->description.name);
        goto done;
    }
    const int n = list(parts, w, m);
    w->bytes = place(parts, n, NULL);
    rc = cuda_device_memory(d, &memory, w->bytes, "weights", err);
    if (rc != OK) goto done;
    place(parts, n, memory);
    rc = send_all(&s, parts, n, err);
done:
    free(parts);
    if (rc != OK) cuda_weights_close(w);
    else *out = w;
    return rc;
}

void cuda_weights_close(cuda_weights *w)
{
    if (!w) return;
    free(w->layers);
    free(w);
}
