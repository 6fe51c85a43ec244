/* test_json.c - what must not reach cJSON, and what the typed readers promise.
 *
 * Texts are parsed from blocks of exactly their size, so that AddressSanitizer sees a byte read too far. */
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/base/json.h"

static const json_limits roomy = {.depth = 64, .values = 100000};

static status parse_bytes(cJSON **out, const char *text, size_t n, json_limits limits, error *err)
{
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    *out = (cJSON *)out; /* so that a failure that forgets it is seen */
    *err = (error){""};
    status rc = json_parse(out, exact, n, limits, err);
    CU_ASSERT_EQUAL(rc == OK, *out != NULL);
    free(exact);
    return rc;
}

static void refused_bytes(const char *text, size_t n, const char *part)
{
    cJSON *tree;
    error err;
    status rc = parse_bytes(&tree, text, n, roomy, &err);
    CU_ASSERT_EQUAL(rc, MALFORMED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    if (rc != MALFORMED || !strstr(err.text, part))
        printf("\n    %.60s: %d \"%s\", wanted \"%s\"", text, rc, err.text, part);
    cJSON_Delete(tree);
}

static void refused(const char *text, const char *part) { refused_bytes(text, strlen(text), part); }

static cJSON *accepted(const char *text)
{
    cJSON *tree;
    error err;
    CU_ASSERT_EQUAL(parse_bytes(&tree, text, strlen(text), roomy, &err), OK);
    if (!tree) printf("\n    %s: %s", text, err.text);
    return tree;
}

static void what_is_no_document(void)
{
    refused("", "ends at byte 0, wanted a value");
    refused("   ", "ends at byte 3, wanted a value");
    refused("nul", "'n' at byte 0, wanted a value");
    refused("True", "'T' at byte 0");
    refused("\xef\xbb\xbf{}", "0xef at byte 0");
    refused("\1{}", "0x01 at byte 0");
    refused("\v1", "0x0b at byte 0");
    refused_bytes("1\0", 2, "0x00 at byte 1, wanted the end");
    static const char *const whole[] = {
        "null", "true", "-0", "0", "\"\"", "[]", "{}", " [ 1 , 2 ] ", "{\"a\":{\"b\":[{}]}}\r\n\t "};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) cJSON_Delete(accepted(whole[i]));
}

/* Every true beginning of a document is refused; the numbers end on ']' so that none is whole earlier. */
static void cut_at_every_byte(void)
{
    static const char text[] =
        "[{\"a\":\"x\\u00e9\\n\xc3\xa9\\ud83d\\ude00\",\"b\":[1,-2.5e+3,true,false,null,{}]},[[]]]";
    const size_t n = sizeof text - 1;
    cJSON_Delete(accepted(text));
    for (size_t i = 0; i < n; i++) {
        cJSON *tree;
        error err;
        CU_ASSERT_EQUAL(parse_bytes(&tree, text, i, roomy, &err), MALFORMED);
        CU_ASSERT(strstr(err.text, "byte") != NULL);
    }
}

static void trailing_data(void)
{
    refused("{} {}", "'{' at byte 3, wanted the end");
    refused("{}]", "']' at byte 2, wanted the end");
    refused("[1],", "',' at byte 3, wanted the end");
    refused("1 2", "'2' at byte 2, wanted the end");
    refused("\"a\"b", "'b' at byte 3, wanted the end");
    refused("nullx", "'x' at byte 4, wanted the end");
}

