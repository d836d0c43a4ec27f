// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * above: the directories that a walk is in, so that a damaged file system, in which a directory
 * contains itself, does not send it round for ever.
 */
#ifndef COPSE_CLI_ABOVE_H
#define COPSE_CLI_ABOVE_H

#include "cli.h"
#include "tree.h"

struct above {
    const struct above *up;
    uint64_t subvol, ino;
};

/* 0 with *out filled in for dir below up (NULL: the first), or -ELOOP. */
static inline int above_enter(const struct above *up, struct file *dir, struct above *out)
{
    struct copse_stat st;
    int ret = file_stat(dir, &st);

    if (ret < 0)
        return ret;
    *out = (struct above){up, st.subvol, st.subvol_ino};
    for (; up; up = up->up) {
        if (up->subvol == st.subvol && up->ino == st.subvol_ino) {
            cli_failed_in_library(false);
            return -ELOOP;
        }
    }
    return 0;
}

#endif
