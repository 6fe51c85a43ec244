#include <CUnit/CUnit.h>
#include <string.h>
#include "server/routes.h"

static const route table[] = {
    {.method = "GET", .path = "/a"}, {.method = "POST", .path = "/a"}, {.method = "POST", .path = "/b"},
    {.method = "GET", .path = "/"},
};
static int  code;
static char allow[64];

static const route *find(const char *method, const char *path)
{
    code = -1;
    return route_find(table, 4, (http_slice){method, strlen(method)}, (http_slice){path, strlen(path)}, &code, allow);
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
    CU_ASSERT_PTR_NULL(route_find(table, 4, (http_slice){"GET", 3}, (http_slice){"/a\0x", 4}, &code, allow));
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

void route_find_suite(CU_pSuite s)
{
    CU_add_test(s, "a route is its method and its exact path", a_route_is_its_method_and_exact_path);
    CU_add_test(s, "HEAD finds GET", head_finds_get);
    CU_add_test(s, "a wrong method is 405 and told the right ones", a_wrong_method_is_told_the_right_ones);
    CU_add_test(s, "paths are compared raw: nothing is decoded, resolved or folded", paths_are_compared_raw);
    CU_add_test(s, "a method that nobody defined is 501", an_unknown_method_is_501_everywhere);
}
