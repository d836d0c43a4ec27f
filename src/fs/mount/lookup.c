// SPDX-License-Identifier: GPL-2.0-or-later
/* From names to inodes, across subvolumes. */
#include "fs/mount/internal.h"

#include <dirent.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/*
 * A snapshot contains the names of subvolumes nested in its source, but not the subvolumes. Like
 * Linux we show an empty directory there, which has no inode of its own on disk: a stub, numbered
 * beyond all real inodes.
 */
#define STUB_MARK (1ULL << 62)

uint64_t stub_ino(uint64_t subvol)
{
    return STUB_MARK | subvol;
}

bool is_stub(const struct inode *inode)
{
    return (inode->ino & STUB_MARK) != 0;
}

int subvol_is_here(struct mount *m, const struct inode *dir, const void *name, uint16_t len,
                   uint64_t subvol, bool *here)
{
    struct key key = key_make(dir->tree->root.id, KEY_ROOT_REF, subvol);
    AUTO_PATH struct path path = PATH_INIT;
    struct root_ref ref;

    *here = false;
    int ret = tree_search(&m->fs.store->engine.root_tree, &key, &path);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    if (path_size(&path) < sizeof(disk_root_ref))
        return fail(-EUCLEAN, "%s: too short for a root reference", path_where(&path));
    root_ref_decode(&ref, path_data(&path));
    *here = ref.dirid == dir->ino && ref.name_len == len &&
            path_size(&path) >= sizeof(disk_root_ref) + len &&
            memcmp((const uint8_t *)path_data(&path) + sizeof(disk_root_ref), name, len) == 0;
    return 0;
}

static int get_stub(struct mount *m, struct inode *dir, uint64_t subvol, struct inode **out)
{
    struct inode_item item = {
        .nlink = 1,
        .mode = S_IFDIR | 0755,
        .atime = dir->item.mtime,
        .ctime = dir->item.mtime,
        .mtime = dir->item.mtime,
        .otime = dir->item.otime,
    };

    TRY(inode_get_virtual(&m->fs, dir->tree, stub_ino(subvol), &item, out));
    (*out)->dir_parent_hint = dir->ino;
    return 0;
}

/* What something on the device refers to and is missing is damage, no answer to a question. */
static int must_be_there(int ret)
{
    return ret == -ENOENT ? -EUCLEAN : ret;
}

int entry_inode(struct mount *m, struct inode *dir, const void *name, uint16_t len,
                const struct dir_entry *entry, struct inode **out)
{
    struct tree_handle *tree;
    bool here;

    if (entry->location.type == KEY_INODE_ITEM) {
        int ret = inode_get_locked(&m->fs, dir->tree, entry->location.objectid, out);
        return ret == -ENOENT ? fail(-EUCLEAN, "tree %llu: a name for inode %llu, which is missing",
                                     (unsigned long long)dir->tree->root.id,
                                     (unsigned long long)entry->location.objectid)
                              : ret;
    }
    TRY(subvol_is_here(m, dir, name, len, entry->location.objectid, &here));
    if (!here)
        return get_stub(m, dir, entry->location.objectid, out);
    TRY(must_be_there(roots_get(m->fs.store->roots, entry->location.objectid, &tree)));
    return must_be_there(inode_get_locked(&m->fs, tree, INO_SUBVOL_ROOT, out));
}

/* The directory above; above the root of the mount is the root. */
static int lookup_parent(struct mount *m, struct inode *dir, struct inode **out)
{
    struct tree_handle *tree = dir->tree;
    uint64_t parent;

    if (dir == m->root) {
        *out = inode_ref(dir);
        return 0;
    }
    if (is_stub(dir)) {
        parent = dir->dir_parent_hint;
    } else if (dir->ino == INO_SUBVOL_ROOT) {
        char name[NAME_MAX_BYTES + 1];
        uint64_t tree_id, index;
        uint16_t len;

        int ret = root_ref_find(&m->fs.store->engine, tree->root.id, &tree_id, &parent, &index,
                                name, &len);
        if (ret == -ENOENT) { /* the top level above a mounted subvolume */
            *out = inode_ref(dir);
            return 0;
        }
        if (ret < 0)
            return ret;
        TRY(must_be_there(roots_get(m->fs.store->roots, tree_id, &tree)));
    } else {
        TRY(must_be_there(dir_parent(dir, &parent)));
    }
    return must_be_there(inode_get_locked(&m->fs, tree, parent, out));
}

static int lookup_locked(struct mount *m, struct inode *dir, const char *name, size_t len,
                         struct inode **out)
{
    struct dir_entry entry;