static void deep_documents(void)
{
    enum { DEEP = 100000 };
    static char text[2 * DEEP];
    cJSON *tree;
    error err;
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    CU_ASSERT_EQUAL(parse_bytes(&tree, text, sizeof text, (json_limits){1000000, 1000000}, &err), MALFORMED);
    CU_ASSERT_STRING_EQUAL(err.text, "JSON: deeper than 1000 levels at byte 1000");
    refused_bytes(text, sizeof text, "deeper than 64 levels at byte 64");
    CU_ASSERT_EQUAL(parse_bytes(&tree, text + DEEP - 64, 128, roomy, &err), OK);
    cJSON_Delete(tree);
    CU_ASSERT_EQUAL(parse_bytes(&tree, text + DEEP - 1000, 2000, (json_limits){1000000, 1000000}, &err), OK);
    cJSON_Delete(tree);
    CU_ASSERT_EQUAL(parse_bytes(&tree, "1", 1, (json_limits){0, 1}, &err), OK);
    cJSON_Delete(tree);
    CU_ASSERT_EQUAL(parse_bytes(&tree, "[]", 2, (json_limits){0, 1}, &err), MALFORMED);
    for (int i = 0; i + 5 <= DEEP; i += 5) memcpy(text + i, "{\"a\":", 5);
    refused_bytes(text, DEEP, "deeper than 64 levels at byte 320");
}

static void almost_json(void)
{
    static const char *const texts[] = {
        "NaN", "Infinity", "-Infinity", "0x10", "[1,]", "[,1]", "{\"a\":1,}", "{,}", "[1 2]", "{\"a\" 1}", "{\"a\":}",
        "{a:1}", "{'a':1}", "['a']", "// c\n1", "/* c */1", "[1]//", "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]", "{\"a\"}",
        "{1:2}", "undefined", "[1;2]",
    };
    static const char *const numbers[] = {
        "01", "-01", "1.", ".5", "+1", "-", "1e", "1e+", "1.e3", "1e999", "-1e999", "00", "1_000", "0x", "--1", "1.5.5",
        "1e5e5", "0b1", "1,5",
        "1000000000000000000000000000000000000000000000000000000000000000", /* 64 digits */
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) refused(texts[i], "byte");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) refused(numbers[i], "byte");
    static const char *const good[] = {"-0.0", "1e-999", "1E+2", "0.1e1", "123456789012345678901234567890",
                                       "100000000000000000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) cJSON_Delete(accepted(good[i]));
}

static void texts_that_would_be_cut_or_garbled(void)
{
    refused("\"a\\u0000b\"", "escaped NUL at byte 2");
    refused("{\"a\\u0000b\":1}", "escaped NUL at byte 3");
    refused_bytes("\"a\0b\"", 5, "raw control character in a string at byte 2");
    refused("\"a\nb\"", "raw control character");
    refused("\"a\tb\"", "raw control character");
    refused("\"\x1f\"", "raw control character");
    refused("\"\\x41\"", "unknown escape");
    refused("\"\\'\"", "unknown escape");
    refused_bytes("\"\\\0\"", 4, "unknown escape");
    refused("\"\\u12g4\"", "four hexadecimal digits");
    refused("\"\\u12", "four hexadecimal digits");
    refused("\"\\", "ends within an escape");
    cJSON *tree = accepted("\"\\u0001\\b\\f\\n\\r\\t\\/\\\\\\\" \x7f\"");
    CU_ASSERT_STRING_EQUAL(tree->valuestring, "\1\b\f\n\r\t/\\\" \x7f");
    cJSON_Delete(tree);
}

static void surrogates(void)
{
    refused("\"\\ud800\"", "lone high surrogate");
    refused("\"\\udbff\\u0041\"", "lone high surrogate");
    refused("\"\\ud83dx\"", "lone high surrogate");
    refused("\"\\ud83d\\ud83d\"", "lone high surrogate");
    refused("\"\\ud83d\\n00000\"", "lone high surrogate");
    refused("\"\\udc00\"", "lone low surrogate");
    refused("\"\\uDE00\\uD83D\"", "lone low surrogate");
    cJSON *tree = accepted("\"\\ud83d\\ude00\\uD83D\\uDE00\\ud800\\udc00\\udbff\\udfff\\ud7ff\\ue000\"");
    CU_ASSERT_STRING_EQUAL(tree->valuestring, "\U0001f600\U0001f600\U00010000\U0010ffff\ud7ff\ue000");
    cJSON_Delete(tree);
}

