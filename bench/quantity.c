#include "quantity.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const quantity_unit quantity_rates[] = {{"", 1},     {"/s", 1},  {"k", 1e3}, {"k/s", 1e3},
                                        {"M", 1e6}, {"M/s", 1e6}, {0}};
const quantity_unit quantity_times[] = {{"us", 1e3}, {"ms", 1e6},    {"s", 1e9},      {"m", 60e9},
                                        {"h", 3600e9}, {"d", 86400e9}, {0}};
const quantity_unit quantity_spans[] = {{"", 1e9},   {"us", 1e3},    {"ms", 1e6},     {"s", 1e9},
                                        {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}, {0}};
const quantity_unit quantity_shares[] = {{"", 1}, {"%", 0.01}, {0}};
const quantity_unit quantity_counts[] = {{"", 1}, {0}};

double quantity_at(const char *text, const quantity_unit *units, const char **end)
{
    const quantity_unit *longest = NULL;
    char *unit = (char *)text;
    const double number = isdigit((unsigned char)*text) ? strtod(text, &unit) : NAN;
    for (; units->name; units++)
        if (!strncmp(units->name, unit, strlen(units->name)) &&
            (!longest || strlen(units->name) > strlen(longest->name)))
            longest = units;
    *end = longest && unit > text ? unit + strlen(longest->name) : text;
    return longest ? number * longest->factor : NAN;
}

double quantity_read(const char *text, const quantity_unit *units)
{
    const char *end;
    const double x = quantity_at(text, units, &end);
    return *end ? NAN : x;
}
