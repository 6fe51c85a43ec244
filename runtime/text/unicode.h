/* unicode.h - what BERT's normalizer asks about a character: one flag byte, and the mappings behind the flags.
 *
 * Tables are generated (make_unicode_tables.py), in two stages of 128; no library has this mix of Unicode versions. */
#ifndef RUNTIME_TEXT_UNICODE_H
#define RUNTIME_TEXT_UNICODE_H
#include <stdbool.h>
#include <stdint.h>

enum {
    UNICODE_DROP = 1,   /* removed by clean_text */
    UNICODE_SPACE = 2,
    UNICODE_CJK = 4,    /* an ideograph that is a word of its own */
    UNICODE_NFD = 8,    /* has a canonical decomposition */
    UNICODE_MARK = 16,  /* Mn: dropped where accents are stripped */
    UNICODE_PUNCT = 32, /* a word of its own */
    UNICODE_LOWER = 64, /* has another lowercase form */
    UNICODE_CCC = 128,  /* a non-starter: combining class above 0 */
};
enum { UNICODE_NFD_MAX = 4 };

extern const uint8_t unicode_flag_index[], unicode_flag_block[];

static inline unsigned unicode_flags(uint32_t c) /* c <= 0x10FFFF */
{
    return unicode_flag_block[(unsigned)unicode_flag_index[c >> 7] * 128 + (c & 127)];
}

/* The next character of valid UTF-8; moves *p past it. */
static inline uint32_t unicode_next(const unsigned char **p)
{
    const unsigned char *q = *p;
    if (q[0] < 0x80) { *p += 1; return q[0]; }
    if (q[0] < 0xe0) { *p += 2; return (q[0] & 31u) << 6 | (q[1] & 63u); }
    if (q[0] < 0xf0) { *p += 3; return (q[0] & 15u) << 12 | (q[1] & 63u) << 6 | (q[2] & 63u); }
    *p += 4;
    return (q[0] & 7u) << 18 | (q[1] & 63u) << 12 | (q[2] & 63u) << 6 | (q[3] & 63u);
}

/* Full canonical decomposition of a character with UNICODE_NFD; returns how many. */
int      unicode_decompose(uint32_t c, uint32_t out[UNICODE_NFD_MAX]);
uint8_t  unicode_combining_class(uint32_t c); /* with UNICODE_CCC */
uint32_t unicode_lower(uint32_t c);           /* with UNICODE_LOWER; U+0130 gives its first, 'i' (U+0307 follows) */
bool     unicode_is_word(uint32_t c);         /* \w of a regular expression */
#endif
