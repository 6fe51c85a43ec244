/* markup.h - text within HTML and SVG: whatever a result's file says stays text. */
#ifndef BENCH_MARKUP_H
#define BENCH_MARKUP_H
#include <stdio.h>

/* Between tags and within quoted attributes alike.  What no document may hold (control characters) becomes U+FFFD. */
void markup_text(FILE *f, const char *text);
/* At most `n` characters of it, the last of them an ellipsis where there are more. */
void markup_short(FILE *f, const char *text, int n);
#endif
