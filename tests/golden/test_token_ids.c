/* Token ids, types, offsets and decoding against Hugging Face `tokenizers` 0.22.2 (golden/data/README.md). */
#include <CUnit/CUnit.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/text/tokenizer.h"

static tokenizer *open_minilm(void)
{
    directory *d;
    tokenizer *t = NULL;
    error err;
    if (directory_open(&d, BEELINE_SOURCE_DIR "/models/all-MiniLM-L6-v2", &err) != OK) return NULL;
    if (tokenizer_open(&t, d, &err) != OK) fprintf(stderr, "%s\n", err.text);
    directory_close(d);
    return t;
}

static FILE *open_data(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/tests/golden/data/%s", BEELINE_SOURCE_DIR, name);
    return fopen(path, "r");
}

static cJSON *next_line(FILE *f)
{
    static char *line;
    static size_t size;
    return f && getline(&line, &size, f) > 0 ? cJSON_Parse(line) : NULL;
}

/* The `hex` fields, because a C string ends at U+0000. */
static char *unhex(const cJSON *v, size_t *n)
{
    const char *hex = cJSON_GetStringValue(v);
    *n = strlen(hex) / 2;
    char *out = malloc(*n + 1);
    for (size_t i = 0; i < *n; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        out[i] = (char)byte;
    }
    return out;
}

static int number(const cJSON *array, int i) { return cJSON_GetArrayItem(array, i)->valueint; }

/* The byte at which character `c` begins. */
static int byte_of(const char *p, size_t n, int c)
{
    size_t i = 0;
    for (; i < n && c > 0; c--)
        do i++;
        while (i < n && ((unsigned char)p[i] & 0xc0) == 0x80);
    return (int)i;
}

typedef struct {
    char *text, *pair;
    size_t text_bytes, pair_bytes;
    int max_tokens;
    cut_side side;
    bool has_pair;
} golden_case;

static golden_case read_case(const cJSON *c)
{
    golden_case g = {0};
    const cJSON *pair = cJSON_GetObjectItem(c, "pair_hex"), *limit = cJSON_GetObjectItem(c, "max_length");
    g.text = unhex(cJSON_GetObjectItem(c, "hex"), &g.text_bytes);
    g.has_pair = !cJSON_IsNull(pair);
    if (g.has_pair) g.pair = unhex(pair, &g.pair_bytes);
    g.max_tokens = cJSON_IsNull(limit) ? 0 : limit->valueint;
    g.side = strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(c, "direction")), "left") ? CUT_RIGHT : CUT_LEFT;
    return g;
}

static bool ids_agree(const tokenizer *t, const golden_case *g, const cJSON *want)
{
    const cJSON *ids = cJSON_GetObjectItem(want, "ids"), *types = cJSON_GetObjectItem(want, "type_ids");
    text_view a = {g->text, g->text_bytes}, b = {g->pair, g->pair_bytes};
    size_t   bound = tokenizer_bound(a.n + b.n);
    int32_t *got = malloc(bound * sizeof *got);
    int8_t  *got_types = malloc(bound);
    int  n = tokenizer_encode(t, a, g->has_pair ? &b : NULL, g->max_tokens, g->side, got, got_types, NULL);
    bool same = n == cJSON_GetArraySize(ids);
    for (int i = 0; same && i < n; i++) same = got[i] == number(ids, i) && got_types[i] == number(types, i);
    free(got);
    free(got_types);
    return same;
}

static bool spans_agree(const tokenizer *t, const golden_case *g, const cJSON *want)
{
    const cJSON *ids = cJSON_GetObjectItem(want, "ids"), *offsets = cJSON_GetObjectItem(want, "offsets");
    text_view   a = {g->text, g->text_bytes}, b = {g->pair, g->pair_bytes};
    token_span *got = malloc(tokenizer_bound(a.n + b.n) * sizeof *got);
    int  n = tokenizer_spans(t, a, g->has_pair ? &b : NULL, g->max_tokens, g->side, true, got);
    bool same = n == cJSON_GetArraySize(ids);
    for (int i = 0; same && i < n; i++) {
        const cJSON *o = cJSON_GetArrayItem(offsets, i);
        text_view of = got[i].type ? b : a;
        bool framing = number(o, 0) == 0 && number(o, 1) == 0;
        int start = framing ? -1 : byte_of(of.p, of.n, number(o, 0)),
            stop = framing ? -1 : byte_of(of.p, of.n, number(o, 1));
        same = got[i].id == number(ids, i) && got[i].start == start && got[i].stop == stop;
        if (!same)
            fprintf(stderr, "token %d: %d [%d,%d), wanted %d [%d,%d)\n", i, got[i].id, got[i].start, got[i].stop,
                    number(ids, i), start, stop);
    }
    free(got);
    return same;
}

static void over_all_cases(bool (*agree)(const tokenizer *, const golden_case *, const cJSON *))
{
    tokenizer *t = open_minilm();
    FILE *cases = open_data("tok_cases.jsonl"), *expected = open_data("tok_expected.jsonl");
    int n = 0, wrong = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    for (cJSON *c, *want; (c = next_line(cases)) && (want = next_line(expected)); n++) {
        golden_case g = read_case(c);
        if (!agree(t, &g, want)) {
            if (wrong++ < 10)
                fprintf(stderr, "case %d (%s) differs\n", n, cJSON_GetStringValue(cJSON_GetObjectItem(c, "cat")));
        }
        free(g.text);
        free(g.pair);
        cJSON_Delete(c);
        cJSON_Delete(want);
    }
    CU_ASSERT_EQUAL(n, 2500);
    CU_ASSERT_EQUAL(wrong, 0);
    fclose(cases);
    fclose(expected);
    tokenizer_close(t);
}

static void ids(void) { over_all_cases(ids_agree); }
static void spans(void) { over_all_cases(spans_agree); }

static void decoding(void)
{
    tokenizer *t = open_minilm();
    FILE *f = open_data("tok_decode.jsonl");
    int n = 0, wrong = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(t);
    for (cJSON *c; (c = next_line(f)); n++) {
        const cJSON *list = cJSON_GetObjectItem(c, "ids");
        int32_t ids_of[2048];
        int k = 0;
        for (const cJSON *v = list->child; v && k < 2048; v = v->next) ids_of[k++] = v->valueint;
        static char out[1 << 16];
        size_t bytes = tokenizer_decode(t, ids_of, k, cJSON_IsTrue(cJSON_GetObjectItem(c, "skip_special_tokens")), out,
                                        sizeof out);
        const char *want = cJSON_GetStringValue(cJSON_GetObjectItem(c, "text"));
        wrong += strcmp(out, want) != 0 || bytes != strlen(want);
        cJSON_Delete(c);
    }
    CU_ASSERT_EQUAL(n, 408);
    CU_ASSERT_EQUAL(wrong, 0);
    fclose(f);
    tokenizer_close(t);
}

void token_ids_suite(CU_pSuite s)
{
    CU_add_test(s, "U47 U50 ids and types equal Hugging Face's on all 2,500 cases", ids);
    CU_add_test(s, "source ranges equal Hugging Face's on all 2,500 cases", spans);
    CU_add_test(s, "decoding equals Hugging Face's on all 408 cases", decoding);
}
