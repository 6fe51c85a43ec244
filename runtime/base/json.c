/* json.c - RFC 8259 checked in one pass over the bytes, then cJSON builds the tree.
 *
 * The check is iterative: one bit a level says object or array, so hostile depth costs neither stack nor heap.
 * It stops at the first byte that is wrong and at the first value too many, before cJSON has allocated anything.
 * Where cJSON is narrower than the RFC (numbers above 63 bytes, depth above 1,000) the check refuses too: after it,
 * cJSON can fail for want of memory only. */
#include "json.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "utf8.h"

enum { NUMBER_MAX = 63 /* cJSON copies a number into 64 bytes and takes the rest for garbage */ };

typedef struct {
    const unsigned char *start, *p, *end;
    int depth, depth_max;
    int values, values_max;
    unsigned char is_object[CJSON_NESTING_LIMIT / 8 + 1]; /* one bit a level */
    error *err;
} scan;

static size_t at(const scan *s) { return (size_t)(s->p - s->start); }

static status refuse(scan *s, const char *what) { return fail(s->err, MALFORMED, "JSON: %s at byte %zu", what, at(s)); }

static status refuse_here(scan *s, const char *wanted)
{
    if (s->p == s->end) return fail(s->err, MALFORMED, "JSON: ends at byte %zu, wanted %s", at(s), wanted);
    const char *form =
        *s->p > 0x20 && *s->p < 0x7f ? "JSON: '%c' at byte %zu, wanted %s" : "JSON: 0x%02x at byte %zu, wanted %s";
    return fail(s->err, MALFORMED, form, *s->p, at(s), wanted);
}

static void skip_blanks(scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) s->p++;
}

/* The four digits of \uXXXX at p; -1 when they are none. */
static int hex4(const unsigned char *p, const unsigned char *end)
{
    int v = 0;
    if (end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int c = p[i], lower = c | 0x20, digit;
        if (c >= '0' && c <= '9') digit = c - '0';
        else if (lower >= 'a' && lower <= 'f') digit = lower - 'a' + 10;
        else return -1;
        v = v * 16 + digit;
    }
    return v;
}

static status check_escape(scan *s)
{
    if (s->end - s->p < 2) return refuse(s, "ends within an escape");
    if (s->p[1] != 'u') {
        if (!s->p[1] || !strchr("\"\\/bfnrt", s->p[1])) return refuse(s, "unknown escape");
        s->p += 2;
        return OK;
    }
    int unit = hex4(s->p + 2, s->end);
    if (unit < 0) return refuse(s, "\\u without four hexadecimal digits");
    if (unit == 0) return refuse(s, "escaped NUL");
    if (unit >= 0xdc00 && unit <= 0xdfff) return refuse(s, "lone low surrogate");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        int low = s->end - s->p >= 12 && s->p[6] == '\\' && s->p[7] == 'u' ? hex4(s->p + 8, s->end) : -1;
        if (low < 0xdc00 || low > 0xdfff) return refuse(s, "lone high surrogate");
        s->p += 6;
    }
    s->p += 6;
    return OK;
}

static status check_string(scan *s)
{
    for (s->p++;;) {
        while (s->p < s->end && *s->p >= 0x20 && *s->p < 0x80 && *s->p != '"' && *s->p != '\\') s->p++;
        if (s->p == s->end) return refuse(s, "ends within a string");
        if (*s->p == '"') break;
        if (*s->p == '\\') {
            status rc = check_escape(s);
            if (rc != OK) return rc;
        } else if (*s->p < 0x20) {
            return refuse(s, "raw control character in a string");
        } else {
            size_t n = utf8_step(s->p, (size_t)(s->end - s->p));
            if (!n) return refuse(s, "invalid UTF-8");
            s->p += n;
        }
    }
    s->p++;
    return OK;
}

static const unsigned char *skip_digits(const unsigned char *p, const unsigned char *end)
{
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p;
}

