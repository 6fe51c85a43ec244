#include "status.h"
#include <stdarg.h>
#include <stdio.h>

status fail(error *err, status why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return why;
}
