#include "host_costs.h"
#include <stdlib.h>
#include <string.h>
#include "contracts.h"
#include "out.h"
#include "runtime/base/clock.h"
#include "runtime/base/json.h"
#include "runtime/serve/stopwatch.h"

enum { SAMPLE_NS = 50000, TEXTS = 8 };

static const char text[] =
    "The harbour office keeps a ledger of every vessel that has called since 1871: its master, its cargo, the depth of "
    "water at the quay. Most entries are short. A few run over several pages, because someone on duty that night "
    "thought the weather, or the quarrel about the tow, worth writing down; these are what historians ask for.";

typedef struct {
    const engine *e;
    const options *o;
    out body, reply;
    int32_t *ids; /* [tokenizer_bound(the text)] */
    int n_ids;
    const float *row; /* [dimensions] */
    int dimensions;
} bench;

static status parse(bench *b, error *err)
{
    static const json_limits limits = {.depth = 16, .values = 200000};
    embed_contract ask;
    cJSON *tree;
    status rc = json_parse(&tree, b->body.p, b->body.n, limits, err);
    if (rc != OK) return rc;
    rc = embed_contract_read(&ask, tree, &b->e->description, b->o, err);
    if (rc == OK) embed_contract_free(&ask);
    cJSON_Delete(tree);
    return rc;
}

static status tokenize(bench *b, error *err)
{
    (void)err;
    b->n_ids = tokenizer_encode(b->e->tokens, (text_view){text, sizeof text - 1}, NULL, 0, CUT_RIGHT, b->ids,
                                NULL, NULL);
    return OK;
}

static status replied(bench *b, error *err)
{
    b->reply.n = 0;
    return b->reply.failed ? fail(err, NO_MEMORY, "no memory for a row of %d numbers", b->dimensions) : OK;
}

static status write_json(bench *b, error *err)
{
    out_floats(&b->reply, b->row, b->dimensions);
    return replied(b, err);
}

static status write_base64(bench *b, error *err)
{
    out_base64(&b->reply, b->row, (size_t)b->dimensions * sizeof *b->row);
    return replied(b, err);
}

static status write_binary(bench *b, error *err)
{
    out_bytes(&b->reply, (const char *)b->row, (size_t)b->dimensions * sizeof *b->row);
    return replied(b, err);
}

static double kib_of_body(const bench *b) { return (double)b->body.n / 1024; }
static double tokens_of_text(const bench *b) { return b->n_ids; }
static double one_row(const bench *b)
{
    (void)b;
    return 1;
}

static const struct {
    size_t field;
    status (*once)(bench *b, error *err);
    double (*units)(const bench *b); /* of what the cost is for, in one */
} costs[] = {{offsetof(capacity, parse_per_kib), parse, kib_of_body},
             {offsetof(capacity, tokenize_per_token), tokenize, tokens_of_text},
             {offsetof(capacity, row_json), write_json, one_row},
             {offsetof(capacity, row_base64), write_base64, one_row},
             {offsetof(capacity, row_binary), write_binary, one_row}};

/* A sample repeats the work until the clock's own time is nothing against it. */
static status measure(capacity_cost *cost, bench *b, int i, int samples, error *err)
{
    int64_t took_ns[STOPWATCH_RUNS_MAX];
    int64_t begun_ns = clock_ns();
    status rc = costs[i].once(b, err);
    const int64_t once_ns = clock_ns() - begun_ns, times = once_ns < SAMPLE_NS ? SAMPLE_NS / (once_ns + 1) + 1 : 1;
    for (int s = 0; rc == OK && s < samples; s++) {
        begun_ns = clock_ns();
        for (int64_t t = 0; rc == OK && t < times; t++) rc = costs[i].once(b, err);
        took_ns[s] = (int64_t)((double)(clock_ns() - begun_ns) / ((double)times * costs[i].units(b)));
    }
    if (rc == OK) stopwatch_settle(took_ns, samples, &cost->median_ns, &cost->spread_ns);
    return rc;
}

status host_costs_measure(capacity *c, const options *o, engine *e, const float *row, int samples, error *err)
{
    bench b = {.e = e, .o = o, .row = row, .dimensions = e->description.dimensions};
    status rc = OK;
    out_text(&b.body, "{\"inputs\":[");
    for (int i = 0; i < TEXTS; i++) {
        out_text(&b.body, i ? "," : "");
        out_json_string(&b.body, text, sizeof text - 1);
    }
    out_text(&b.body, "],\"normalize\":true}");
    b.ids = malloc(tokenizer_bound(sizeof text) * sizeof *b.ids);
    if (!b.ids || b.body.failed) rc = fail(err, NO_MEMORY, "no memory to measure the host's costs");
    for (int i = 0; rc == OK && i < (int)(sizeof costs / sizeof *costs); i++)
        rc = measure((capacity_cost *)((char *)c + costs[i].field), &b, i, samples, err);
    free(b.ids);
    out_free(&b.body);
    out_free(&b.reply);
    return rc;
}
