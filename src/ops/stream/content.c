// SPDX-License-Identifier: GPL-2.0-or-later
/* What the names stand for: one pass over the inodes that differ. */
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "engine/tree/diff.h"
#include "ops/stream/send.h"

#define CAPABILITY "security.capability"

/* What of an inode differs. */
struct change {
    uint64_t ino; /* 0: nothing yet */
    bool item, xattrs, extents;
    uint64_t first, last; /* keys of extents */
};

/* An inode on its way. */
struct subject {
    struct send *send;
    const struct change *change;
    struct inode_item item, old;
    bool fresh; /* the receiver has just made it */
    bool sent;  /* some command was about it */
    bool data;  /* its content was */
    const char *path;
};

/* ---- attributes ------------------------------------------------------------------------------ */

static int put_xattr(struct subject *s, const struct side_xattr *xattr)
{
    send_begin(s->send, CMD_SET_XATTR, s->path);
    encode_text(&s->send->out, ATTR_XATTR_NAME, xattr->name);
    encode_bytes(&s->send->out, ATTR_XATTR_DATA, xattr->value, xattr->len);
    s->sent = true;
    return send_end(s->send);
}

static int drop_xattr(struct subject *s, const char *name)
{
    send_begin(s->send, CMD_REMOVE_XATTR, s->path);
    encode_text(&s->send->out, ATTR_XATTR_NAME, name);
    s->sent = true;
    return send_end(s->send);
}

static const struct side_xattr *find_xattr(const struct side_xattrs *xattrs, const char *name)
{
    for (size_t i = 0; i < xattrs->count; i++)
        if (strcmp(xattrs->list[i].name, name) == 0)
            return &xattrs->list[i];
    return NULL;
}

static bool same_xattr(const struct side_xattr *a, const struct side_xattr *b)
{
    return a && b && a->len == b->len && memcmp(a->value, b->value, a->len) == 0;
}

/* A capability is lost when data or owners change, so it waits until that is done. */
static int send_xattrs(struct subject *s, const struct side_xattrs *now,
                       const struct side_xattrs *before)
{
    for (size_t i = 0; i < before->count; i++)
        if (!find_xattr(now, before->list[i].name))
            TRY(drop_xattr(s, before->list[i].name));
    for (size_t i = 0; i < now->count; i++)
        if (strcmp(now->list[i].name, CAPABILITY) != 0 &&
            !same_xattr(&now->list[i], find_xattr(before, now->list[i].name)))
            TRY(put_xattr(s, &now->list[i]));
    return 0;
}

static int send_capability(struct subject *s, const struct side_xattrs *now,
                           const struct side_xattrs *before, bool lost)
{
    const struct side_xattr *capability = find_xattr(now, CAPABILITY);

    if (!capability || (!lost && same_xattr(capability, find_xattr(before, CAPABILITY))))
        return 0;
    return put_xattr(s, capability);
}

/* ---- data, owners, modes, times -------------------------------------------------------------- */

static int send_file_content(struct subject *s)
{
    struct send_file file = {
        .ino = s->change->ino,
        .path = s->path,
        .size = s->item.size,
        .old_size = s->fresh ? 0 : s->old.size,
        .fresh = s->fresh,
        .first = s->change->first,
        .last = s->change->last,
        .cut = UINT64_MAX,
    };

    if (file.old_size > file.size)
        TRY(send_truncate(s->send, &file, file.size));
    if (s->change->extents)
        TRY(send_data(s->send, &file));
    if (file.old_size != file.size)
        TRY(send_truncate(s->send, &file, file.size));
    s->data = file.touched;
    s->sent |= file.touched;
    return 0;
}

static int send_owner(struct subject *s, bool *done)
{
    *done = s->fresh || s->item.uid != s->old.uid || s->item.gid != s->old.gid;
    if (!*done)
        return 0;
    send_begin(s->send, CMD_CHOWN, s->path);
    encode_number(&s->send->out, ATTR_UID, s->item.uid);
    encode_number(&s->send->out, ATTR_GID, s->item.gid);
    s->sent = true;
    return send_end(s->send);
}

/* A change of owner takes set-id bits away. */
static int send_mode(struct subject *s, bool owner_changed)
{
    bool lost = owner_changed && (s->item.mode & (S_ISUID | S_ISGID));

    if (S_ISLNK(s->item.mode) || (!s->fresh && !lost && s->item.mode == s->old.mode))
        return 0;
    send_begin(s->send, CMD_CHMOD, s->path);
    encode_number(&s->send->out, ATTR_MODE, s->item.mode & 07777);
    s->sent = true;
    return send_end(s->send);
}

