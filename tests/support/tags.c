#include "tags.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH = 64, NAME = 32 };
static char fault[160];

static const char *say(const char *what, const char *at)
{
    snprintf(fault, sizeof fault, "%s: %.60s", what, at);
    return fault;
}

/* Past one of the references that a page may hold; NULL: none. */
static const char *reference(const char *p)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strncmp(p, known[i], strlen(known[i]))) return p + strlen(known[i]);
    return NULL;
}

/* Past the '>' of the tag at p, or NULL; *closed: it ends itself. */
static const char *attributes(const char *p, bool *closed)
{
    for (;;) {
        while (isspace((unsigned char)*p)) p++;
        *closed = !strncmp(p, "/>", 2);
        if (*closed) return p + 2;
        if (*p == '>') return p + 1;
        const char *name = p;
        while (isalnum((unsigned char)*p) || *p == '-') p++;
        if (p == name || p[0] != '=' || p[1] != '"') return NULL;
        for (p += 2; *p != '"';) {
            const char *next = *p == '&' ? reference(p) : p + 1;
            if (!*p || *p == '<' || !next) return NULL;
            p = next;
        }
        p++;
    }
}

const char *tags_fault(const char *markup)
{
    char stack[DEPTH][NAME];
    int depth = 0;
    const char *p = markup;
    if (!strncmp(p, "<!DOCTYPE html>", 15)) p += 15;
    while (*p) {
        const char *from = p;
        if (*p == '&') {
            if (!(p = reference(p))) return say("an unknown reference", from);
        } else if (*p == '>' || ((unsigned char)*p < ' ' && *p != '\n' && *p != '\t')) {
            if (!depth || strcmp(stack[depth - 1], "style")) return say("a stray character", from);
            p++;
        } else if (*p != '<') {
            p++;
        } else {
            char name[NAME];
            int n = 0;
            const bool ends = p[1] == '/';
            for (p += ends ? 2 : 1; isalnum((unsigned char)*p) && n < NAME - 1;) name[n++] = *p++;
            name[n] = 0;
            if (ends) {
                if (*p++ != '>' || !depth || strcmp(stack[--depth], name)) return say("ends what is not open", from);
                continue;
            }
            bool closed;
            if (!n || !(p = attributes(p, &closed))) return say("no tag", from);
            if (closed) continue;
            if (depth == DEPTH) return say("too deep", from);
            memcpy(stack[depth++], name, sizeof name);
        }
    }
    return depth ? say("is not ended", stack[depth - 1]) : NULL;
}

int tags_count(const char *markup, const char *part)
{
    int n = 0;
    for (const char *p = markup; (p = strstr(p, part)); p += strlen(part)) n++;
    return n;
}
