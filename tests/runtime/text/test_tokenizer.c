/* The tokenizer against its contract: what files may say, what is refused, odd texts.  Ids of the real model: golden/.
 */
#include <CUnit/CUnit.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "runtime/text/tokenizer.h"

static char folder[64];

static void write_file(const char *name, const char *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fwrite(bytes, 1, n, f);
    fclose(f);
}

static void begin(void)
{
    strcpy(folder, "/tmp/beeline-tokenizer-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void end(void)
{
    static const char *const names[] = {"vocab.txt", "tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static status open_folder(tokenizer **t, error *err)
{
    directory *d;
    *t = NULL;
    status rc = directory_open(&d, folder, err);
    if (rc != OK) return rc;
    rc = tokenizer_open(t, d, err);
    directory_close(d);
    return rc;
}

static tokenizer *opened(void)
{
    tokenizer *t;
    error err = {""};
    status rc = open_folder(&t, &err);
    if (rc != OK) fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(rc, OK);
    return t;
}

static void refused(const char *part)
{
    tokenizer *t;
    error err = {""};
    CU_ASSERT_EQUAL(open_folder(&t, &err), BAD_INPUT);
    CU_ASSERT_PTR_NULL(t);
    if (!strstr(err.text, part)) fprintf(stderr, "said \"%s\", wanted \"%s\"\n", err.text, part);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
}

#define VOCAB                                                                                                          \
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n.\nh\n##"                                                  \
    "h\ncaf\xc3\xa9\ncafe\nHello\n\xe4\xb8\xad\n\xe4\xb8\xad\xe4\xb8\xad\ni\xcc\x87\n"
enum { UNK = 1, CLS, SEP, MASK, HELLO, WORLD, S, DOT, H, HH, CAFE_ACUTE, CAFE, HELLO_UPPER, ZHONG, ZHONG2, I_DOT };

static int encode(const tokenizer *t, const char *text, int32_t *ids)
{
    return tokenizer_encode(t, (text_view){text, strlen(text)}, NULL, 0, CUT_RIGHT, ids, NULL, NULL);
}

static void encodes_to(const tokenizer *t, const char *text, int n, const int32_t *want)
{
    int32_t ids[256];
    int got = encode(t, text, ids);
    bool same = got == n + 2 && !memcmp(ids + 1, want, (size_t)n * sizeof *want);
    if (!same)
        for (int i = 0; i < got; i++) fprintf(stderr, "%s: %d: %d\n", text, i, ids[i]);
    CU_ASSERT_TRUE(same);
}
#define ENCODES(t, text, ...) \
    do { \
        const int32_t want_[] = {__VA_ARGS__}; \
        encodes_to(t, text, (int)(sizeof want_ / sizeof *want_), want_); \
    } while (0)

static void vocab_txt_alone_is_enough(void)
{
    begin();
    write_file("vocab.txt", VOCAB, sizeof VOCAB - 1);
    tokenizer *t = opened();
    ENCODES(t, "Hello worlds. \xe4\xb8\xad\xe4\xb8\xad", HELLO, WORLD, S, DOT, ZHONG, ZHONG);
    ENCODES(t, "caf\xc3\xa9 [MASK]x", CAFE, MASK, UNK);
    CU_ASSERT_EQUAL(tokenizer_vocab_size(t), 17);
    CU_ASSERT_EQUAL(tokenizer_model_max_length(t), 0);
    CU_ASSERT_STRING_EQUAL(tokenizer_piece(t, HELLO), "hello");
    CU_ASSERT_PTR_NULL(tokenizer_piece(t, 17));
    CU_ASSERT_PTR_NULL(tokenizer_piece(t, -1));
    tokenizer_close(t);
    end();
}

static void normalizer_settings(void)
{
    begin();
    write_file("vocab.txt", VOCAB, sizeof VOCAB - 1);
#define CONFIG(text) write_file("tokenizer_config.json", text, sizeof text - 1)
    CONFIG("{\"do_lower_case\": false}");
    tokenizer *t = opened();
    ENCODES(t, "Hello hello caf\xc3\xa9", HELLO_UPPER, HELLO, CAFE_ACUTE);
    tokenizer_close(t);
    CONFIG("{\"strip_accents\": false}");
    t = opened();
    ENCODES(t, "Caf\xc3\xa9 \xc4\xb0", CAFE_ACUTE, I_DOT);
    tokenizer_close(t);
    CONFIG("{\"do_lower_case\": false, \"strip_accents\": true}");
    t = opened();
    ENCODES(t, "caf\xc3\xa9", CAFE);
    tokenizer_close(t);
    CONFIG("{\"tokenize_chinese_chars\": false, \"model_max_length\": 1000000000000000019884624838656}");
    t = opened();
    ENCODES(t, "\xe4\xb8\xad\xe4\xb8\xad", ZHONG2);
    CU_ASSERT_EQUAL(tokenizer_model_max_length(t), 0);
    tokenizer_close(t);
    CONFIG("{\"model_max_length\": 512, \"unk_token\": {\"content\": \"[UNK]\"}}");
    t = opened();
    CU_ASSERT_EQUAL(tokenizer_model_max_length(t), 512);
    tokenizer_close(t);
    end();
}

static void vocab_rows(void)
{
    begin();
    write_file("vocab.txt", "[PAD]\n[CLS]\n[SEP]\na\n", 20);
    refused("[UNK]");
    write_file("vocab.txt", "[PAD]\n[UNK]\n[SEP]\na\n", 20);
    refused("[CLS]");
    write_file("vocab.txt", "[PAD]\n[UNK]\n[CLS]\na\n", 20);
    refused("[SEP]");
    write_file("vocab.txt", "", 0);
    refused("vocab.txt");
    write_file("vocab.txt", "\xef\xbb\xbf[PAD]\n", 9);
    refused("byte order mark");
    write_file("vocab.txt", "[PAD]\n\xff\n", 8);
    refused("UTF-8");
    write_file("vocab.txt", "[UNK]\na\0b\n", 10);
    refused("NUL in line 2");
    size_t many = 1000001;
    char *lines = malloc(2 * many);
    for (size_t i = 0; i < many; i++) memcpy(lines + 2 * i, "a\n", 2);
    write_file("vocab.txt", lines, 2 * many);
    free(lines);
    refused("more than 1000000 lines");
#define CRLF "[UNK]\r\n[CLS]\r\n[SEP]\r\n\r\nhello\r\nhello\r\n"
    write_file("vocab.txt", CRLF, sizeof CRLF - 1);
    tokenizer *t = opened(); /* line ends are trimmed, a blank line keeps its number, the later duplicate wins */
    ENCODES(t, "hello", 5);
    tokenizer_close(t);
    end();
}

static void nothing_to_read(void)
{
    begin();
    refused("neither tokenizer.json nor vocab.txt");
    end();
}

#define JSON(vocab, normalizer, pre, post, added) \
    "{\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"vocab\":" vocab "},\"normalizer\":" normalizer \
    ",\"pre_tokenizer\":{\"type\":\"" pre "\"},\"post_processor\":" post ",\"added_tokens\":" added "}"
#define SMALL "{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"a\":3,\"##b\":4,\"b\":5}"
#define BERT                                                                                                           \
    "{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":null,"           \
    "\"lowercase\":true}"
#define POST "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",1]}"
#define JSON_FILE(...)                                                                                                 \
    do {                                                                                                               \
        static const char text_[] = JSON(__VA_ARGS__);                                                                 \
        write_file("tokenizer.json", text_, sizeof text_ - 1);                                                         \
    } while (0)

static void tokenizer_json_is_refused_by_name(void)
{
    begin();
    JSON_FILE(SMALL, "{\"type\":\"Sequence\"}", "BertPreTokenizer", POST, "[]");
    refused("\"normalizer\" is of type Sequence");
    JSON_FILE(SMALL, BERT, "Whitespace", POST, "[]");
    refused("\"pre_tokenizer\" is of type Whitespace");
    JSON_FILE(SMALL, BERT, "BertPreTokenizer", "{\"type\":\"RobertaProcessing\"}", "[]");
    refused("RobertaProcessing");
    JSON_FILE(SMALL, BERT, "BertPreTokenizer",
              "{\"type\":\"TemplateProcessing\",\"single\":[],\"pair\":[],\"special_tokens\":{}}", "[]");
    refused("template");
    JSON_FILE(SMALL, BERT, "BertPreTokenizer", "{\"type\":\"TemplateProcessing\"}", "[]");
    refused("template");
    JSON_FILE("{\"a\":1}", BERT, "BertPreTokenizer", POST, "[]");
    refused("unk_token");
    JSON_FILE("{\"a\":-1}", BERT, "BertPreTokenizer", POST, "[]");
    refused("the id of \"a\"");
    JSON_FILE("[]", BERT, "BertPreTokenizer", POST, "[]");
    refused("\"vocab\" is array");
    JSON_FILE(SMALL, BERT, "BertPreTokenizer", POST, "[{\"content\":\"x\",\"normalized\":true}]");
    refused("\"normalized\": true");
    JSON_FILE(SMALL, BERT, "BertPreTokenizer",
              "{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",99],\"cls\":[\"[CLS]\",1]}", "[]");
    refused("BertProcessing");
    write_file("tokenizer.json", "[1]", 3);
    refused("wanted an object");
    write_file("tokenizer.json", "{", 1);
    refused("tokenizer.json: JSON: ends");
#define BPE "{\"model\":{\"type\":\"BPE\"}}"
    write_file("tokenizer.json", BPE, sizeof BPE - 1);
    refused("type BPE, only WordPiece");
    end();
}

static void added_tokens_follow_their_flags(void)
{
    begin();
    JSON_FILE(SMALL, BERT, "BertPreTokenizer", POST,
              "[{\"content\":\"<x>\",\"special\":true},{\"content\":\"<x>>\"},{\"content\":\"L\",\"lstrip\":true},{"
              "\"content\":\"R\",\"rstrip\":true},"
              "{\"content\":\"W\",\"single_word\":true}]");
    enum { A = 3, B_REST, B, X = 6, XX, L, R, W };
    tokenizer *t = opened();
    ENCODES(t, "a<x>b", A, X, B);
    ENCODES(t, "<x>>", XX);   /* the longest */
    ENCODES(t, "<X>", 0, 0, 0); /* case-sensitive; three unknown words */
    ENCODES(t, "ab", A, B_REST);
    ENCODES(t, "W aW W\xc3\xa9 W", W, 0, 0, W);
    ENCODES(t, "l r", 0, 0); /* what is only added is no piece of the model */
    token_span spans[64];
    text_view text = {"a \xe3\x80\x80L", 6};
    CU_ASSERT_EQUAL(tokenizer_spans(t, text, NULL, 0, CUT_RIGHT, false, spans), 2);
    CU_ASSERT_TRUE(spans[1].id == L && spans[1].start == 1 && spans[1].stop == 6 && !spans[1].special);
    text = (text_view){"R  \tb<x>", 8};
    CU_ASSERT_EQUAL(tokenizer_spans(t, text, NULL, 0, CUT_RIGHT, false, spans), 3);
    CU_ASSERT_TRUE(spans[0].start == 0 && spans[0].stop == 4 && spans[1].start == 4 && spans[2].id == X &&
                   !spans[2].special);
    tokenizer_close(t);
    end();
}

static int repeated(const tokenizer *t, const char *unit, int times, bool with_spans)
{
    size_t n = strlen(unit), total = n * (size_t)times;
    char *text = malloc(total);
    for (int i = 0; i < times; i++) memcpy(text + (size_t)i * n, unit, n);
    int count;
    if (with_spans) {
        token_span *out = malloc(tokenizer_bound(total) * sizeof *out);
        count = tokenizer_spans(t, (text_view){text, total}, NULL, 0, CUT_RIGHT, true, out);
        free(out);
    } else {
        int32_t *ids = malloc(tokenizer_bound(total) * sizeof *ids);
        count = tokenizer_encode(t, (text_view){text, total}, NULL, 0, CUT_RIGHT, ids, NULL, NULL);
        free(ids);
    }
    free(text);
    return count;
}

static void hostile_texts(void)
{
    begin();
    write_file("vocab.txt", VOCAB, sizeof VOCAB - 1);
    tokenizer *t = opened();
    for (int spans = 0; spans < 2; spans++) {
        CU_ASSERT_EQUAL(repeated(t, "h", 300000, spans), 3); /* one word above 100 characters: one unknown */
        CU_ASSERT_EQUAL(repeated(t, "h", 100, spans), 102);
        CU_ASSERT_EQUAL(repeated(t, "h", 101, spans), 3);
        CU_ASSERT_EQUAL(repeated(t, ".", 300000, spans), 300002);
        CU_ASSERT_EQUAL(repeated(t, "[", 300000, spans), 300002);
        CU_ASSERT_EQUAL(repeated(t, "\xcc\x81", 300000, spans), 2);       /* U+0301: dropped */
        CU_ASSERT_EQUAL(repeated(t, "\xe3\x80\xae", 300000, spans), 3);   /* U+302E: kept, sorted */
        CU_ASSERT_EQUAL(repeated(t, "\xea\xb0\x80", 300000, spans), 3);   /* U+AC00 */
        CU_ASSERT_EQUAL(repeated(t, "\xe4\xb8\xad", 300000, spans), 300002);
    }
    tokenizer_close(t);
    end();
}

static void cutting(void)
{
    begin();
    write_file("vocab.txt", VOCAB, sizeof VOCAB - 1);
    tokenizer *t = opened();
    int32_t ids[64];
    int8_t types[64];
    int full;
    text_view a = {"hello world .", 13}, b = {"h h h h", 7};
    CU_ASSERT_EQUAL(tokenizer_encode(t, a, NULL, 4, CUT_RIGHT, ids, types, &full), 4);
    CU_ASSERT_TRUE(full == 5 && ids[0] == CLS && ids[1] == HELLO && ids[2] == WORLD && ids[3] == SEP);
    CU_ASSERT_EQUAL(tokenizer_encode(t, a, NULL, 3, CUT_LEFT, ids, NULL, NULL), 3);
    CU_ASSERT_TRUE(ids[1] == DOT);
    CU_ASSERT_EQUAL(tokenizer_encode(t, a, &b, 8, CUT_RIGHT, ids, types, &full), 8);
    CU_ASSERT_TRUE(full == 10 && ids[3] == SEP && ids[4] == H && ids[7] == SEP && types[3] == 0 && types[4] == 1 &&
                   types[7] == 1);
    token_span spans[64];
    CU_ASSERT_EQUAL(tokenizer_spans(t, a, &b, 8, CUT_LEFT, true, spans), 8);
    CU_ASSERT_TRUE(spans[0].special && spans[0].start == -1 && spans[1].id == WORLD && spans[1].start == 6 &&
                   spans[4].type == 1 && spans[4].start == 2);
    tokenizer_close(t);
    end();
}

/* Marks of class 224 and 216, not of the kind that accents are stripped by; the character between is dropped. */
#define TONE "\xe3\x80\xae"
#define STEM "\xf0\x9d\x85\xa5"
#define ZERO_WIDTH "\xe2\x80\x8b"

static void marks_are_ordered(void)
{
    static const char *const texts[] = {"a" TONE STEM, "a" STEM TONE, "a" TONE ZERO_WIDTH STEM};
    enum { A = MASK + 1 };
    begin();
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##" STEM "\n##" TONE "\n";
    write_file("vocab.txt", vocab, sizeof vocab - 1);
    tokenizer *t = opened();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        token_span spans[8];
        ENCODES(t, texts[i], A, A + 1, A + 2);
        CU_ASSERT_EQUAL(tokenizer_spans(t, (text_view){texts[i], strlen(texts[i])}, NULL, 0, CUT_RIGHT, false, spans),
                        3);
        for (int k = 0; k < 3; k++) CU_ASSERT_EQUAL(spans[k].id, A + k);
    }
    tokenizer_close(t);
    end();
}

static void decode_is_bounded(void)
{
    begin();
    write_file("vocab.txt", VOCAB, sizeof VOCAB - 1);
    tokenizer *t = opened();
    const int32_t ids[] = {CLS, HELLO, WORLD, S, DOT, -5, 99999, SEP};
    char out[8];
    CU_ASSERT_EQUAL(tokenizer_decode(t, ids, 8, true, out, sizeof out), 13);
    CU_ASSERT_STRING_EQUAL(out, "hello w");
    CU_ASSERT_EQUAL(tokenizer_decode(t, ids, 8, true, NULL, 0), 13);
    char whole[64];
    tokenizer_decode(t, ids, 8, false, whole, sizeof whole);
    CU_ASSERT_STRING_EQUAL(whole, "[CLS] hello worlds. [SEP]");
    tokenizer_close(t);
    end();
}

void tokenizer_suite(CU_pSuite s)
{
    CU_add_test(s, "vocab.txt alone is enough", vocab_txt_alone_is_enough);
    CU_add_test(s, "every normalizer setting changes what it names", normalizer_settings);
    CU_add_test(s, "M62 a vocabulary that cannot serve is refused, line ends and duplicates are as documented",
                vocab_rows);
    CU_add_test(s, "a directory without a tokenizer is refused", nothing_to_read);
    CU_add_test(s, "what tokenizer.json says and we do not run is refused by name", tokenizer_json_is_refused_by_name);
    CU_add_test(s, "U47 added tokens follow their flags, in raw text", added_tokens_follow_their_flags);
    CU_add_test(s, "U46 300,000 times one character costs one word's memory", hostile_texts);
    CU_add_test(s, "texts and pairs are cut on either side", cutting);
    CU_add_test(s, "marks are put into canonical order, across what is dropped", marks_are_ordered);
    CU_add_test(s, "decoding never writes past its buffer", decode_is_bounded);
}
