// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks of directory entries and extended attributes, which share a structure. */
#include "disk/csum/csum.h"
#include "disk/format/items.h"

bool name_is_valid(const void *name, size_t len)
{
    const char *text = name;

    if (len == 0 || len > NAME_MAX_BYTES)
        return false;
    if (text[0] == '.' && (len == 1 || (len == 2 && text[1] == '.')))
        return false;
    return !memchr(name, '/', len) && !memchr(name, '\0', len);
}

static int location_check(const struct item *item, const struct key *location)
{
    bool nowhere = location->objectid == 0 && location->type == 0 && location->offset == 0;
    char buf[KEY_TEXT_MAX];

    switch (location->type) {
    case KEY_ROOT_ITEM:
        if (item->key.type != KEY_XATTR_ITEM && is_subvolume(location->objectid))
            return 0;
        break;
    case KEY_INODE_ITEM:
        if (item->key.type != KEY_XATTR_ITEM && is_inode_number(location->objectid) &&
            location->offset == 0)
            return 0;
        break;
    case 0:
        if (item->key.type == KEY_XATTR_ITEM && nowhere)
            return 0;
        break;
    }
    return fail(-EUCLEAN, "points at %s", key_text(location, buf));
}

static int lengths_check(const struct item *item, const struct dir_item *entry, uint32_t left,
                         const struct format_limits *limits)
{
    uint32_t both = (uint32_t)entry->name_len + entry->data_len;

    if (entry->name_len == 0 || entry->name_len > NAME_MAX_BYTES)
        return fail(-EUCLEAN, "name of %u bytes is impossible", entry->name_len);
    if (entry->data_len != 0 && item->key.type != KEY_XATTR_ITEM)
        return fail(-EUCLEAN, "name has a value of %u bytes", entry->data_len);
    if (both > xattr_max(limits->nodesize))
        return fail(-EUCLEAN, "name and value of %u bytes are impossible", both);
    if (both > left)
        return fail(-EUCLEAN, "name and value of %u bytes are cut off", both);
    return 0;
}

static int name_check(const struct item *item, const uint8_t *name, uint16_t len)
{
    if (item->key.type != KEY_XATTR_ITEM && !name_is_valid(name, len))
        return fail(-EUCLEAN, "name is one that no file can have");
    if (item->key.type != KEY_DIR_INDEX && item->key.offset != name_hash(name, len))
        return fail(-EUCLEAN, "hash of the name is %u", name_hash(name, len));
    return 0;
}

static int entry_check(const struct item *item, uint32_t at, const struct format_limits *limits,
                       uint32_t *used)
{
    const uint8_t *bytes = item->data + at;
    uint32_t left = item->size - at;
    struct dir_item entry;

    if (left < sizeof(disk_dir_item))
        return fail(-EUCLEAN, "is cut off");
    dir_item_decode(&entry, bytes);
    if ((entry.type & (uint8_t)~FT_ENCRYPTED) >= FT_MAX ||
        ((entry.type & (uint8_t)~FT_ENCRYPTED) == FT_XATTR) != (item->key.type == KEY_XATTR_ITEM))
        return fail(-EUCLEAN, "type %u is impossible", entry.type);
    TRY(location_check(item, &entry.location));
    TRY(lengths_check(item, &entry, left - (uint32_t)sizeof(disk_dir_item), limits));
    TRY(name_check(item, bytes + sizeof(disk_dir_item), entry.name_len));
    *used = (uint32_t)sizeof(disk_dir_item) + entry.name_len + entry.data_len;
    return 0;
}

int dir_item_check(const struct item *item, const struct item_context *context)
{
    uint32_t at = 0, used = 0;

    TRY(same_inode_check(item, context));
    do {
        int ret = entry_check(item, at, context->limits, &used);
        if (ret < 0)
            return fail_context(ret, "entry at byte %u", at);
        at += used;
    } while (at < item->size);
    return 0;
}

int dir_log_check(const struct item *item, const struct item_context *context)
{
    (void)context;
    return item_size_check(item, sizeof(disk_dir_log_item));
}
