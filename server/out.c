/* out.c - floats by Raffaello Giulietti's Schubfach: of all decimals that read back as the same float32, one of the
 * fewest digits, and of those the nearest.  Three multiplications by a 64-bit power of ten replace big integers. */
#include "out.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256, FLOAT_MAX_BYTES = 16 /* -1.17549435e-38 takes 15 */, INT_MAX_BYTES = 20 };

static const uint64_t powers[] = {
#include "out_powers.inc"
};
static const char digit_pairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

void out_free(out *o)
{
    free(o->p);
    *o = (out){0};
}

bool out_reserve(out *o, size_t more)
{
    if (o->failed) return false;
    if (o->cap - o->n >= more) return true;
    size_t cap = o->cap > FIRST_CAP ? o->cap : FIRST_CAP;
    while (cap - o->n < more && cap <= SIZE_MAX / 2) cap *= 2;
    char *p = cap - o->n >= more ? realloc(o->p, cap) : NULL;
    if (!p) {
        o->failed = true;
        return false;
    }
    o->p = p;
    o->cap = cap;
    return true;
}

void out_bytes(out *o, const char *p, size_t n)
{
    if (n == 0 || !out_reserve(o, n)) return;
    memcpy(o->p + o->n, p, n);
    o->n += n;
}

void out_text(out *o, const char *text) { out_bytes(o, text, strlen(text)); }

void out_format(out *o, const char *fmt, ...)
{
    va_list args;
    if (!out_reserve(o, 1)) return;
    va_start(args, fmt);
    int n = vsnprintf(o->p + o->n, o->cap - o->n, fmt, args);
    va_end(args);
    if (n < 0 || !out_reserve(o, (size_t)n + 1)) {
        o->failed = true;
        return;
    }
    va_start(args, fmt);
    vsnprintf(o->p + o->n, o->cap - o->n, fmt, args);
    va_end(args);
    o->n += (size_t)n;
}

