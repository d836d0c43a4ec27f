// SPDX-License-Identifier: GPL-2.0-or-later
#include "fs/subvol/subvol.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "disk/csum/csum.h"

/* ---- default subvolume --------------------------------------------------------------------------
 */

/* A directory entry of the root tree's own directory names the default subvolume. */
static const char default_name[] = "default";
#define DEFAULT_NAME_LEN (sizeof(default_name) - 1)

static struct key default_key(void)
{
    return key_make(ROOT_TREE_DIR, KEY_DIR_ITEM, name_hash(default_name, DEFAULT_NAME_LEN));
}

static bool is_default_entry(const struct path *path)
{
    struct dir_item head;

    if (path_size(path) < sizeof(disk_dir_item) + DEFAULT_NAME_LEN)
        return false;
    dir_item_decode(&head, path_data(path));
    return head.name_len == DEFAULT_NAME_LEN &&
           memcmp((const uint8_t *)path_data(path) + sizeof(disk_dir_item), default_name,
                  DEFAULT_NAME_LEN) == 0;
}

int subvol_get_default(struct fs *fs, uint64_t *id)
{
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = default_key();
    struct dir_item head;

    int ret = tree_search(&fs->store->engine.root_tree, &key, &path);
    if (ret < 0)
        return ret;
    if (ret == 1) { /* made by tools that leave it out: the top level */
        *id = TREE_FS;
        return 0;
    }
    if (!is_default_entry(&path))
        return fail(-EUCLEAN, "%s: not the default subvolume's entry", path_where(&path));
    dir_item_decode(&head, path_data(&path));
    *id = head.location.objectid;
    return 0;
}

int subvol_set_default(struct fs *fs, uint64_t id)
{
    struct engine *engine = &fs->store->engine;
    AUTO_PATH struct path path = PATH_INIT;
    struct key key = default_key();
    struct tree_handle *tree;
    struct dir_item head;

    if (!is_fs_tree(id))
        return fail(-ENOENT, "tree %llu is no subvolume", (unsigned long long)id);
    TRY(roots_get(fs->store->roots, id, &tree));
    if (tree->item.refs == 0)
        return fail(-ENOENT, "subvolume %llu is deleted", (unsigned long long)id);
    int ret = tree_search_cow(&engine->root_tree, &key, 0, &path);
    if (ret < 0)
        return ret;
    if (ret == 1 || !is_default_entry(&path))
        return fail(-ENOENT, "the root tree has no entry for a default subvolume");
    dir_item_decode(&head, path_data(&path));
    head.location = key_make(id, KEY_ROOT_ITEM, UINT64_MAX);
    dir_item_encode(path_data_mut(&path), &head);
    engine->incompat |= INCOMPAT_DEFAULT_SUBVOL;
    return 0;
}

/* ---- paths
 * ------------------------------------------------------------------------------------------- */

/* Subvolumes nested deeper than this are a loop or an attack. */
#define NESTING_MAX 4096

struct name {
    uint64_t parent;
    char text[NAME_MAX_BYTES + 1];
    uint16_t len;
};

static int take_name(void *arg, uint64_t parent, uint64_t index, const char *text, uint16_t len)
{
    struct name *name = arg;

    (void)index;
    name->parent = parent;
    memcpy(name->text, text, len);
    name->len = len;
    return 1;
}

static int prepend(char **path, const char *name, size_t len)
{
    size_t old = *path ? strlen(*path) : 0;
    char *longer = malloc(len + 1 + old + 1);

    if (!longer)
        return fail(-ENOMEM, "no memory for a path");
    memcpy(longer, name, len);
    longer[len] = '\0';
    if (old != 0) {
        longer[len] = '/';
        memcpy(longer + len + 1, *path, old + 1);
    }
    free(*path);
    *path = longer;
    return 0;
}

/* Puts the path of directory dirid inside tree in front of *path. */
static int prepend_dirs(struct fs *fs, uint64_t tree_id, uint64_t dirid, char **path)
{
    struct tree_handle *tree;

    TRY(roots_get(fs->store->roots, tree_id, &tree));
    for (unsigned depth = 0; dirid != INO_SUBVOL_ROOT; depth++) {
        struct name name = {0};

        int ret = inode_each_name(tree, dirid, take_name, &name);
        if (ret < 0)
            return ret;
        if (name.len == 0)
            return fail(-ENOENT, "tree %llu: directory %llu has no name",
                        (unsigned long long)tree_id, (unsigned long long)dirid);
        if (depth > NESTING_MAX)
            return fail(-EUCLEAN, "tree %llu: the parents of directory %llu form a loop",
                        (unsigned long long)tree_id, (unsigned long long)dirid);
        TRY(prepend(path, name.text, name.len));
        dirid = name.parent;
    }
    return 0;
}

int subvol_path(struct fs *fs, uint64_t id, char **out)
{
    AUTO_FREE char *path = NULL;
    uint64_t current = id, seen = id;

    for (unsigned depth = 0; current != TREE_FS; depth++) {
        char name[NAME_MAX_BYTES + 1];
        uint64_t parent, dirid, index;
        uint16_t len;

        /* On a loop one comes back to where one stood after some power of two of steps. */
        if (depth > NESTING_MAX || (depth > 0 && current == seen))
            return fail(-EUCLEAN, "the parents of subvolume %llu form a loop",
                        (unsigned long long)id);
        if (is_pow2(depth))
            seen = current;
        TRY(root_ref_find(&fs->store->engine, current, &parent, &dirid, &index, name, &len));
        TRY(prepend(&path, name, len));
        TRY(prepend_dirs(fs, parent, dirid, &path));
        current = parent;
    }
    if (!path) {
        path = strdup("");
        if (!path)
            return fail(-ENOMEM, "no memory for a path");
    }
    *out = STEAL(path);
    return 0;
}
