/* embed.c - POST /embed and /v1/embeddings: read, tokenize, queue; when computed, write.
 *
 * The first half runs on the loop or a parse thread and ends in batcher_submit(); the second half on the loop. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "answer.h"
#include "contracts.h"
#include "handlers.h"
#include "prompt.h"
#include "runtime/base/clock.h"
#include "runtime/serve/shadow.h"

typedef enum { FORM_ROWS, FORM_BINARY, FORM_OPENAI, FORM_OPENAI_BASE64 } reply_form;

typedef struct {
    job        work;
    call      *c;
    app       *a;
    version   *v;            /* that answers, from the first look at the text to the reply */
    reply_form form;
    int        dimensions, truncated;
    bool       normalize;
    int64_t    done_ns;      /* the queue handed it back */
    int32_t   *ids, *starts; /* [starts[n]], [n+1]: the job reads them */
    float     *rows;         /* [n, model's dimensions] */
    status     result;
    error      why;
} embedding;

static void embedding_free(void *freed)
{
    embedding *e = freed;
    versions_release(e->a->versions, e->v);
    free(e->ids);
    free(e->starts);
    free(e->rows);
    free(e);
}

/* ---- texts to ids */

typedef struct {
    const engine *e;
    const embed_contract *ask;
    prompt_room text;
    int32_t    *ids; /* one input before it is cut */
} scratch;

static status too_long(const embedding *request, int i, int tokens, int limit, error *err)
{
    request->c->record.failure = FAILURE_TOO_LONG;
    return fail(err, BAD_INPUT, "input %d has %d tokens, the limit is %d (\"truncate\": true cuts)", i, tokens, limit);
}

/* Ids are used unchanged; more of them than fit are cut like a text. */
static status take_ids(embedding *request, const scratch *s, int i, int *n, error *err)
{
    int limit = s->e->description.max_tokens, vocab = tokenizer_vocab_size(s->e->tokens), count = 0;
    int total = cJSON_GetArraySize(s->ask->inputs[i].ids), skip = 0;
    if (total > limit && !s->ask->truncate) return too_long(request, i, total, limit, err);
    if (total > limit && s->ask->side == CUT_LEFT) skip = total - limit;
    for (const cJSON *v = s->ask->inputs[i].ids->child; v; v = v->next) {
        int32_t id;
        status rc = contract_id(&id, v, vocab, err);
        if (rc != OK) return rc;
        if (skip-- <= 0 && count < limit) request->ids[request->starts[i] + count++] = id;
    }
    request->truncated += total > limit;
    *n = count;
    return OK;
}

static status take_text(embedding *request, scratch *s, int i, int *n, error *err)
{
    int limit = s->e->description.max_tokens, full;
    text_view text = s->ask->inputs[i].text;
    request->c->record.characters += (int64_t)text.n;
    status rc = prompt_join(&text, &s->text, s->ask->prompt, err);
    if (rc != OK) return rc;
    *n = tokenizer_encode(s->e->tokens, text, NULL, limit, s->ask->side, s->ids, NULL, &full);
    if (full > limit && !s->ask->truncate) return too_long(request, i, full, limit, err);
    request->truncated += full > limit;
    memcpy(request->ids + request->starts[i], s->ids, (size_t)*n * sizeof *s->ids);
    return OK;
}

