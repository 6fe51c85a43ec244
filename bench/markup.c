#include "markup.h"
#include <stdbool.h>

static void put(FILE *f, unsigned char c)
{
    switch (c) {
    case '&':
        fputs("&amp;", f);
        break;
    case '<':
        fputs("&lt;", f);
        break;
    case '>':
        fputs("&gt;", f);
        break;
    case '"':
        fputs("&quot;", f);
        break;
    case '\'':
        fputs("&#39;", f);
        break;
    default:
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f) fputs("\357\277\275", f);
        else fputc(c, f);
    }
}

static bool begins(char c) { return ((unsigned char)c & 0xc0) != 0x80; }

void markup_text(FILE *f, const char *text)
{
    for (; *text; text++) put(f, (unsigned char)*text);
}

void markup_short(FILE *f, const char *text, int n)
{
    int characters = 0;
    for (const char *p = text; *p; p++) characters += begins(*p);
    const bool cut = characters > n;
    for (int seen = 0; *text; text++) {
        seen += begins(*text);
        if (cut && seen == n) break;
        put(f, (unsigned char)*text);
    }
    if (cut) fputs("\342\200\246", f);
}
