// SPDX-License-Identifier: GPL-2.0-or-later
#include "subvols.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

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

/* ---- what is printed of one ------------------------------------------------------------------ */

bool subvol_is_snapshot(const struct copse_subvol *subvol)
{
    static const uint8_t none[16];

    return memcmp(subvol->parent_uuid, none, sizeof(none)) != 0;
}

const char *time_or_dash(const struct timespec *time, const char *format, char buf[TIME_TEXT_MAX])
{
    struct tm tm;

    if (time->tv_sec == 0 || !localtime_r(&time->tv_sec, &tm) ||
        strftime(buf, TIME_TEXT_MAX, format, &tm) == 0)
        strcpy(buf, "-");
    return buf;
}

static void add_uuid(struct json_object *json, const char *name, const uint8_t uuid[16])
{
    char buf[UUID_TEXT_MAX];

    json_object_object_add(json, name, json_object_new_string(uuid_or_dash(uuid, buf)));
}

struct json_object *subvol_json(const struct copse_subvol *subvol)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "ID", json_uint(subvol->id));
    json_object_object_add(json, "gen", json_uint(subvol->generation));
    json_object_object_add(json, "cgen", json_uint(subvol->creation_generation));
    json_object_object_add(json, "parent", json_uint(subvol->parent_id));
    json_object_object_add(json, "top level", json_uint(subvol->parent_id));
    json_object_object_add(json, "readonly",
                           json_object_new_boolean((subvol->flags & SUBVOL_READONLY) != 0));
    json_object_object_add(json, "otime", json_time(&subvol->otime));
    add_uuid(json, "parent_uuid", subvol->parent_uuid);
    add_uuid(json, "received_uuid", subvol->received_uuid);
    add_uuid(json, "uuid", subvol->uuid);
    json_object_object_add(
        json, "path",
        json_bytes(subvol->path ? subvol->path : "", subvol->path ? strlen(subvol->path) : 0));
    return json;
}