static status tokenize(embedding *request, const engine *e, const embed_contract *ask, error *err)
{
    size_t longest = 0, total = 0, limit = (size_t)e->description.max_tokens,
           before = ask->prompt ? strlen(ask->prompt) : 0;
    for (int i = 0; i < ask->n; i++) {
        size_t bound = ask->inputs[i].ids ? (size_t)cJSON_GetArraySize(ask->inputs[i].ids)
                                          : tokenizer_bound(ask->inputs[i].text.n + before);
        if (bound > longest) longest = bound;
        total += bound < limit ? bound : limit;
    }
    scratch s = {.e = e, .ask = ask, .ids = malloc(longest * sizeof *s.ids)};
    request->ids = malloc(total * sizeof *request->ids);
    request->starts = malloc(((size_t)ask->n + 1) * sizeof *request->starts);
    request->rows = malloc((size_t)ask->n * (size_t)e->description.dimensions * sizeof *request->rows);
    status rc = OK;
    if (!s.ids || !request->ids || !request->starts || !request->rows)
        rc = fail(err, NO_MEMORY, "no memory for a request of %d inputs", ask->n);
    else request->starts[0] = 0;
    for (int i = 0, n = 0; rc == OK && i < ask->n; i++) {
        rc = ask->inputs[i].ids ? take_ids(request, &s, i, &n, err) : take_text(request, &s, i, &n, err);
        request->starts[i + 1] = request->starts[i] + n;
    }
    if (rc == OK) request->c->record.tokens = request->starts[ask->n];
    prompt_room_free(&s.text);
    free(s.ids);
    return rc;
}

/* ---- the reply */

static void write_headers(out *o, const embedding *e)
{
    out_format(o, "x-model-version: %s\r\nx-model-digest: %s\r\n", e->v->name, e->v->engine->digest);
    if (e->truncated) out_format(o, "x-truncated: %d\r\n", e->truncated);
}

/* A row cut to its first components has length 1 again where it had before. */
static void shorten(const embedding *e, float *row)
{
    double square = 0;
    if (!e->normalize || e->dimensions == e->v->engine->description.dimensions) return;
    for (int i = 0; i < e->dimensions; i++) square += (double)row[i] * row[i];
    double scale = 1 / fmax(sqrt(square), 1e-12);
    for (int i = 0; i < e->dimensions; i++) row[i] = (float)(row[i] * scale);
}

static void write_openai(out *o, const embedding *e, int i, const float *row)
{
    out_text(o, i ? ",{\"object\":\"embedding\",\"index\":" : "{\"object\":\"embedding\",\"index\":");
    out_int(o, i);
    out_text(o, ",\"embedding\":");
    if (e->form == FORM_OPENAI_BASE64) out_base64(o, row, (size_t)e->dimensions * sizeof *row);
    else out_floats(o, row, e->dimensions);
    out_text(o, "}");
}

enum { FLOAT_TEXT = 13 /* a usual float with its comma */, ROW_TEXT = 64 };

static void write_rows(out *o, const embedding *e)
{
    int width = e->v->engine->description.dimensions;
    out_reserve(o,
                (size_t)e->work.n *
                    ((size_t)e->dimensions * (e->form == FORM_BINARY ? sizeof(float) : FLOAT_TEXT) + ROW_TEXT));
    for (int i = 0; i < e->work.n; i++) {
        float *row = e->rows + (size_t)i * (size_t)width;
        shorten(e, row);
        if (e->form == FORM_BINARY) {
            out_bytes(o, (const char *)row, (size_t)e->dimensions * sizeof *row); /* little-endian, as the machine is */
        } else if (e->form == FORM_ROWS) {
            out_text(o, i ? "," : "");
            out_floats(o, row, e->dimensions);
        } else {
            write_openai(o, e, i, row);
        }
    }
}

