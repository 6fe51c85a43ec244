/* error_body.c - how every failure looks: one JSON object in the shape of the route's family. */
#include "http.h"
#include <string.h>
#include "runtime/base/utf8.h"

static const char *type_of(int code)
{
    switch (code) {
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "NotFound";
    case 405: return "MethodNotAllowed";
    case 409: return "Conflict";
    case 421: return "Misdirected";
    case 408:
    case 504: return "Deadline";
    case 429: return "Overloaded";
    case 424:
    case 500: return "Backend";
    case 503: return "Unhealthy";
    default: return "Validation";
    }
}

/* A message may quote a client's bytes, or be cut inside a character: what is no UTF-8 must not reach the reply. */
static void append_message(out *o, const char *message)
{
    out clean = {0};
    for (size_t left = strlen(message); left;) {
        size_t step = utf8_step((const unsigned char *)message, left);
        if (step) out_bytes(&clean, message, step);
        else out_text(&clean, "\xef\xbf\xbd");
        message += step + (step == 0);
        left -= step + (step == 0);
    }
    out_json_string(o, clean.p, clean.n);
    if (clean.failed) o->failed = true;
    out_free(&clean);
}

void error_body(out *o, error_shape shape, int code, const char *error_type, const char *message)
{
    const char *type = error_type ? error_type : type_of(code);
    bool openai = shape == SHAPE_OPENAI;
    out_text(o, openai ? "{\"error\":{\"message\":" : "{\"error\":");
    append_message(o, message);
    out_text(o, openai ? ",\"type\":" : ",\"error_type\":");
    out_json_string(o, type, strlen(type));
    if (openai) out_format(o, ",\"param\":null,\"code\":%d}}", code);
    else out_text(o, "}");
}
