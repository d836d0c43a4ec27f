// SPDX-License-Identifier: GPL-2.0-or-later
/* How keys, object ids, uuids and device numbers are written. */
#include "disk/format/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/sysmacros.h>

static const char *const key_type_names[256] = {
#define KEY_TYPE_NAME(NAME, number, text) [number] = text,
    KEY_TYPES(KEY_TYPE_NAME)
#undef KEY_TYPE_NAME
};

const char *key_type_name(uint8_t type)
{
    return key_type_names[type];
}

static const struct {
    uint64_t id;
    const char *name;
} objectid_names[] = {
    {TREE_ROOT, "ROOT_TREE"},
    {TREE_EXTENT, "EXTENT_TREE"},
    {TREE_CHUNK, "CHUNK_TREE"},
    {TREE_DEV, "DEV_TREE"},
    {TREE_FS, "FS_TREE"},
    {ROOT_TREE_DIR, "ROOT_TREE_DIR"},
    {TREE_CSUM, "CSUM_TREE"},
    {TREE_QUOTA, "QUOTA_TREE"},
    {TREE_UUID, "UUID_TREE"},
    {TREE_FREE_SPACE, "FREE_SPACE_TREE"},
    {TREE_BLOCK_GROUP, "BLOCK_GROUP_TREE"},
    {TREE_RAID_STRIPE, "RAID_STRIPE_TREE"},
    {TREE_REMAP, "REMAP_TREE"},
    {OBJ_BALANCE, "BALANCE"},
    {OBJ_ORPHAN, "ORPHAN"},
    {TREE_LOG, "TREE_LOG"},
    {TREE_LOG_FIXUP, "TREE_LOG_FIXUP"},
    {TREE_RELOC, "TREE_RELOC"},
    {TREE_DATA_RELOC, "DATA_RELOC_TREE"},
    {OBJ_EXTENT_CSUM, "EXTENT_CSUM"},
    {OBJ_FREE_SPACE, "FREE_SPACE"},
    {OBJ_FREE_INO, "FREE_INO"},
    {OBJ_CSUM_CHANGE, "CSUM_CHANGE"},
    {UINT64_MAX, "-1"},
};

/* The few objects whose name depends on the type of the key. */
static const char *objectid_name_by_type(uint64_t objectid, uint8_t type)
{
    if (type == KEY_DEV_ITEM && objectid == OBJ_DEV_ITEMS)
        return "DEV_ITEMS";
    if (type == KEY_CHUNK_ITEM && objectid == FIRST_CHUNK_TREE_OBJECTID)
        return "FIRST_CHUNK_TREE";
    if (type == KEY_PERSISTENT_ITEM && objectid == OBJ_DEV_STATS)
        return "DEV_STATS";
    return NULL;
}

static const char *objectid_name(uint64_t objectid, uint8_t type)
{
    const char *name = objectid_name_by_type(objectid, type);

    /* Numbers of devices, not of objects. */
    if (name || type == KEY_DEV_EXTENT || type == KEY_PERSISTENT_ITEM)
        return name;
    for (size_t i = 0; i < ARRAY_LEN(objectid_names); i++)
        if (objectid_names[i].id == objectid)
            return objectid_names[i].name;
    return NULL;
}

const char *objectid_text(uint64_t objectid, uint8_t type, char buf[OBJECTID_TEXT_MAX])
{
    const char *name = objectid_name(objectid, type);

    if (type == KEY_QGROUP_RELATION)
        snprintf(buf, OBJECTID_TEXT_MAX, "%" PRIu64 "/%" PRIu64, objectid >> QGROUP_LEVEL_SHIFT,
                 objectid & (((uint64_t)1 << QGROUP_LEVEL_SHIFT) - 1));
    else if (type == KEY_UUID_SUBVOL || type == KEY_UUID_RECEIVED)
        snprintf(buf, OBJECTID_TEXT_MAX, "0x%016" PRIx64, objectid);
    else if (name)
        snprintf(buf, OBJECTID_TEXT_MAX, "%s", name);
    else
        snprintf(buf, OBJECTID_TEXT_MAX, "%" PRIu64, objectid);
    return buf;
}

/* The offset of a key: a qgroup, half a uuid, a tree, or a number. */
static void offset_text(const struct key *key, char buf[OBJECTID_TEXT_MAX])
{
    switch (key->type) {
    case KEY_QGROUP_INFO:
    case KEY_QGROUP_LIMIT:
    case KEY_QGROUP_RELATION:
        objectid_text(key->offset, KEY_QGROUP_RELATION, buf);
        break;
    case KEY_UUID_SUBVOL:
    case KEY_UUID_RECEIVED:
        objectid_text(key->offset, KEY_UUID_SUBVOL, buf);
        break;
    case KEY_ROOT_ITEM:
        /* A relocation tree's offset is the tree it is a copy of, else it is a generation. */
        if (key->objectid == TREE_RELOC)
            objectid_text(key->offset, 0, buf);
        else
            snprintf(buf, OBJECTID_TEXT_MAX, "%" PRIu64, key->offset);
        break;
    default:
        if (key->offset == UINT64_MAX)
            snprintf(buf, OBJECTID_TEXT_MAX, "-1");
        else
            snprintf(buf, OBJECTID_TEXT_MAX, "%" PRIu64, key->offset);
    }
}

const char *key_text(const struct key *key, char buf[KEY_TEXT_MAX])
{
    char objectid[OBJECTID_TEXT_MAX], offset[OBJECTID_TEXT_MAX], number[16];
    const char *type = key_type_name(key->type);

    if (key->type == 0 && key->objectid == OBJ_FREE_SPACE)
        type = "UNTYPED";
    if (!type) {
        snprintf(number, sizeof(number), "UNKNOWN.%u", key->type);
        type = number;
    }
    objectid_text(key->objectid, key->type, objectid);
    offset_text(key, offset);
    snprintf(buf, KEY_TEXT_MAX, "(%.20s %.24s %.30s)", objectid, type, offset);
    return buf;
}

const char *uuid_text(const struct uuid *uuid, char buf[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *to = buf;

    for (unsigned i = 0; i < sizeof(uuid->b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = digits[uuid->b[i] >> 4];
        *to++ = digits[uuid->b[i] & 15];
    }
    *to = '\0';
    return buf;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int uuid_parse(const char *text, struct uuid *out)
{
    struct uuid uuid;
    const char *at = text;

    for (unsigned i = 0; i < sizeof(uuid.b); i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
            return fail(-EINVAL, "'%s' is no uuid", text);
        int high = hex_value(at[0]);
        int low = high < 0 ? -1 : hex_value(at[1]);
        if (low < 0)
            return fail(-EINVAL, "'%s' is no uuid", text);
        uuid.b[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    if (*at != '\0')
        return fail(-EINVAL, "'%s' is no uuid", text);
    *out = uuid;
    return 0;
}

bool uuid_is_null(const struct uuid *uuid)
{
    static const struct uuid null;

    return uuid_equal(uuid, &null);
}

/* ---- device numbers ---------------------------------------------------------------------------
 */

#define MINOR_BITS 20

uint64_t rdev_to_disk(uint64_t dev)
{
    return ((uint64_t)major(dev) << MINOR_BITS) | minor(dev);
}

uint64_t rdev_from_disk(uint64_t rdev)
{
    return makedev((unsigned)(rdev >> MINOR_BITS), (unsigned)(rdev & ((1u << MINOR_BITS) - 1)));
}
