// SPDX-License-Identifier: GPL-2.0-or-later
#include "modes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "text.h"

#define WHO_USER 04700
#define WHO_GROUP 02070
#define WHO_OTHER 01007
#define WHO_ALL 07777

static const char *parse_who(const char *at, uint32_t *who)
{
    for (*who = 0;; at++) {
        if (*at == 'u')
            *who |= WHO_USER;
        else if (*at == 'g')
            *who |= WHO_GROUP;
        else if (*at == 'o')
            *who |= WHO_OTHER;
        else if (*at == 'a')
            *who |= WHO_ALL;
        else
            return at;
    }
}

/* The bits of one class, for everybody. */
static uint32_t spread(uint32_t three)
{
    return three << 6 | three << 3 | three;
}

static const char *parse_permissions(const char *at, uint32_t mode, bool is_dir, uint32_t *bits)
{
    for (*bits = 0;; at++) {
        switch (*at) {
        case 'r':
            *bits |= 0444;
            break;
        case 'w':
            *bits |= 0222;
            break;
        case 'x':
            *bits |= 0111;
            break;
        case 'X':
            *bits |= is_dir || (mode & 0111) ? 0111 : 0;
            break;
        case 's':
            *bits |= S_ISUID | S_ISGID;
            break;
        case 't':
            *bits |= S_ISVTX;
            break;
        case 'u':
            *bits |= spread(mode >> 6 & 7);
            break;
        case 'g':
            *bits |= spread(mode >> 3 & 7);
            break;
        case 'o':
            *bits |= spread(mode & 7);
            break;
        default:
            return at;
        }
    }
}

static uint32_t apply(uint32_t mode, uint32_t who, char action, uint32_t bits)
{
    if (action == '+')
        return mode | (bits & who);
    if (action == '-')
        return mode & ~(bits & who);
    return (mode & ~who) | (bits & who);
}

/* One clause up to a comma; NULL when it is none. */
static const char *apply_clause(const char *at, bool is_dir, uint32_t *mode)
{
    uint32_t who, bits;

    at = parse_who(at, &who);
    if (who == 0)
        who = mode_after_umask(0777) | 07000;
    if (*at == '\0' || !strchr("+-=", *at))
        return NULL;
    while (*at && strchr("+-=", *at)) {
        char action = *at;
        at = parse_permissions(at + 1, *mode, is_dir, &bits);
        *mode = apply(*mode, who, action, bits);
    }
    return *at == '\0' || *at == ',' ? at : NULL;
}

bool mode_change(const char *words, uint32_t mode, bool is_dir, uint32_t *out)
{
    const char *at = words;
    char *end;

    mode &= 07777;
    if (*words >= '0' && *words <= '7') {
        unsigned long value = strtoul(words, &end, 8);
        *out = (uint32_t)value;
        return *end == '\0' && value <= 07777;
    }
    while (at) {
        at = apply_clause(at, is_dir, &mode);
        if (at && *at == '\0') {
            *out = mode;
            return true;
        }
        at = at ? at + 1 : NULL;
    }
    return false;
}
