#include "unicode.h"
#include "unicode_tables.inc"

#define COUNT(a) ((int)(sizeof(a) / sizeof *(a)))
enum {
    HANGUL_FIRST = 0xac00,
    HANGUL_LAST = 0xd7a3,
    L_FIRST = 0x1100,
    V_FIRST = 0x1161,
    T_BEFORE = 0x11a7,
    V_COUNT = 21,
    T_COUNT = 28
};

static int find(const uint32_t *key, int n, uint32_t c)
{
    int low = 0, high = n - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (key[middle] < c) low = middle + 1;
        else high = middle;
    }
    return low;
}

int unicode_decompose(uint32_t c, uint32_t out[UNICODE_NFD_MAX])
{
    int n = 0;
    if (c >= HANGUL_FIRST && c <= HANGUL_LAST) { /* by arithmetic: Unicode, section 3.12 */
        uint32_t k = c - HANGUL_FIRST;
        out[n++] = L_FIRST + k / (V_COUNT * T_COUNT);
        out[n++] = V_FIRST + k % (V_COUNT * T_COUNT) / T_COUNT;
        if (k % T_COUNT) out[n++] = T_BEFORE + k % T_COUNT;
        return n;
    }
    int i = find(unicode_nfd_key, COUNT(unicode_nfd_key), c);
    for (int j = unicode_nfd_first[i]; j < unicode_nfd_first[i + 1]; j++) out[n++] = unicode_nfd_pool[j];
    return n;
}

uint8_t unicode_combining_class(uint32_t c)
{
    return unicode_ccc_value[find(unicode_ccc_key, COUNT(unicode_ccc_key), c)];
}

uint32_t unicode_lower(uint32_t c)
{
    return unicode_lower_value[find(unicode_lower_key, COUNT(unicode_lower_key), c)];
}

bool unicode_is_word(uint32_t c)
{
    int low = 0, high = COUNT(unicode_word_range) / 2 - 1; /* pairs of first, last */
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (unicode_word_range[2 * middle] > c) high = middle - 1;
        else low = middle;
    }
    return c >= unicode_word_range[2 * low] && c <= unicode_word_range[2 * low + 1];
}
