// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists for programs that ask by ioctl, in pieces of the size that FUSE passes. */
#include <string.h>

#include "internal.h"

#define RECORD_ALIGNMENT 8u

struct piece {
    struct copse_ioc_list *list;
    uint64_t position; /* of the next record, where records are counted */
    bool too_long;     /* a record that no piece has room for */
};

/* Adds a record of two parts; false when it has to wait for the next piece. */
static bool put(struct piece *piece, const void *head, size_t head_len, const char *text)
{
    struct copse_ioc_list *list = piece->list;
    size_t text_len = text ? strlen(text) + 1 : 0;
    size_t at = (list->used + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;

    if (at + head_len + text_len > sizeof(list->data)) {
        piece->too_long = list->used == 0;
        list->more = 1;
        return false;
    }
    if (head_len)
        memcpy(list->data + at, head, head_len);
    if (text_len)
        memcpy(list->data + at + head_len, text, text_len);
    list->used = (uint32_t)(at + head_len + text_len);
    return true;
}

/* The same for lists whose cursor counts records. */
static bool put_counted(struct piece *piece, const void *head, size_t head_len, const char *text)
{
    if (piece->position < piece->list->cursor) {
        piece->position++;
        return true;
    }
    if (!put(piece, head, head_len, text))
        return false;
    piece->position = ++piece->list->cursor;
    return true;
}

static int put_subvol(void *arg, const struct copse_subvol *subvol)
{
    struct piece *piece = arg;
    struct copse_subvol plain = *subvol;

    if (subvol->id < piece->list->cursor)
        return 0;
    plain.path = NULL;
    if (!put(piece, &plain, sizeof(plain), subvol->path ? subvol->path : ""))
        return 1;
    piece->list->cursor = subvol->id + 1;
    return 0;
}

static int put_path(void *arg, const char *path)
{
    return !put_counted(arg, NULL, 0, path);
}

static int put_extent(void *arg, const struct copse_extent *extent)
{
    struct piece *piece = arg;

    if (extent->offset < piece->list->cursor)
        return 0;
    if (!put(piece, extent, sizeof(*extent), NULL))
        return 1;
    piece->list->cursor = extent->offset + extent->len;
    return 0;
}

static int put_owner(void *arg, const struct copse_owner *owner)
{
    return !put_counted(arg, owner, sizeof(*owner), NULL);
}

static int put_qgroup(void *arg, const struct copse_qgroup *group)
{
    struct copse_qgroup plain = *group;

    plain.parents = plain.members = NULL;
    return !put_counted(arg, &plain, sizeof(plain), NULL);
}

static int put_ids(struct piece *piece, const uint64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!put_counted(piece, &ids[i], sizeof(ids[i]), NULL))
            return 1;
    return 0;
}

static int put_above(void *arg, const struct copse_qgroup *group)
{
    return put_ids(arg, group->parents, group->parent_count);
}

static int put_below(void *arg, const struct copse_qgroup *group)
{
    return put_ids(arg, group->members, group->member_count);
}

static int list_devices(const struct mounted *m, struct piece *piece)
{
    for (unsigned i = 0; i < m->options->device_count; i++) {
        if (!put_counted(piece, NULL, 0, m->options->devices[i]))
            break;
    }
    return 0;
}

int list_next(struct mounted *m, copse_node *node, struct copse_ioc_list *list)
{
    struct piece piece = {.list = list};
    int ret;

    list->used = list->more = 0;
    switch (list->kind) {
    case COPSE_LIST_DEVICES:
        ret = list_devices(m, &piece);
        break;
    case COPSE_LIST_SUBVOLS:
        ret = copse_subvol_list(m->fs, put_subvol, &piece);
        break;
    case COPSE_LIST_PATHS:
        ret = list->subvol
                  ? copse_subvol_inode_paths(m->fs, list->subvol, list->what, put_path, &piece)
                  : copse_inode_paths(node, list->what, put_path, &piece);
        break;
    case COPSE_LIST_EXTENTS:
        ret = copse_fiemap(node, list->cursor, UINT64_MAX - list->cursor, put_extent, &piece);
        break;
    case COPSE_LIST_OWNERS:
        ret = copse_logical_owners(m->fs, list->what, list->flags, put_owner, &piece);
        break;
    case COPSE_LIST_QGROUPS:
        ret = copse_qgroup_list(m->fs, put_qgroup, &piece);
        break;
    case COPSE_LIST_QGROUPS_ABOVE:
        ret = copse_qgroup_list(m->fs, put_above, &piece);
        break;
    case COPSE_LIST_QGROUPS_BELOW:
        ret = copse_qgroup_list(m->fs, put_below, &piece);
        break;
    default:
        return -EINVAL;
    }
    return ret == 0 && piece.too_long ? -EOVERFLOW : ret;
}
