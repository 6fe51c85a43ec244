/* out.h - a growing byte buffer, and the fast writers of JSON numbers and strings into it.
 *
 * Running out of memory is remembered, not reported at every call: look at `failed` once at the end.
 * Floats are the shortest decimal that reads back as the same float32 (never %g); a caller has refused NaN and Inf. */
#ifndef SERVER_OUT_H
#define SERVER_OUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct { char *p; size_t n, cap; bool failed; } out; /* {0} is empty; p is from malloc */

void out_free(out *o);
bool out_reserve(out *o, size_t more); /* room for `more` bytes; false when memory is short */
void out_bytes(out *o, const char *p, size_t n);
void out_text(out *o, const char *text);
void out_format(out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_json_string(out *o, const char *p, size_t n); /* quoted and escaped; p is UTF-8 */
void out_int(out *o, int64_t v);
void out_float(out *o, float v);
void out_floats(out *o, const float *v, int n);        /* [1.5,-0.25] */
void out_base64(out *o, const void *p, size_t n);      /* quoted */
#endif
