// SPDX-License-Identifier: GPL-2.0-or-later
#include "subvols.h"

#include <stdlib.h>
#include <string.h>

static int keep(void *arg, const struct copse_subvol *subvol)
{
    struct subvols *subvols = arg;

    if (subvols->count == subvols->room) {
        subvols->room = subvols->room ? subvols->room * 2 : 16;
        subvols->list = need_memory(realloc(subvols->list, subvols->room * sizeof(*subvols->list)));
    }
    subvols->list[subvols->count] = *subvol;
    subvols->list[subvols->count++].path = need_string(strdup(subvol->path ? subvol->path : ""));
    return 0;
}

int subvols_load(struct cli *cli, struct session *session, struct subvols *out)
{
    int ret;

    *out = (struct subvols){0};
    ret = copse_subvol_list(session->tree.fs, keep, out);
    if (ret == 0)
        return 0;
    subvols_free(out);
    cli_failed_in_library(true);
    return cli_fail(cli, session->name, ret);
}

void subvols_free(struct subvols *subvols)
{
    for (size_t i = 0; i < subvols->count; i++)
        free((char *)(uintptr_t)subvols->list[i].path);
    free(subvols->list);
    *subvols = (struct subvols){0};
}

const struct copse_subvol *subvols_find(const struct subvols *subvols, uint64_t id)
{
    for (size_t i = 0; i < subvols->count; i++) {
        if (subvols->list[i].id == id)
            return &subvols->list[i];
    }
    return NULL;
}

int subvol_of_path(struct cli *cli, struct session *session, const char *path, const char *shown,
                   uint64_t *id, bool *is_root)
{
    struct copse_subvol subvol;
    struct file file;
    int ret = file_walk(&session->tree, path ? path : "/", false, &file);

    if (ret == 0) {
        ret = copse_subvol_of(file.node, &subvol);
        cli_failed_in_library(true);
        *id = subvol.id;
        *is_root = copse_is_subvol(file.node);
        file_close(&file);
    }
    return ret < 0 ? cli_fail(cli, shown, ret) : 0;
}
