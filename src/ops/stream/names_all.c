// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The names of a whole subvolume, directory by directory, with a stack as deep as the tree and
 * nothing else in memory. A file with several names is made under its first one; the others are
 * links, made when all files exist.
 */
#include "base/cleanup.h"
#include "engine/tree/diff.h"
#include "ops/stream/send.h"

struct frame {
    uint64_t dir, index; /* the entry that was done last */
    size_t path_len;     /* of the directory, with its slash */
};

struct walk {
    struct send *send;
    struct frame *frames;
    size_t count, cap;
    bool links; /* there are further names to be linked */
};

struct entry {
    uint64_t ino, index;
    uint8_t type;
    uint16_t len;
    char name[NAME_MAX_BYTES + 1];
};

/* The entry of dir behind `index`. 1: there is none. Nested subvolumes are passed over. */
static int next_entry(struct side *side, uint64_t dir, uint64_t index, struct entry *out)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = key_make(dir, KEY_DIR_INDEX, index + 1);
    struct dir_item head;

    int ret = tree_search_ge(&side->tree->root, &key, &path);
    for (; ret == 0; ret = path_next(&path)) {
        path_key(&path, &key);
        if (key.objectid != dir || key.type != KEY_DIR_INDEX)
            return 1;
        if (path_size(&path) < sizeof(disk_dir_item))
            return fail(-EUCLEAN, "%s: an entry is cut short", path_where(&path));
        dir_item_decode(&head, path_data(&path));
        if (head.name_len > NAME_MAX_BYTES ||
            head.name_len > path_size(&path) - sizeof(disk_dir_item))
            return fail(-EUCLEAN, "%s: an entry is cut short", path_where(&path));
        if (head.location.type != KEY_INODE_ITEM)
            continue;
        out->ino = head.location.objectid;
        out->index = key.offset;
        out->type = head.type;
        out->len = head.name_len;
        memcpy(out->name, (const uint8_t *)path_data(&path) + sizeof(disk_dir_item), out->len);
        out->name[out->len] = '\0';
        return 0;
    }
    return ret;
}

static int push(struct walk *walk, uint64_t dir)
{
    if (walk->count == walk->cap) {
        size_t cap = walk->cap ? walk->cap * 2 : 32;
        struct frame *frames = realloc(walk->frames, cap * sizeof(*frames));

        if (!frames)
            return fail(-ENOMEM, "no memory for directories");
        walk->frames = frames;
        walk->cap = cap;
    }
    walk->frames[walk->count++] = (struct frame){.dir = dir, .path_len = walk->send->path.len};
    return 0;
}

/* Whether the entry is the name under which its inode is made. */
static int is_first_name(struct walk *walk, uint64_t dir, const struct entry *entry, bool *first)
{
    struct name_of name;

    TRY(side_first_name(&walk->send->new_side, entry->ino, &name));
    *first = name.parent == dir && name.len == entry->len &&
             memcmp(name.name, entry->name, name.len) == 0;
    return 0;
}

static int look(struct walk *walk, struct frame *frame, struct entry *entry,
                struct inode_item *item, bool *first)
{
    struct side *side = &walk->send->new_side;

    int ret = next_entry(side, frame->dir, frame->index, entry);
    if (ret != 0)
        return ret;
    ret = side_inode(side, entry->ino, item);
    if (ret == -ENOENT)
        return fail(-EUCLEAN, "tree %llu: entry %.*s leads to inode %llu, which is not there",
                    (unsigned long long)side->tree->root.id, entry->len, entry->name,
                    (unsigned long long)entry->ino);
    if (ret < 0)
        return ret;
    *first = true;
    return item->nlink > 1 && entry->type != FT_DIR ? is_first_name(walk, frame->dir, entry, first)
                                                    : 0;
}

