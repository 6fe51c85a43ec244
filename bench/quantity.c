#include "quantity.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const quantity_unit quantity_rates[] = {{"", 1}, {"/s", 1}, {"k", 1e3}, {"k/s", 1e3}, {0}};
const quantity_unit quantity_times[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {0}};
const quantity_unit quantity_shares[] = {{"", 1}, {"%", 0.01}, {0}};
const quantity_unit quantity_counts[] = {{"", 1}, {0}};

double quantity_read(const char *text, const quantity_unit *units)
{
    char *end = (char *)text;
    const double number = isdigit((unsigned char)*text) ? strtod(text, &end) : NAN;
    while (units->name && strcmp(units->name, end)) units++;
    return units->name ? number * units->factor : NAN;
}
