/* test_markup.c - what a file says stays text. */
#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>
#include "bench/markup.h"
#include "tests/support/tags.h"

/* n 0: the whole. */
static void written_is(const char *text, int n, const char *wanted)
{
    char *seen = NULL;
    size_t bytes;
    FILE *f = open_memstream(&seen, &bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    if (n) markup_short(f, text, n);
    else markup_text(f, text);
    fclose(f);
    CU_ASSERT_STRING_EQUAL(seen, wanted);
    free(seen);
}

static void no_text_becomes_markup(void)
{
    written_is("<script>alert(\"1\" & '2')</script>", 0,
               "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
    written_is("\" onload=\"x", 0, "&quot; onload=&quot;x");
    written_is("&lt;", 0, "&amp;lt;");
}

static void control_characters_are_replaced(void)
{
    written_is("a\001b\177c\033[0m", 0, "a\357\277\275b\357\277\275c\357\277\275[0m");
    written_is("a\n\tb", 0, "a\n\tb");
}

static void what_is_longer_ends_in_an_ellipsis(void)
{
    written_is("abcd", 4, "abcd");
    written_is("abcde", 4, "abc\342\200\246");
    written_is("\303\244\303\266\303\274\303\244\303\266", 4,
               "\303\244\303\266\303\274\342\200\246"); /* characters, not bytes */
    written_is("<<<<", 2, "&lt;\342\200\246");
}

/* Else a page that is broken would pass the other tests. */
static void the_reader_of_tags_finds_faults(void)
{
    static const char *const good[] = {"<p>a &amp; b</p>", "<svg a=\"1\" b-c=\"&lt;\"><g/></svg>",
                                       "<!DOCTYPE html>\n<html><style>a > b</style></html>"};
    static const char *const bad[] = {"<p>",      "</p>",         "<p></q>",        "<p>a > b</p>", "<p>a & b</p>",
                                      "<p a=1/>", "<p a=\"<\"/>", "<p a=\"&x;\"/>", "a\001",        "<p><q></p></q>"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) CU_ASSERT_PTR_NULL(tags_fault(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!tags_fault(bad[i])) CU_FAIL(bad[i]);
}

void markup_suite(CU_pSuite s)
{
    CU_add_test(s, "no text becomes markup", no_text_becomes_markup);
    CU_add_test(s, "control characters are replaced", control_characters_are_replaced);
    CU_add_test(s, "what is longer ends in an ellipsis", what_is_longer_ends_in_an_ellipsis);
    CU_add_test(s, "the reader of tags finds faults", the_reader_of_tags_finds_faults);
}
