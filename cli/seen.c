// SPDX-License-Identifier: GPL-2.0-or-later
#include "seen.h"

#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define uthash_fatal(message) need_memory(NULL)
#include <uthash.h>

struct seen_file {
    struct {
        uint64_t subvol, ino;
    } key;
    char *name;
    UT_hash_handle hh;
};

bool seen_before(struct seen *seen, const struct copse_stat *st, const char **name)
{
    struct seen_file look = {.key = {st->subvol, st->subvol_ino}}, *found;

    HASH_FIND(hh, seen->files, &look.key, sizeof(look.key), found);
    if (found) {
        if (name)
            *name = found->name;
        return true;
    }
    found = need_memory(calloc(1, sizeof(*found)));
    found->key = look.key;
    found->name = name && *name ? need_string(strdup(*name)) : NULL;
    HASH_ADD(hh, seen->files, key, sizeof(found->key), found);
    return false;
}

bool seen_is_known(const struct seen *seen, const struct copse_stat *st)
{
    struct seen_file look = {.key = {st->subvol, st->subvol_ino}}, *found;

    HASH_FIND(hh, seen->files, &look.key, sizeof(look.key), found);
    return found != NULL;
}

void seen_free(struct seen *seen)
{
    struct seen_file *file, *next;

    HASH_ITER (hh, seen->files, file, next) {
        HASH_DEL(seen->files, file);
        free(file->name);
        free(file);
    }
}