static status check_number(scan *s)
{
    const unsigned char *p = s->p + (*s->p == '-'), *digits = p;
    bool exponent = false;
    p = skip_digits(p, s->end);
    if (p == digits) return refuse(s, "'-' without a digit");
    if (*digits == '0' && p > digits + 1) return refuse(s, "number with a leading zero");
    if (p < s->end && *p == '.') {
        const unsigned char *fraction = ++p;
        p = skip_digits(p, s->end);
        if (p == fraction) return refuse(s, "number without a digit after '.'");
    }
    if (p < s->end && (*p == 'e' || *p == 'E')) {
        exponent = true;
        p++;
        if (p < s->end && (*p == '+' || *p == '-')) p++;
        const unsigned char *power = p;
        p = skip_digits(p, s->end);
        if (p == power) return refuse(s, "number without a digit after 'e'");
    }
    size_t n = (size_t)(p - s->p);
    if (n > NUMBER_MAX) return refuse(s, "number of more than 63 characters");
    if (exponent) { /* without one, 63 digits cannot leave the range */
        char copy[NUMBER_MAX + 1];
        memcpy(copy, s->p, n);
        copy[n] = 0;
        if (!isfinite(strtod(copy, NULL))) return refuse(s, "number too large");
    }
    s->p = p;
    return OK;
}

static status check_literal(scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->p) >= n && !memcmp(s->p, words[i], n)) {
            s->p += n;
            return OK;
        }
    }
    return refuse_here(s, "a value");
}

static status open_container(scan *s)
{
    unsigned char bit = (unsigned char)(1u << (s->depth & 7)), *byte = &s->is_object[s->depth >> 3];
    if (s->depth == s->depth_max)
        return fail(s->err, MALFORMED, "JSON: deeper than %d levels at byte %zu", s->depth_max, at(s));
    *byte = (unsigned char)(*s->p == '{' ? *byte | bit : *byte & ~bit);
    s->depth++;
    s->p++;
    return OK;
}

static bool inside_object(const scan *s) { return s->is_object[(s->depth - 1) >> 3] >> ((s->depth - 1) & 7) & 1; }

static bool at_closing(scan *s)
{
    skip_blanks(s);
    if (s->p == s->end || *s->p != (inside_object(s) ? '}' : ']')) return false;
    s->p++;
    s->depth--;
    return true;
}

static status check_key(scan *s)
{
    skip_blanks(s);
    if (s->p == s->end || *s->p != '"') return refuse_here(s, "a name in double quotes");
    status rc = check_string(s);
    if (rc != OK) return rc;
    skip_blanks(s);
    if (s->p == s->end || *s->p != ':') return refuse_here(s, "':'");
    s->p++;
    return OK;
}

/* One value up to its end, or the opening of a container.  *done: nothing more belongs to it. */
static status check_value(scan *s, bool *done)
{
    *done = true;
    skip_blanks(s);
    if (s->values++ == s->values_max)
        return fail(s->err, MALFORMED, "JSON: more than %d values at byte %zu", s->values_max, at(s));
    if (s->p == s->end) return refuse_here(s, "a value");
    if (*s->p == '"') return check_string(s);
    if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9')) return check_number(s);
    if (*s->p != '{' && *s->p != '[') return check_literal(s);
    status rc = open_container(s);
    if (rc == OK) *done = at_closing(s);
    return rc;
}

static status check_document(scan *s)
{
    for (bool fresh = true;;) { /* fresh: a container has just been opened, so no comma */
        bool done;
        status rc = OK;
        if (s->depth && !fresh) {
            if (at_closing(s)) {
                if (!s->depth) break;
                continue;
            }
            if (s->p == s->end || *s->p != ',') return refuse_here(s, inside_object(s) ? "',' or '}'" : "',' or ']'");
            s->p++;
        }
        if (s->depth && inside_object(s)) rc = check_key(s);
        if (rc == OK) rc = check_value(s, &done);
        if (rc != OK) return rc;
        fresh = !done;
        if (!s->depth) break;
    }
    skip_blanks(s);
    return s->p == s->end ? OK : refuse_here(s, "the end");
}