static void bytes_that_are_no_utf8(void)
{
    static const char *const bad[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "\xe2\x28\xa1", "\xf0\x9f\x28\x80",
    };
    char text[16];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "\"%s\"", bad[i]);
        refused(text, "invalid UTF-8 at byte 1");
        snprintf(text, sizeof text, "\"%s", bad[i]); /* the document ends inside the sequence */
        refused(text, "byte 1");
    }
    cJSON *tree = accepted(
        "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
    CU_ASSERT_EQUAL(strlen(tree->valuestring), 24);
    cJSON_Delete(tree);
}

static int trees; /* allocations of cJSON; one thread */

static void *count_malloc(size_t n)
{
    trees++;
    return malloc(n);
}

/* The bound holds before the first allocation. */
static void too_many_values(void)
{
    enum { BYTES = 2 << 20 };
    char *text = malloc(BYTES);
    cJSON *tree;
    error err;
    cJSON_Hooks hooks = {.malloc_fn = count_malloc, .free_fn = free};
    text[0] = '[';
    for (int i = 1; i < BYTES; i += 2) text[i] = '0', text[i + 1 < BYTES ? i + 1 : i] = ',';
    text[BYTES - 1] = ']';
    trees = 0;
    cJSON_InitHooks(&hooks);
    CU_ASSERT_EQUAL(parse_bytes(&tree, text, BYTES, roomy, &err), MALFORMED);
    cJSON_InitHooks(NULL);
    CU_ASSERT_EQUAL(trees, 0);
    CU_ASSERT_STRING_EQUAL(err.text, "JSON: more than 100000 values at byte 199999");
    CU_ASSERT_EQUAL(parse_bytes(&tree, "[0,0]", 5, (json_limits){4, 3}, &err), OK);
    cJSON_Delete(tree);
    CU_ASSERT_EQUAL(parse_bytes(&tree, "[0,0,0]", 7, (json_limits){4, 3}, &err), MALFORMED);
    free(text);
}

static void unknown_keys(void)
{
    char  *text;
    size_t n;
    cJSON *tree;
    error err;
    FILE  *f = open_memstream(&text, &n);
    fputc('{', f);
    for (int i = 0; i < 90000; i++) fprintf(f, "\"key%d\":0,", i);
    fputc('"', f);
    for (int i = 0; i < 1 << 20; i++) fputc('k', f);
    fprintf(f, "\":0,\"used\":7}");
    fclose(f);
    int used = 0;
    CU_ASSERT_EQUAL_FATAL(parse_bytes(&tree, text, n, roomy, &err), OK);
    CU_ASSERT_EQUAL(json_int(&used, tree, "used", 0, 9, &err), OK);
    CU_ASSERT_EQUAL(used, 7);
    cJSON_Delete(tree);
    free(text);
}

static void keys_given_twice(void)
{
    cJSON *tree = accepted("{\"a\":1,\"b\":2,\"A\":3,\"a\":1,\"\\u0062\":null,\"c\":5}"), *v;
    error err;
    int i = -1;
    CU_ASSERT_EQUAL(json_member(&v, tree, "a", &err), MALFORMED);
    CU_ASSERT_PTR_NULL(v);
    CU_ASSERT_STRING_EQUAL(err.text, "\"a\" is given twice");
    CU_ASSERT_EQUAL(json_int(&i, tree, "b", 0, 9, &err), MALFORMED); /* null and escapes hide nothing */
    CU_ASSERT_EQUAL(i, -1);
    CU_ASSERT_EQUAL(json_member(&v, tree, "A", &err), OK); /* exactly that case */
    CU_ASSERT_EQUAL(v->valueint, 3);
    CU_ASSERT_EQUAL(json_member(&v, tree, "C", &err), OK);
    CU_ASSERT_PTR_NULL(v);
    cJSON_Delete(tree);
}

