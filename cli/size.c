// SPDX-License-Identifier: GPL-2.0-or-later
#include "size.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool parse_number(const char *text, uint64_t *out)
{
    unsigned long long value;
    char *end;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno || *end)
        return false;
    *out = value;
    return true;
}

bool parse_size(const char *text, uint64_t *out)
{
    static const char units[] = "bkmgtpe";
    unsigned long long value;
    unsigned shift = 0;
    const char *unit;
    char *end;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno)
        return false;
    if (*end) {
        unit = strchr(units, tolower((unsigned char)*end));
        if (!unit || end[1])
            return false;
        shift = 10 * (unsigned)(unit - units);
    }
    if (shift && value > UINT64_MAX >> shift)
        return false;
    *out = (uint64_t)value << shift;
    return true;
}

bool take_size_option(int option, struct size_mode *mode)
{
    static const struct {
        int letter, word;
        struct size_mode mode;
    } known[] = {
        {'b', OPTION_RAW, {1, 0}},    {'h', OPTION_IEC, {1024, 0}}, {'H', OPTION_SI, {1000, 0}},
        {'k', OPTION_KIB, {1024, 1}}, {'m', OPTION_MIB, {1024, 2}}, {'g', OPTION_GIB, {1024, 3}},
        {'t', OPTION_TIB, {1024, 4}},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (option != known[i].letter && option != known[i].word)
            continue;
        /* --si and a fixed unit go together: powers of 1000. */
        if (known[i].mode.units && mode->base == 1000)
            mode->units = known[i].mode.units;
        else if (option == OPTION_SI && mode->units)
            mode->base = 1000;
        else
            *mode = known[i].mode;
        return true;
    }
    return false;
}

const char *size_text(uint64_t bytes, struct size_mode mode, char buf[SIZE_TEXT_MAX])
{
    static const char *const binary[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    static const char *const decimal[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    /* btrfs counts whole ones of the unit below, and as a float. */
    uint64_t below = bytes;
    float value;
    unsigned unit = 0;

    if (mode.base == 1) {
        snprintf(buf, SIZE_TEXT_MAX, "%llu", (unsigned long long)bytes);
        return buf;
    }
    for (uint64_t left = bytes; unit < 6 && mode.units == 0 && left >= mode.base; unit++) {
        below = left;
        left /= mode.base;
    }
    value = unit > 0 ? (float)below / (float)mode.base : (float)below;
    for (; unit < mode.units; unit++)
        value /= (float)mode.base;
    snprintf(buf, SIZE_TEXT_MAX, "%.2f%s", (double)value,
             (mode.base == 1000 ? decimal : binary)[unit]);
    return buf;
}
