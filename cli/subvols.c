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

int subvols_load(struct cli *cli, const struct place *place, struct subvols *out)
{
    int ret;

    *out = (struct subvols){0};
    ret = volume_subvols(place, keep, out);
    if (ret == 0)
        return 0;
    subvols_free(out);
    return cli_fail(cli, place->shown, ret);
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

int subvol_of_place(struct cli *cli, const struct place *place, uint64_t *id, bool *is_root)
{
    struct copse_stat st;
    int ret = volume_stat(place, &st);

    if (ret < 0)
        return cli_fail(cli, place->shown, ret);
    *id = st.subvol;
    *is_root = volume_is_subvol(&st);
    return 0;
}