static void embedding_reply(call *c)
{
    embedding *e = c->state;
    stage_times *t = &c->record.times;
    t->at[STAGE_QUEUE] = e->work.submitted_ns;
    t->at[STAGE_H2D] = e->work.cut_ns;
    t->at[STAGE_COMPUTE] = e->work.begun_ns;
    t->at[STAGE_D2H] = e->work.computed_ns;
    t->at[STAGE_SERIALIZE] = e->done_ns;
    if (e->work.begun_ns) c->record.compute_type = e->v->engine->ops->name;
    if (e->result != OK) {
        answer_error(c, e->result, 0, &e->why);
        return;
    }
    out body = {0}, headers = {0};
    bool openai = e->form == FORM_OPENAI || e->form == FORM_OPENAI_BASE64;
    if (openai) out_text(&body, "{\"object\":\"list\",\"data\":[");
    if (e->form == FORM_ROWS) out_text(&body, "[");
    shadow_offer(e->a->shadow, &(shadow_sample){e->v->engine, e->ids, e->starts[1], e->rows});
    write_rows(&body, e);
    if (e->form == FORM_ROWS) out_text(&body, "]");
    if (openai) {
        out_text(&body, "],\"model\":");
        out_json_string(&body, e->v->model_name, strlen(e->v->model_name));
        out_format(&body, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}", (long long)c->record.tokens,
                   (long long)c->record.tokens);
    }
    write_headers(&headers, e);
    if (e->form == FORM_BINARY) out_format(&headers, "x-embedding-shape: %d,%d\r\n", e->work.n, e->dimensions);
    out_bytes(&headers, "", 1);
    if (body.failed || headers.failed) {
        error err;
        out_free(&body);
        answer_error(c, fail(&err, NO_MEMORY, "no memory for a reply of %d rows", e->work.n), 0, &err);
    } else {
        call_reply(c, 200, e->form == FORM_BINARY ? "application/octet-stream" : "application/json", &body, headers.p);
    }
    out_free(&headers);
}

/* ---- the way there */

static void computed(job *j, status result, const error *err)
{
    embedding *e = j->owner;
    e->result = result;
    e->done_ns = clock_ns();
    if (result != OK) e->why = *err;
    call_wake(e->c); /* from here on e belongs to the loop */
}

static void client_gone(call *c)
{
    embedding *e = c->state;
    batcher_cancel(app_of(c)->queue, &e->work);
}

static bool wants_binary(const call *c) { return http_is(http_field(&c->head, "accept"), "application/octet-stream"); }

static void embed(call *c, status (*read)(embed_contract *, const cJSON *, const model_description *, const options *, error *),
                  bool openai)
{
    app *a = app_of(c);
    cJSON *tree;
    error err;
    int retry_after_s = 0;
    int64_t wait_ns = 0;
    embed_contract ask;
    answer_terms terms;
    version *v = answer_version(c);
    if (!v) return;
    if (!answer_read_terms(c, &terms) || !answer_body(c, &tree)) {
        versions_release(a->versions, v);
        return;
    }
    const model_description *m = &v->engine->description;
    embedding *e = calloc(1, sizeof *e);
    status rc = e ? read(&ask, tree, m, a->options, &err) : fail(&err, NO_MEMORY, "no memory for a request");
    if (e) *e = (embedding){.c = c, .a = a, .v = v};
    else versions_release(a->versions, v);
    int64_t now_ns = c->record.times.at[STAGE_TOKENIZE] = clock_ns();
    if (rc == OK) {
        c->record.sequences = ask.n;
        rc = answer_in_time(c, &terms, now_ns, &err);
        if (rc == OK) rc = tokenize(e, v->engine, &ask, &err);
        e->form = openai ? (ask.base64 ? FORM_OPENAI_BASE64 : FORM_OPENAI) : wants_binary(c) ? FORM_BINARY : FORM_ROWS;
        e->dimensions = ask.dimensions;
        e->normalize = ask.normalize;
        e->work = (job){.engine = v->engine,
                        .n = ask.n,
                        .ids = e->ids,
                        .starts = e->starts,
                        .normalize = ask.normalize,
                        .lane = terms.lane,
                        .deadline_ns = terms.deadline_ns,
                        .rows = e->rows,
                        .done = computed,
                        .owner = e};
        embed_contract_free(&ask);
    }
    cJSON_Delete(tree);
    if (rc == OK) { /* before the submit: done() may come on another thread at once */
        c->state = e;
        c->free_state = embedding_free;
        c->finish = embedding_reply;
        c->gone = client_gone;
        rc = batcher_submit(a->queue, &e->work, &retry_after_s, &err);
        if (rc == OK) return;
        wait_ns = e->work.wait_ns;
    } else if (e) {
        embedding_free(e);
    }
    answer_turned_away(c, rc, retry_after_s, wait_ns, &err);
}

void embed_post(call *c) { embed(c, embed_contract_read, false); }
void embeddings_post(call *c) { embed(c, openai_contract_read, true); }
