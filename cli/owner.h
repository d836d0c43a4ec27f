// SPDX-License-Identifier: GPL-2.0-or-later
/* "UID:GID", in numbers: the names of the host mean nothing inside an image. */
#ifndef COPSE_CLI_OWNER_H
#define COPSE_CLI_OWNER_H

#include <stdbool.h>
#include <stdint.h>

struct owner {
    uint32_t uid, gid;
    bool has_uid, has_gid;
};

/* "1000", "1000:100", ":100". */
bool owner_parse(const char *text, struct owner *out);

#endif
