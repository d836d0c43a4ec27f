// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bounded/shot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"

uint64_t shot_find(const struct shot *shot, uint64_t dir, const char *name)
{
    for (size_t i = 0; i < shot->entry_count; i++)
        if (shot->entries[i].dir == dir && strcmp(shot->entries[i].name, name) == 0)
            return shot->entries[i].ino;
    return 0;
}

static struct object *object_of(struct shot *shot, uint64_t ino)
{
    for (size_t i = 0; i < shot->object_count; i++)
        if (shot->objects[i].ino == ino)
            return &shot->objects[i];
    return NULL;
}

const struct object *shot_object(const struct shot *shot, uint64_t ino)
{
    return object_of((struct shot *)shot, ino);
}

void shot_free(struct shot *shot)
{
    for (size_t i = 0; i < shot->object_count; i++)
        free(shot->objects[i].bytes);
    *shot = (struct shot){0};
}

static uint64_t digest(uint64_t sum, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < len; i++)
        sum = (sum ^ b[i]) * 0x100000001b3ULL;
    return sum;
}

static int digest_xattrs(struct mount *m, struct inode *inode, uint64_t *sum)
{
    char list[512];
    size_t len;
    uint64_t all = 0;

    TRY(mount_listxattr(m, inode, list, sizeof(list), &len));
    for (size_t at = 0; at < len; at += strlen(list + at) + 1) {
        uint8_t value[256];
        size_t size;

        TRY(mount_getxattr(m, inode, list + at, value, sizeof(value), &size));
        /* In whatever order they come. */
        all += digest(digest(1, list + at, strlen(list + at)), value, size);
    }
    *sum = all;
    return 0;
}

static int read_object(struct mount *m, struct inode *inode, struct object *o)
{
    struct copse_stat st;
    size_t len;

    TRY(mount_stat(m, inode, &st));
    o->mode = st.mode;
    o->nlink = st.nlink;
    o->size = S_ISDIR(st.mode) ? 0 : st.size;
    TRY(digest_xattrs(m, inode, &o->attributes));
    if (S_ISLNK(st.mode)) {
        char target[256];

        TRY(mount_readlink(m, inode, target, sizeof(target), &len));
        o->attributes = digest(2, target, MIN(len, sizeof(target)));
    }
    if (!S_ISREG(st.mode))
        return 0;
    if (st.size > SHOT_PAGES * SHOT_PAGE)
        return fail(-EFBIG, "inode %llu has %llu bytes", (unsigned long long)o->ino,
                    (unsigned long long)st.size);
    o->bytes = calloc(SHOT_PAGES, SHOT_PAGE);
    if (!o->bytes)
        return -ENOMEM;
    TRY(mount_pread(m, inode, o->bytes, SHOT_PAGES * SHOT_PAGE, 0, &len));
    return len == st.size ? 0
                          : fail(-EIO, "inode %llu: %zu bytes read of %llu",
                                 (unsigned long long)o->ino, len, (unsigned long long)st.size);
}

/* ---- the walk
 * ------------------------------------------------------------------------------------ */

struct listing {
    char names[SHOT_ENTRIES][SHOT_NAME];
    size_t count;
};

static int list(void *arg, const struct copse_dirent *entry)
{
    struct listing *listing = arg;

    if (entry->len <= 2 && memcmp(entry->name, "..", entry->len) == 0)
        return 0;
    if (listing->count == SHOT_ENTRIES)
        return 1;
    snprintf(listing->names[listing->count++], SHOT_NAME, "%.*s", (int)entry->len, entry->name);
    return 0;
}

static int walk(struct mount *m, struct inode *dir, struct shot *shot, unsigned depth);

static int visit(struct mount *m, struct inode *dir, const char *name, struct shot *shot,
                 unsigned depth)
{
    struct inode *inode;

    TRY(mount_lookup(m, dir, name, strlen(name), &inode));
    /* What is in another subvolume is not looked at; that it is there, is. */
    bool here = inode->tree == dir->tree;
    uint64_t ino = here ? inode->ino : 1ULL << 60 | inode->tree->root.id;
    struct entry *entry = &shot->entries[shot->entry_count++];
    *entry = (struct entry){.dir = dir->ino, .ino = ino};
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    struct object *o = object_of(shot, ino);
    int ret = 0;
    if (o) {
        o->names++;
    } else {
        o = &shot->objects[shot->object_count++];
        *o = (struct object){.ino = ino, .names = 1};
        ret = read_object(m, inode, o);
        if (ret == 0 && here && S_ISDIR(o->mode))
            ret = walk(m, inode, shot, depth + 1);
    }
    mount_put(m, inode);
    return ret;
}

static int walk(struct mount *m, struct inode *dir, struct shot *shot, unsigned depth)
{
    struct listing listing = {.count = 0};

    if (depth > 8)
        return fail(-ELOOP, "directories within each other");
    TRY(mount_readdir(m, dir, 0, list, &listing));
    for (size_t i = 0; i < listing.count; i++) {
        if (shot->entry_count == SHOT_ENTRIES || shot->object_count == SHOT_OBJECTS)
            return fail(-E2BIG, "more names than there can be");
        TRY(visit(m, dir, listing.names[i], shot, depth));
    }
    return 0;
}

int shot_take(struct mount *m, struct shot *shot)
{
    *shot = (struct shot){0};
    int ret = walk(m, m->root, shot, 0);
    if (ret < 0)
        shot_free(shot);
    return ret;
}
