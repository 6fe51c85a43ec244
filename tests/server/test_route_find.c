#include <CUnit/CUnit.h>
#include <string.h>
#include "server/routes.h"

static const route table[] = {
    {.method = "GET", .path = "/a"}, {.method = "POST", .path = "/a"}, {.method = "POST", .path = "/b"},
    {.method = "GET", .path = "/"}, {.method = "GET", .path = "/i/*"}, {.method = "GET", .path = "/i/all"},
    {.method = "POST", .path = "/i/*/end"}, {.method = "POST", .path = "/i/*"}, {.method = "GET", .path = "/v/*/of/*"},
};
enum { ROUTES = sizeof table / sizeof *table };
static int  code;
static char allow[64];

static const route *find(const char *method, const char *path)
{
    code = -1;
    return route_find(table, ROUTES, (http_slice){method, strlen(method)}, (http_slice){path, strlen(path)}, &code, allow);
}

static void a_route_is_its_method_and_exact_path(void)
{
    CU_ASSERT_PTR_EQUAL(find("GET", "/a"), &table[0]);
    CU_ASSERT_PTR_EQUAL(find("POST", "/a"), &table[1]);
    CU_ASSERT_PTR_EQUAL(find("POST", "/b"), &table[2]);
    CU_ASSERT_PTR_EQUAL(find("GET", "/"), &table[3]);
    CU_ASSERT_EQUAL(code, 0);
}

static void head_finds_get(void)
{
    CU_ASSERT_PTR_EQUAL(find("HEAD", "/a"), &table[0]);
    CU_ASSERT_PTR_NULL(find("HEAD", "/b"));
    CU_ASSERT_EQUAL(code, 405);
}

static void a_wrong_method_is_told_the_right_ones(void)
{
    CU_ASSERT_PTR_NULL(find("DELETE", "/a"));
    CU_ASSERT_EQUAL(code, 405);
    CU_ASSERT_STRING_EQUAL(allow, "GET, HEAD, POST");
    CU_ASSERT_PTR_NULL(find("GET", "/b"));
    CU_ASSERT_STRING_EQUAL(allow, "POST");
}

static void paths_are_compared_raw(void)
{
    static const char *const others[] = {"", "a", "/A", "/a/", "//a", "/%61", "/./a", "/b/../a", "*"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CU_ASSERT_PTR_NULL(find("GET", others[i]));
        CU_ASSERT_EQUAL(code, 404);
        CU_ASSERT_STRING_EQUAL(allow, "");
    }
    CU_ASSERT_PTR_NULL(route_find(table, ROUTES, (http_slice){"GET", 3}, (http_slice){"/a\0x", 4}, &code, allow));
    CU_ASSERT_EQUAL(code, 404);
}

static void an_unknown_method_is_501_everywhere(void)
{
    static const char *const methods[] = {"BREW", "get", "GETS", "GE", "PRI"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        CU_ASSERT_PTR_NULL(find(methods[i], i & 1 ? "/a" : "/none"));
        CU_ASSERT_EQUAL(code, 501);
    }
}

static bool stands_for(int row, const char *path, const char *first, const char *second)
{
    http_slice seen[2] = {{0}};
    return route_matches(&table[row], (http_slice){path, strlen(path)}, seen) && seen[0].n == strlen(first) &&
           !memcmp(seen[0].p, first, seen[0].n) && (!second || (seen[1].n == strlen(second) && !memcmp(seen[1].p, second, seen[1].n)));
}

static void a_star_stands_for_one_name(void)
{
    char longest[] = "/i/a123456789-123456789_123456789.123456789-123456789-123456789-123x";
    CU_ASSERT_PTR_EQUAL(find("GET", "/i/7"), &table[4]);
    CU_ASSERT_PTR_EQUAL(find("HEAD", "/i/Z.z_z-9"), &table[4]);
    CU_ASSERT_PTR_EQUAL(find("POST", "/i/7"), &table[7]);
    CU_ASSERT_PTR_EQUAL(find("POST", "/i/7/end"), &table[6]);
    CU_ASSERT_PTR_EQUAL(find("GET", "/v/a/of/b.c"), &table[8]);
    CU_ASSERT(stands_for(4, "/i/7", "7", NULL));
    CU_ASSERT(stands_for(6, "/i/20261125-1/end", "20261125-1", NULL));
    CU_ASSERT(stands_for(8, "/v/a/of/b.c", "a", "b.c"));
    CU_ASSERT_PTR_NULL(find("GET", longest)); /* 65 */
    CU_ASSERT_EQUAL(code, 404);
    longest[strlen(longest) - 1] = 0;
    CU_ASSERT_PTR_EQUAL(find("GET", longest), &table[4]);
    CU_ASSERT(stands_for(4, longest, longest + 3, NULL));
}

static void a_star_stands_for_nothing_else(void)
{
    static const char *const others[] = {"/i", "/i/", "/i/*", "/i/.", "/i/..", "/i/.a", "/i/-a", "/i/_a", "/i/a b", "/i/a/", "/i//",
                                         "/i/a%41", "/i/a\xc3\xa9", "/i/a~", "/i/a/b", "/i//end", "/i/../end", "/i/a/endx", "/i/a/en",
                                         "/v/a/of/", "/v//of/b", "/v/a/b", "/v/a/of/b/", "/v/a/of/b/c"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        CU_ASSERT_PTR_NULL(find("GET", others[i]));
        CU_ASSERT_EQUAL(code, 404);
    }
    CU_ASSERT_PTR_NULL(route_find(table, ROUTES, (http_slice){"GET", 3}, (http_slice){"/i/a\0b", 6}, &code, allow));
    CU_ASSERT_EQUAL(code, 404);
}

static void a_path_spelled_out_wins(void)
{
    CU_ASSERT_PTR_EQUAL(find("GET", "/i/all"), &table[5]);
    CU_ASSERT_PTR_EQUAL(find("GET", "/i/al"), &table[4]);
    CU_ASSERT_PTR_NULL(find("POST", "/i/all"));
    CU_ASSERT_EQUAL(code, 405);
    CU_ASSERT_STRING_EQUAL(allow, "GET, HEAD");
    CU_ASSERT_PTR_NULL(find("PUT", "/i/7"));
    CU_ASSERT_EQUAL(code, 405);
    CU_ASSERT_STRING_EQUAL(allow, "GET, HEAD, POST");
}

void route_find_suite(CU_pSuite s)
{
    CU_add_test(s, "a route is its method and its exact path", a_route_is_its_method_and_exact_path);
    CU_add_test(s, "HEAD finds GET", head_finds_get);
    CU_add_test(s, "a wrong method is 405 and told the right ones", a_wrong_method_is_told_the_right_ones);
    CU_add_test(s, "paths are compared raw: nothing is decoded, resolved or folded", paths_are_compared_raw);
    CU_add_test(s, "a method that nobody defined is 501", an_unknown_method_is_501_everywhere);
    CU_add_test(s, "a star stands for one name of 1 to 64 characters", a_star_stands_for_one_name);
    CU_add_test(s, "a star stands for nothing else", a_star_stands_for_nothing_else);
    CU_add_test(s, "a path that is spelled out wins over one with a star", a_path_spelled_out_wins);
}
