/* tags.h - a strict reader of the pages that we write: tags in balance, attributes in quotes, no stray character. */
#ifndef TESTS_SUPPORT_TAGS_H
#define TESTS_SUPPORT_TAGS_H

/* NULL: well formed.  Else what is wrong first, until the next call. */
const char *tags_fault(const char *markup);
/* How often `part` stands in it. */
int tags_count(const char *markup, const char *part);
#endif
