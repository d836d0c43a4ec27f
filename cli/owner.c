// SPDX-License-Identifier: GPL-2.0-or-later
#include "owner.h"

#include <ctype.h>
#include <stdlib.h>

static bool parse_id(const char **at, uint32_t *out)
{
    unsigned long long value;
    char *end;

    if (!isdigit((unsigned char)**at))
        return false;
    value = strtoull(*at, &end, 10);
    *at = end;
    *out = (uint32_t)value;
    return value < UINT32_MAX;
}

bool owner_parse(const char *text, struct owner *out)
{
    *out = (struct owner){0};
    if (*text != ':') {
        if (!parse_id(&text, &out->uid))
            return false;
        out->has_uid = true;
    }
    if (*text == ':' && text[1]) {
        text++;
        if (!parse_id(&text, &out->gid))
            return false;
        out->has_gid = true;
    }
    return *text == '\0' && (out->has_uid || out->has_gid);
}