static int step(struct walk *walk)
{
    struct send *send = walk->send;
    struct frame *frame = &walk->frames[walk->count - 1];
    struct inode_item item;
    struct entry entry;
    bool first;

    send_lock(send);
    int ret = look(walk, frame, &entry, &item, &first);
    send_unlock(send);
    if (ret < 0)
        return ret;
    if (ret > 0) {
        walk->count--;
        return 0;
    }
    frame->index = entry.index;
    if (!first) {
        walk->links = true;
        return 0;
    }
    text_cut(&send->path, frame->path_len);
    TRY(text_add(&send->path, entry.name, entry.len));
    TRY(send_make(send, entry.ino, &item, text_get(&send->path)));
    if (entry.type != FT_DIR)
        return 0;
    TRY(text_add(&send->path, "/", 1));
    return push(walk, entry.ino);
}

/* ---- links ----------------------------------------------------------------------------------- */

struct names {
    struct name_of *list;
    size_t count;
};

static int keep_name(void *arg, uint64_t parent, uint64_t index, const char *name, uint16_t len)
{
    struct names *names = arg;
    struct name_of *list = realloc(names->list, (names->count + 1) * sizeof(*list));

    (void)index;
    if (!list)
        return fail(-ENOMEM, "no memory for names");
    names->list = list;
    list[names->count] = (struct name_of){.parent = parent, .len = len};
    memcpy(list[names->count].name, name, len);
    list[names->count++].name[len] = '\0';
    return 0;
}

/* Path of a name of the new side. */
static int path_of_name(struct send *send, const struct name_of *name, struct text *out)
{
    const char *dir;

    send_lock(send);
    int ret = side_dir_path(&send->new_side, name->parent, &dir);
    if (ret == 0) {
        text_cut(out, 0);
        ret = text_add(out, dir, strlen(dir));
    }
    send_unlock(send);
    return ret < 0 ? ret : text_add(out, name->name, name->len);
}

static int link_names(struct send *send, uint64_t ino)
{
    AUTO_TEXT struct text existing = {0};
    struct names names = {0};

    send_lock(send);
    int ret = inode_each_name(send->new_side.tree, ino, keep_name, &names);
    send_unlock(send);
    if (ret == 0 && names.count > 0)
        ret = path_of_name(send, &names.list[0], &existing);
    for (size_t i = 1; ret == 0 && i < names.count; i++) {
        ret = path_of_name(send, &names.list[i], &send->path);
        if (ret == 0)
            ret = send_link(send, text_get(&send->path), text_get(&existing));
    }
    free(names.list);
    return ret;
}

/* The next inode with several names from *ino on. 1: none. */
static int next_linked(struct send *send, struct diff *diff, uint64_t *ino)
{
    struct diff_item item;
    struct inode_item inode;
    int ret;

    while ((ret = diff_next(diff, &item)) == 0) {
        struct key behind = key_make(item.key.objectid + 1, 0, 0);

        if (item.key.type == KEY_INODE_ITEM && item.key.objectid >= INO_SUBVOL_ROOT &&
            item.key.objectid <= OBJ_LAST_FREE) {
            ret = side_inode(&send->new_side, item.key.objectid, &inode);
            if (ret < 0 && ret != -ENOENT)
                return ret;
            if (ret == 0 && inode.nlink > 1 && (inode.mode & 0170000) != 0040000) {
                *ino = item.key.objectid;
                return 0;
            }
            TRY(diff_skip_to(diff, &behind));
        }
    }
    return ret;
}

static int link_all(struct send *send)
{
    struct diff diff;
    uint64_t ino;

    send_lock(send);
    int ret = diff_open(&diff, NULL, &send->new_side.tree->root);
    send_unlock(send);
    if (ret < 0)
        return ret;
    do {
        send_lock(send);
        ret = next_linked(send, &diff, &ino);
        send_unlock(send);
        if (ret == 0)
            ret = link_names(send, ino);
    } while (ret == 0);
    diff_close(&diff);
    return ret < 0 ? ret : 0;
}

int send_all_names(struct send *send)
{
    struct walk walk = {.send = send};

    text_cut(&send->path, 0);
    int ret = push(&walk, INO_SUBVOL_ROOT);
    while (ret == 0 && walk.count > 0)
        ret = step(&walk);
    free(walk.frames);
    if (ret == 0 && walk.links)
        ret = link_all(send);
    return ret;
}