status json_parse(cJSON **out, const char *text, size_t bytes, json_limits limits, error *err)
{
    const unsigned char *start = (const unsigned char *)text;
    scan s = {.start = start, .p = start, .end = start + bytes, .values_max = limits.values, .err = err};
    s.depth_max = limits.depth < CJSON_NESTING_LIMIT ? limits.depth : CJSON_NESTING_LIMIT;
    *out = NULL;
    status rc = check_document(&s);
    if (rc != OK) return rc;
    *out = cJSON_ParseWithLengthOpts(text, bytes, NULL, 0);
    return *out ? OK : fail(err, NO_MEMORY, "JSON: no memory for %d values", s.values);
}

status json_member(cJSON **out, const cJSON *object, const char *name, error *err)
{
    *out = NULL;
    for (cJSON *v = object->child; v; v = v->next) {
        if (!v->string || strcmp(v->string, name)) continue;
        if (*out) {
            *out = NULL;
            return fail(err, MALFORMED, "\"%s\" is given twice", name);
        }
        *out = v;
    }
    return OK;
}

/* The member, or NULL where it is absent or null. */
static status given(cJSON **out, const cJSON *object, const char *name, error *err)
{
    status rc = json_member(out, object, name, err);
    if (rc == OK && cJSON_IsNull(*out)) *out = NULL;
    return rc;
}

static status wrong_type(const cJSON *v, const char *name, const char *wanted, error *err)
{
    return fail(err, BAD_INPUT, "\"%s\" is of type %s, wanted %s", name, json_type_name(v), wanted);
}

status json_bool(bool *out, const cJSON *object, const char *name, error *err)
{
    cJSON *v;
    status rc = given(&v, object, name, err);
    if (rc != OK || !v) return rc;
    if (!cJSON_IsBool(v)) return wrong_type(v, name, "true or false", err);
    *out = cJSON_IsTrue(v);
    return OK;
}

status json_int(int *out, const cJSON *object, const char *name, int low, int high, error *err)
{
    cJSON *v;
    status rc = given(&v, object, name, err);
    if (rc != OK || !v) return rc;
    if (!cJSON_IsNumber(v)) return wrong_type(v, name, "an integer", err);
    double d = v->valuedouble;
    if (d < low || d > high || d != floor(d))
        return fail(err, BAD_INPUT, "\"%s\" is %.17g, wanted an integer of %d to %d", name, d, low, high);
    *out = (int)d;
    return OK;
}

status json_string(const char **out, const cJSON *object, const char *name, error *err)
{
    cJSON *v;
    status rc = given(&v, object, name, err);
    if (rc != OK || !v) return rc;
    if (!cJSON_IsString(v)) return wrong_type(v, name, "a string", err);
    *out = v->valuestring;
    return OK;
}

status json_exactly(const cJSON *object, const char *const *names, int n, error *err)
{
    if (!cJSON_IsObject(object))
        return fail(err, BAD_INPUT, "is of type %s, wanted an object", json_type_name(object));
    for (int i = 0; i < n; i++) {
        cJSON *v;
        status rc = given(&v, object, names[i], err);
        if (rc != OK) return rc;
        if (!v) return fail(err, BAD_INPUT, "\"%s\" is missing", names[i]);
    }
    for (const cJSON *v = object->child; v; v = v->next) {
        int i = 0;
        while (i < n && strcmp(names[i], v->string)) i++;
        if (i == n) return fail(err, BAD_INPUT, "\"%.60s\" is unknown", v->string);
    }
    return OK;
}

const char *json_type_name(const cJSON *v)
{
    if (cJSON_IsObject(v)) return "object";
    if (cJSON_IsArray(v)) return "array";
    if (cJSON_IsString(v)) return "string";
    if (cJSON_IsNumber(v)) return "number";
    if (cJSON_IsBool(v)) return "boolean";
    return "null";
}
