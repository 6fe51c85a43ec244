#include <CUnit/CUnit.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "server/out.h"

static float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint32_t bits_of(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static const char *written(float v)
{
    static char text[64];
    out o = {0};
    out_float(&o, v);
    out_bytes(&o, "", 1);
    CU_ASSERT(!o.failed && o.n < sizeof text);
    memcpy(text, o.p, o.n);
    out_free(&o);
    return text;
}

static int digits_of(const char *text)
{
    char digits[64];
    int n = 0, start = 0;
    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9') digits[n++] = *text;
    while (start < n - 1 && digits[start] == '0') start++;
    while (n > start + 1 && digits[n - 1] == '0') n--;
    return n - start;
}

/* A JSON number, which reads back as v, with no more digits than the least %g that does. */
static void check_float(float v)
{
    const char *text = written(v);
    char shorter[320];
    size_t n = strlen(text);
    CU_ASSERT(n <= 15 && strspn(text, "0123456789.e-") == n);
    CU_ASSERT(!(text[0] == '0' && text[1] >= '0' && text[1] <= '9') && text[0] != '.' && text[n - 1] != '.');
    CU_ASSERT_EQUAL(bits_of(strtof(text, NULL)), bits_of(v));
    for (int precision = digits_of(text) - 1; precision >= 1; precision--) {
        snprintf(shorter, sizeof shorter, "%.*g", precision, (double)v);
        CU_ASSERT(strtof(shorter, NULL) != v);
    }
}

static void floats_by_name(void)
{
    static const struct { float v; const char *text; } cases[] = {
        {0, "0"}, {-0.0f, "-0"}, {1, "1"}, {-1.5f, "-1.5"}, {0.1f, "0.1"}, {0.25f, "0.25"}, {100, "100"},
        {0.001f, "0.001"}, {1e-4f, "0.0001"}, {1.25e-5f, "1.25e-5"}, {16777216, "16777216"}, {123456.789f, "123456.79"},
        {1e9f, "1e9"}, {1e10f, "1e10"}, {FLT_MAX, "3.4028235e38"}, {FLT_MIN, "1.1754944e-38"}, {1e-45f, "1e-45"},
        {0.3f, "0.3"}, {1.0f / 3, "0.33333334"}, {-0.0625f, "-0.0625"}, {5e8f, "500000000"}, {2e-45f, "1e-45"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CU_ASSERT_STRING_EQUAL(written(cases[i].v), cases[i].text);
}

static void every_exponent_reads_back(void)
{
    for (uint32_t exponent = 0; exponent < 255; exponent++)
        for (uint32_t near = 0; near < 4; near++) {
            check_float(float_of(exponent << 23 | near));            /* powers of two and their neighbours above */
            check_float(float_of((exponent << 23 | 0x7fffff) - near)); /* and below */
        }
    for (int power = -45; power <= 38; power++) {
        char text[16];
        snprintf(text, sizeof text, "1e%d", power);
        uint32_t bits = bits_of(strtof(text, NULL));
        for (uint32_t near = 0; near < 5; near++) check_float(float_of(bits + near - (bits > 2 ? 2 : 0)));
    }
}

static void random_floats_are_shortest(void)
{
    uint64_t state = 42;
    for (int i = 0; i < 200000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint32_t bits = (uint32_t)(state >> 32);
        if ((bits >> 23 & 255) != 255) check_float(float_of(bits));
        check_float(((float)(bits >> 8) / (float)(1 << 24) - 0.5f) / 4); /* as embeddings are */
    }
}

static void rows_of_floats(void)
{
    out o = {0};
    float v[] = {1.5f, -0.25f, 0};
    out_floats(&o, v, 3);
    out_floats(&o, v, 0);
    CU_ASSERT(o.n == 15 && !memcmp(o.p, "[1.5,-0.25,0][]", 15));
    out_free(&o);
}

static void ints(void)
{
    static const int64_t cases[] = {0, 1, -1, 9, 10, 99, 100, 1000000007, INT64_MAX, INT64_MIN, -10,
                                    999999999999999999};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char wanted[32];
        out o = {0};
        out_int(&o, cases[i]);
        int n = snprintf(wanted, sizeof wanted, "%lld", (long long)cases[i]);
        CU_ASSERT(o.n == (size_t)n && !memcmp(o.p, wanted, o.n));
        out_free(&o);
    }
}

static bool writes_json(const char *p, size_t n, const char *wanted)
{
    out o = {0};
    out_json_string(&o, p, n);
    bool same = o.n == strlen(wanted) && !memcmp(o.p, wanted, o.n);
    out_free(&o);
    return same;
}

static void json_strings(void)
{
    CU_ASSERT(writes_json("", 0, "\"\""));
    CU_ASSERT(writes_json(NULL, 0, "\"\""));
    CU_ASSERT(writes_json("a\"b\\c/\n\t\r\b\f\x01\x1f\x7f", 14, "\"a\\\"b\\\\c/\\n\\t\\r\\b\\f\\u0001\\u001f\x7f\""));
    CU_ASSERT(writes_json("\0x", 2, "\"\\u0000x\""));
    CU_ASSERT(writes_json("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""));
}

static bool writes_base64(const char *p, size_t n, const char *wanted)
{
    out o = {0};
    out_base64(&o, p, n);
    bool same = o.n == strlen(wanted) && !memcmp(o.p, wanted, o.n);
    out_free(&o);
    return same;
}

static void base64(void) /* RFC 4648, 10 */
{
    static const char *const wanted[] = {"\"\"", "\"Zg==\"", "\"Zm8=\"", "\"Zm9v\"", "\"Zm9vYg==\"", "\"Zm9vYmE=\"",
                                         "\"Zm9vYmFy\""};
    for (size_t n = 0; n <= 6; n++) CU_ASSERT(writes_base64("foobar", n, wanted[n]));
    CU_ASSERT(writes_base64("\xff\xff\xff\xfb\xef\xbe", 6, "\"////++++\""));
}

static void a_buffer_grows_and_keeps_what_it_has(void)
{
    out o = {0};
    for (int i = 0; i < 1000; i++) out_format(&o, "%d,", i);
    out_text(&o, "end");
    CU_ASSERT(!o.failed && o.n == 10 * 2 + 90 * 3 + 900 * 4 + 3);
    CU_ASSERT(!memcmp(o.p, "0,1,2,", 6) && !memcmp(o.p + o.n - 7, "999,end", 7));
    char *long_text = calloc(1, 5000);
    memset(long_text, 'x', 4999);
    out_format(&o, "%s", long_text);
    CU_ASSERT(!o.failed && o.p[o.n - 1] == 'x');
    free(long_text);
    out_free(&o);
    CU_ASSERT(o.p == NULL && o.n == 0 && o.cap == 0);
}

static void a_failure_is_remembered(void)
{
    out o = {0};
    out_text(&o, "kept");
    CU_ASSERT_FALSE(out_reserve(&o, SIZE_MAX - 1000));
    CU_ASSERT(o.failed);
    out_text(&o, "not");
    out_float(&o, 1);
    out_json_string(&o, "x", 1);
    CU_ASSERT(o.n == 4 && !memcmp(o.p, "kept", 4));
    out_free(&o);
    CU_ASSERT_FALSE(o.failed);
}

void out_suite(CU_pSuite s)
{
    CU_add_test(s, "well-known floats have their well-known spelling", floats_by_name);
    CU_add_test(s, "floats around every power of two and of ten read back, shortest", every_exponent_reads_back);
    CU_add_test(s, "random floats read back, and no %g with fewer digits does", random_floats_are_shortest);
    CU_add_test(s, "a row of floats is a JSON array", rows_of_floats);
    CU_add_test(s, "integers of every size", ints);
    CU_add_test(s, "JSON strings are escaped where RFC 8259 says, and only there", json_strings);
    CU_add_test(s, "base64 by the examples of RFC 4648", base64);
    CU_add_test(s, "a buffer grows and keeps what it has", a_buffer_grows_and_keeps_what_it_has);
    CU_add_test(s, "running out of memory is remembered and writes nothing more", a_failure_is_remembered);
}