static void append_escape(out *o, unsigned char ch)
{
    static const char named[][3] = {['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
                                    ['"'] = "\\\"", ['\\'] = "\\\\"};
    if (named[ch][0]) out_bytes(o, named[ch], 2);
    else out_format(o, "\\u%04x", ch);
}

void out_json_string(out *o, const char *p, size_t n)
{
    size_t start = 0;
    if (!out_reserve(o, n + 2)) return;
    out_bytes(o, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char ch = (unsigned char)p[i];
        if (ch >= 0x20 && ch != '"' && ch != '\\') continue;
        out_bytes(o, p + start, i - start);
        append_escape(o, ch);
        start = i + 1;
    }
    out_bytes(o, p + start, n - start);
    out_bytes(o, "\"", 1);
}

/* The n last digits of v, at p. */
static void put_digits(char *p, uint64_t v, int n)
{
    for (; n >= 2; n -= 2, v /= 100) memcpy(p + n - 2, digit_pairs + v % 100 * 2, 2);
    if (n) p[0] = (char)('0' + v % 10);
}

static int count_digits(uint64_t v)
{
    int n = 1;
    for (uint64_t limit = 10; v >= limit; limit *= 10) {
        n++;
        if (n == 20) break; /* 10^20 has no place in 64 bits */
    }
    return n;
}

void out_int(out *o, int64_t v)
{
    if (!out_reserve(o, INT_MAX_BYTES)) return;
    uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    int n = count_digits(magnitude);
    if (v < 0) o->p[o->n++] = '-';
    put_digits(o->p + o->n, magnitude, n);
    o->n += (size_t)n;
}

typedef struct { uint32_t digits; int exponent; } decimal; /* digits * 10^exponent */

/* floor(log2(10^e)); exact for |e| < 1,000. */
static int floor_log2_pow10(int e) { return (e * 1741647) >> 19; }

/* The product's leading bits; the last one is set when anything below was: enough to compare and to round by. */
static uint32_t round_to_odd(uint64_t power, uint32_t v)
{
    unsigned __int128 product = (unsigned __int128)power * v;
    return (uint32_t)(product >> 64) | ((uint32_t)(product >> 32) > 1);
}

/* fraction: the 23 bits; biased: the exponent as stored.  v = c * 2^q lies amid the interval that reads back as v;
 * scaled by 4 its ends are whole too.  k is the largest power with room for a decimal in that interval. */
static decimal shortest(uint32_t fraction, int biased)
{
    uint32_t c = biased ? fraction | 1u << 23 : fraction;
    int q = (biased ? biased : 1) - 150;
    if (q <= 0 && q > -24 && (c & ((1u << -q) - 1)) == 0) return (decimal){c >> -q, 0}; /* a whole number */

    bool even = (c & 1) == 0;                       /* an end of the interval reads back only as an even float */
    bool narrow_below = fraction == 0 && biased > 1; /* a power of two: the next float below is half as far */
    int k = (q * 1262611 - (narrow_below ? 524031 : 0)) >> 22; /* floor(log10(2^q)), or of 3/4 * 2^q */
    int shift = q + floor_log2_pow10(-k) + 1;
    uint64_t power = powers[-k + 31];
    uint32_t low = round_to_odd(power, (4 * c - 2 + narrow_below) << shift) + !even;
    uint32_t middle = round_to_odd(power, 4 * c << shift);
    uint32_t high = round_to_odd(power, (4 * c + 2) << shift) - !even;
    uint32_t s = middle / 4;
    if (s >= 10) { /* one digit fewer, when one such decimal lies inside */
        uint32_t tens = s / 10;
        bool below = low <= 40 * tens, above = 40 * tens + 40 <= high;
        if (below != above) return (decimal){tens + above, k + 1};
    }
    bool below = low <= 4 * s, above = 4 * s + 4 <= high;
    if (below != above) return (decimal){s + above, k};
    uint32_t half = 4 * s + 2;
    return (decimal){s + (middle > half || (middle == half && (s & 1))), k};
}

static char *put_zeros(char *p, int n)
{
    memset(p, '0', (size_t)n);
    return p + n;
}

/* Plain from 0.0001 to 999999999, else d.ddde-x. */
static char *put_decimal(char *p, decimal d)
{
    while (d.digits % 10 == 0) d.digits /= 10, d.exponent++;
    int n = count_digits(d.digits), point = n + d.exponent; /* digits before the point */
    if (point > -4 && point <= 0) {
        *p++ = '0';
        *p++ = '.';
        p = put_zeros(p, -point);
        put_digits(p, d.digits, n);
        return p + n;
    }
    if (point > 0 && point <= 9) {
        put_digits(p, d.digits, n);
        if (point >= n) return put_zeros(p + n, point - n);
        memmove(p + point + 1, p + point, (size_t)(n - point));
        p[point] = '.';
        return p + n + 1;
    }
    int power = point - 1, digits = power <= -10 || power >= 10 ? 2 : 1;
    put_digits(p + (n > 1), d.digits, n);
    if (n > 1) {
        p[0] = p[1];
        p[1] = '.';
        p++;
    }
    p += n;
    *p++ = 'e';
    if (power < 0) *p++ = '-';
    put_digits(p, (uint64_t)(power < 0 ? -power : power), digits);
    return p + digits;
}

/* p has room for FLOAT_MAX_BYTES; the end is returned. */
static char *put_float(char *p, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (bits >> 31) *p++ = '-';
    bits &= 0x7fffffff;
    if (bits) return put_decimal(p, shortest(bits & 0x7fffff, (int)(bits >> 23)));
    *p++ = '0';
    return p;
}

void out_float(out *o, float v)
{
    if (!out_reserve(o, FLOAT_MAX_BYTES)) return;
    o->n = (size_t)(put_float(o->p + o->n, v) - o->p);
}

void out_floats(out *o, const float *v, int n)
{
    if (!out_reserve(o, (size_t)n * (FLOAT_MAX_BYTES + 1) + 2)) return;
    char *p = o->p + o->n;
    *p++ = '[';
    for (int i = 0; i < n; i++) {
        if (i) *p++ = ',';
        p = put_float(p, v[i]);
    }
    *p++ = ']';
    o->n = (size_t)(p - o->p);
}

void out_base64(out *o, const void *data, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = data;
    if (!out_reserve(o, (n + 2) / 3 * 4 + 2)) return;
    char *p = o->p + o->n;
    *p++ = '"';
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)from[i] << 16;
        if (left > 1) v |= (uint32_t)from[i + 1] << 8;
        if (left > 2) v |= from[i + 2];
        *p++ = letters[v >> 18];
        *p++ = letters[v >> 12 & 63];
        *p++ = left > 1 ? letters[v >> 6 & 63] : '=';
        *p++ = left > 2 ? letters[v & 63] : '=';
    }
    *p++ = '"';
    o->n = (size_t)(p - o->p);
}