static int send_times(struct subject *s)
{
    struct encoder *out = &s->send->out;

    send_begin(s->send, CMD_UTIMES, s->path);
    encode_time(out, ATTR_ATIME, &s->item.atime);
    encode_time(out, ATTR_MTIME, &s->item.mtime);
    encode_time(out, ATTR_CTIME, &s->item.ctime);
    if (out->version >= 2)
        encode_time(out, ATTR_OTIME, &s->item.otime);
    return send_end(s->send);
}

/* ---- one inode ------------------------------------------------------------------------------- */

static int send_subject(struct subject *s, const struct side_xattrs *now,
                        const struct side_xattrs *before)
{
    bool owner_changed;

    TRY(send_xattrs(s, now, before));
    if (S_ISREG(s->item.mode))
        TRY(send_file_content(s));
    TRY(send_owner(s, &owner_changed));
    TRY(send_mode(s, owner_changed));
    TRY(send_capability(s, now, before, owner_changed || s->data));
    if (s->fresh && S_ISREG(s->item.mode) && s->send->out.version >= 3 &&
        (s->item.flags & INODE_RO_VERITY))
        TRY(send_verity(s->send, s->change->ino, s->path));
    return s->change->item || s->sent ? send_times(s) : 0;
}

/* Everything that is looked up; 1: nothing to be sent. */
static int look_up(struct subject *s, struct text *path, struct side_xattrs *now,
                   struct side_xattrs *before)
{
    struct send *send = s->send;
    uint64_t ino = s->change->ino;

    int ret = side_inode(&send->new_side, ino, &s->item);
    if (ret == -ENOENT)
        return 1;
    TRY(ret);
    s->fresh = true;
    if (send->old_side) {
        ret = side_inode(send->old_side, ino, &s->old);
        if (ret < 0 && ret != -ENOENT)
            return ret;
        s->fresh =
            ret == -ENOENT || (ino != INO_SUBVOL_ROOT && s->old.generation != s->item.generation);
    }
    TRY(side_path(&send->new_side, ino, path));
    TRY(side_xattrs(&send->new_side, ino, now));
    return s->fresh ? 0 : side_xattrs(send->old_side, ino, before);
}

static int send_inode(struct send *send, const struct change *change)
{
    struct subject s = {.send = send, .change = change};
    struct side_xattrs now = {0}, before = {0};
    AUTO_TEXT struct text path = {0};

    send_lock(send);
    int ret = look_up(&s, &path, &now, &before);
    send_unlock(send);
    s.path = text_get(&path);
    if (ret == 0)
        ret = send_subject(&s, &now, &before);
    side_xattrs_free(&now);
    side_xattrs_free(&before);
    return ret < 0 ? ret : 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void note_item(struct change *change, const struct diff_item *item)
{
    change->item |= item->key.type == KEY_INODE_ITEM;
    change->xattrs |= item->key.type == KEY_XATTR_ITEM;
    if (item->key.type != KEY_EXTENT_DATA)
        return;
    if (!change->extents)
        change->first = item->key.offset;
    change->last = item->key.offset;
    change->extents = true;
}

static bool is_file_number(uint64_t ino)
{
    return ino >= INO_SUBVOL_ROOT && ino <= OBJ_LAST_FREE;
}

/* What differs in the next inode; *item is the first item behind it. 1: no more. */
static int next_change(struct diff *diff, struct diff_item *item, bool *ahead,
                       struct change *change)
{
    int ret = *ahead ? 0 : diff_next(diff, item);

    *change = (struct change){0};
    while (ret == 0 && !is_file_number(item->key.objectid))
        ret = diff_next(diff, item);
    if (ret != 0)
        return ret;
    change->ino = item->key.objectid;
    while (ret == 0 && item->key.objectid == change->ino) {
        note_item(change, item);
        ret = diff_next(diff, item);
    }
    *ahead = ret == 0;
    return ret < 0 ? ret : 0;
}

static int send_changes(struct send *send, struct diff *diff)
{
    bool ahead = false, root_done = false, more = true;
    struct diff_item item;
    struct change change;

    while (more) {
        send_lock(send);
        int ret = next_change(diff, &item, &ahead, &change);
        send_unlock(send);
        if (ret < 0)
            return ret;
        if (ret > 0)
            break;
        more = ahead;
        root_done |= change.ino == INO_SUBVOL_ROOT;
        TRY(send_inode(send, &change));
    }
    if (root_done || !send->root_touched)
        return 0;
    change = (struct change){.ino = INO_SUBVOL_ROOT, .item = true};
    return send_inode(send, &change);
}

int send_content(struct send *send)
{
    struct root *old = send->old_side ? &send->old_side->tree->root : NULL;
    struct diff diff;

    send_lock(send);
    int ret = diff_open(&diff, old, &send->new_side.tree->root);
    send_unlock(send);
    if (ret < 0)
        return ret;
    ret = send_changes(send, &diff);
    diff_close(&diff);
    return ret;
}