static void wrong_types(void)
{
    cJSON *tree = accepted(
        "{\"s\":\"x\",\"n\":1,\"h\":1.5,\"t\":true,\"f\":false,\"z\":null,\"a\":[],\"o\":{},\"big\":2147483648,"
        "\"e\":1e300,\"neg\":-5}");
    static const struct { const char *key, *type; } rows[] = {
        {"s", "string"}, {"n", "number"}, {"t", "boolean"}, {"f", "boolean"}, {"a", "array"}, {"o", "object"},
    };
    error err;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const char *text = "kept", *type = rows[k].type;
        bool flag = true;
        int number = 42;
        status b = json_bool(&flag, tree, rows[k].key, &err);
        CU_ASSERT_EQUAL(b == OK, !strcmp(type, "boolean"));
        if (b != OK) CU_ASSERT(b == BAD_INPUT && flag && strstr(err.text, type) && strstr(err.text, rows[k].key));
        status i = json_int(&number, tree, rows[k].key, 0, 9, &err);
        CU_ASSERT_EQUAL(i == OK, !strcmp(type, "number"));
        if (i != OK)
            CU_ASSERT(i == BAD_INPUT && number == 42 && strstr(err.text, type) && strstr(err.text, rows[k].key));
        status s = json_string(&text, tree, rows[k].key, &err);
        CU_ASSERT_EQUAL(s == OK, !strcmp(type, "string"));
        if (s != OK) CU_ASSERT(s == BAD_INPUT && !strcmp(text, "kept") && strstr(err.text, type));
    }
    int number = 42;
    const char *text = "kept";
    bool flag = true;
    CU_ASSERT_EQUAL(json_int(&number, tree, "h", 0, 9, &err), BAD_INPUT);
    CU_ASSERT_STRING_EQUAL(err.text, "\"h\" is 1.5, wanted an integer of 0 to 9");
    CU_ASSERT_EQUAL(json_int(&number, tree, "big", -2147483647 - 1, 2147483647, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(json_int(&number, tree, "e", 0, 9, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(json_int(&number, tree, "neg", 0, 9, &err), BAD_INPUT);
    CU_ASSERT_EQUAL(json_int(&number, tree, "z", 0, 9, &err), OK); /* null and absent leave the default */
    CU_ASSERT_EQUAL(json_int(&number, tree, "none", 0, 9, &err), OK);
    CU_ASSERT_EQUAL(json_string(&text, tree, "z", &err), OK);
    CU_ASSERT_EQUAL(json_bool(&flag, tree, "none", &err), OK);
    CU_ASSERT(number == 42 && flag && !strcmp(text, "kept"));
    CU_ASSERT_EQUAL(json_int(&number, tree, "neg", -5, -5, &err), OK);
    CU_ASSERT_EQUAL(number, -5);
    CU_ASSERT_EQUAL(json_bool(&flag, tree, "f", &err), OK);
    CU_ASSERT_FALSE(flag);
    CU_ASSERT_STRING_EQUAL(json_type_name(cJSON_GetObjectItem(tree, "z")), "null");
    cJSON_Delete(tree);
}

void json_suite(CU_pSuite s)
{
    CU_add_test(s, "J29 blank input and half literals are refused, scalars are documents", what_is_no_document);
    CU_add_test(s, "J30 a document cut at any byte is refused", cut_at_every_byte);
    CU_add_test(s, "J31 anything after the document is refused with its byte", trailing_data);
    CU_add_test(s, "J32 depth 100,000 is refused at the limit", deep_documents);
    CU_add_test(s, "J33 NaN, hex, comments, stray commas and odd numbers are refused", almost_json);
    CU_add_test(s, "J34 a wrong type is refused with key and type, null is absent", wrong_types);
    CU_add_test(s, "J35 a used key that occurs twice is refused", keys_given_twice);
    CU_add_test(s, "J36 90,000 unknown keys and one of 1 MiB hide no used one", unknown_keys);
    CU_add_test(s, "J37 a body of values beyond the limit allocates nothing", too_many_values);
    CU_add_test(s, "U43 bytes that are no UTF-8 are refused in each class", bytes_that_are_no_utf8);
    CU_add_test(s, "U44 lone surrogates are refused, pairs are one character", surrogates);
    CU_add_test(s, "U45 NUL, escaped or raw, is refused and never cuts a text", texts_that_would_be_cut_or_garbled);
}