    if (len == 1 && name[0] == '.') {
        *out = inode_ref(dir);
        return 0;
    }
    if (len == 2 && name[0] == '.' && name[1] == '.')
        return lookup_parent(m, dir, out);
    TRY(dir_lookup(dir, name, (uint16_t)len, &entry));
    return entry_inode(m, dir, name, (uint16_t)len, &entry, out);
}

int mount_lookup(struct mount *m, struct inode *dir, const char *name, size_t len,
                 struct inode **out)
{
    if (!inode_is_dir(dir))
        return fail(-ENOTDIR, "inode %llu is no directory", (unsigned long long)dir->ino);
    if (len > NAME_MAX_BYTES)
        return fail(-ENAMETOOLONG, "a name of %zu bytes", len);
    TRY(inode_is_there(dir));
    store_read_lock(m->fs.store);
    int ret = lookup_locked(m, dir, name, len, out);
    store_read_unlock(m->fs.store);
    return ret;
}

/* ---- reading directories
 * -------------------------------------------------------------------------- */

/* Cookies: 1 is behind ".", 2 behind "..", index + 1 behind the entry with that index (>= 2). */
#define COOKIE_DOT 1
#define COOKIE_DOT_DOT 2

static const uint8_t dirent_types[FT_MAX] = {
    [FT_UNKNOWN] = DT_UNKNOWN, [FT_REG_FILE] = DT_REG, [FT_DIR] = DT_DIR,   [FT_CHRDEV] = DT_CHR,
    [FT_BLKDEV] = DT_BLK,      [FT_FIFO] = DT_FIFO,    [FT_SOCK] = DT_SOCK, [FT_SYMLINK] = DT_LNK,
};

struct reading {
    struct mount *m;
    struct inode *dir;
    int (*fn)(void *arg, const struct copse_dirent *entry);
    void *arg;
    int error;
};

static uint64_t entry_number(struct reading *r, const struct dir_name *name)
{
    struct fs *fs = &r->m->fs;
    bool here;

    if (name->location.type != KEY_ROOT_ITEM)
        return subvol_ino(fs, r->dir->tree->root.id, name->location.objectid);
    r->error = subvol_is_here(r->m, r->dir, name->name, name->len, name->location.objectid, &here);
    if (r->error == 0 && here)
        return subvol_ino(fs, name->location.objectid, INO_SUBVOL_ROOT);
    return subvol_ino(fs, r->dir->tree->root.id, stub_ino(name->location.objectid));
}

static int read_entry(void *arg, const struct dir_name *name)
{
    struct reading *r = arg;
    struct copse_dirent entry = {
        .name = name->name,
        .len = name->len,
        .ino = entry_number(r, name),
        .type = name->type < FT_MAX ? dirent_types[name->type] : DT_UNKNOWN,
        .cookie = name->index + 1,
    };

    if (r->error < 0)
        return 1;
    return r->fn(r->arg, &entry) != 0;
}

/* "." and ".."; true when fn wants no more. */
static int read_dots(struct reading *r, uint64_t cookie, bool *stop)
{
    struct fs *fs = &r->m->fs;
    struct inode *parent;

    *stop = false;
    if (cookie < COOKIE_DOT) {
        struct copse_dirent dot = {".", 1, subvol_ino(fs, r->dir->tree->root.id, r->dir->ino),
                                   DT_DIR, COOKIE_DOT};
        *stop = r->fn(r->arg, &dot) != 0;
    }
    if (*stop || cookie >= COOKIE_DOT_DOT)
        return 0;
    TRY(lookup_parent(r->m, r->dir, &parent));
    struct copse_dirent dots = {"..", 2, subvol_ino(fs, parent->tree->root.id, parent->ino), DT_DIR,
                                COOKIE_DOT_DOT};
    inode_put(parent);
    *stop = r->fn(r->arg, &dots) != 0;
    return 0;
}

int mount_readdir(struct mount *m, struct inode *dir, uint64_t cookie,
                  int (*fn)(void *arg, const struct copse_dirent *entry), void *arg)
{
    struct reading r = {.m = m, .dir = dir, .fn = fn, .arg = arg};
    bool stop;

    if (!inode_is_dir(dir))
        return fail(-ENOTDIR, "inode %llu is no directory", (unsigned long long)dir->ino);
    TRY(inode_is_there(dir));
    store_read_lock(m->fs.store);
    int ret = read_dots(&r, cookie, &stop);
    if (ret == 0 && !stop && !is_stub(dir))
        ret = dir_each(dir, cookie > COOKIE_DOT_DOT ? cookie - 1 : 0, read_entry, &r);
    store_read_unlock(m->fs.store);
    if (ret >= 0 && r.error == 0)
        note_access(m, dir);
    return r.error < 0 ? r.error : MIN(ret, 0);
}
