// SPDX-License-Identifier: GPL-2.0-or-later
/* Who has what: the paths of an inode, the files at an address. */
#include "api/internal.h"

#include <stdio.h>

/* Longer paths are a loop of directories. */
#define DEPTH_MAX 4096

/* One name of an inode, or of a directory above it. */
struct named {
    uint64_t parent;
    char name[NAME_MAX_BYTES + 1];
};

struct all_names {
    struct named *list;
    size_t count;
};

static int keep_name(void *arg, uint64_t parent, uint64_t index, const char *name, uint16_t len)
{
    struct all_names *names = arg;
    struct named *list = realloc(names->list, (names->count + 1) * sizeof(*list));

    (void)index;
    if (!list)
        return fail(-ENOMEM, "listing names");
    names->list = list;
    list[names->count].parent = parent;
    memcpy(list[names->count].name, name, len);
    list[names->count++].name[len] = '\0';
    return 0;
}

static int keep_first(void *arg, uint64_t parent, uint64_t index, const char *name, uint16_t len)
{
    struct named *named = arg;

    (void)index;
    named->parent = parent;
    memcpy(named->name, name, len);
    named->name[len] = '\0';
    return 1;
}

/* Puts the names of the directories above in front; *path is replaced. */
static int path_to_root(struct tree_handle *tree, uint64_t dir, char **path)
{
    for (unsigned depth = 0; dir != INO_SUBVOL_ROOT; depth++) {
        struct named named;
        char *longer;
        int ret = inode_each_name(tree, dir, keep_first, &named);

        if (ret == 0)
            return fail(-EUCLEAN, "tree %llu: directory %llu has no name",
                        (unsigned long long)tree->root.id, (unsigned long long)dir);
        if (ret < 0)
            return ret;
        if (depth > DEPTH_MAX)
            return fail(-EUCLEAN, "tree %llu: directory %llu is in itself",
                        (unsigned long long)tree->root.id, (unsigned long long)dir);
        if (asprintf(&longer, "%s/%s", named.name, *path) < 0)
            return fail(-ENOMEM, "building a path");
        free(*path);
        *path = longer;
        dir = named.parent;
    }
    return 0;
}

/* All paths, with the lock held; paths are collected because fn may take its time. */
static int collect_paths(struct tree_handle *tree, uint64_t ino, char ***paths, size_t *count)
{
    struct all_names names = {0};
    int ret = inode_each_name(tree, ino, keep_name, &names);

    if (ret == 0 && names.count == 0 && ino != INO_SUBVOL_ROOT)
        ret = fail(-ENOENT, "inode %llu has no name", (unsigned long long)ino);
    if (ret == 0 && names.count > 0) {
        *paths = calloc(names.count, sizeof(char *));
        if (!*paths)
            ret = fail(-ENOMEM, "listing paths");
    }
    for (size_t i = 0; ret == 0 && i < names.count; i++) {
        char *path = strdup(names.list[i].name);
        ret =
            path ? path_to_root(tree, names.list[i].parent, &path) : fail(-ENOMEM, "listing paths");
        if (ret == 0)
            (*paths)[(*count)++] = path;
        else
            free(path);
    }
    free(names.list);
    return ret;
}

static int each_path(struct store *store, struct tree_handle *tree, uint64_t ino,
                     int (*fn)(void *arg, const char *path), void *arg)
{
    char **paths = NULL;
    size_t count = 0;
    bool stop = false;
    int ret;

    store_read_lock(store);
    ret = collect_paths(tree, ino, &paths, &count);
    store_read_unlock(store);
    for (size_t i = 0; i < count; i++) {
        if (ret == 0 && !stop)
            stop = fn(arg, paths[i]) != 0;
        free(paths[i]);
    }
    free(paths);
    return ret;
}

COPSE_EXPORT int copse_inode_paths(copse_node *node, uint64_t ino,
                                   int (*fn)(void *arg, const char *path), void *arg)
{
    struct inode *inode = inode_of(node);

    return API_CALL(each_path(inode->fs->store, inode->tree, ino, fn, arg));
}

static int subvol_inode_paths(struct mount *mount, uint64_t subvol, uint64_t ino,
                              int (*fn)(void *arg, const char *path), void *arg)
{
    struct store *store = mount->fs.store;
    struct tree_handle *tree;
    int ret;

    store_read_lock(store);
    ret = is_fs_tree(subvol) ? roots_get(store->roots, subvol, &tree)
                             : fail(-ENOENT, "%llu is no subvolume", (unsigned long long)subvol);
    store_read_unlock(store);
    return ret < 0 ? ret : each_path(store, tree, ino, fn, arg);
}

COPSE_EXPORT int copse_subvol_inode_paths(copse_fs *fs, uint64_t subvol, uint64_t ino,
                                          int (*fn)(void *arg, const char *path), void *arg)
{
    return API_CALL(subvol_inode_paths(mount_of(fs), subvol, ino, fn, arg));
}

COPSE_EXPORT int copse_logical_owners(copse_fs *fs, uint64_t logical, unsigned flags,
                                      int (*fn)(void *arg, const struct copse_owner *owner),
                                      void *arg)
{
    return API_CALL(mount_logical_owners(mount_of(fs), logical, flags, fn, arg));
}
