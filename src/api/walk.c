// SPDX-License-Identifier: GPL-2.0-or-later
/* Paths: one component after another, symlinks followed inside the file system. */
#include "api/internal.h"

#include <sys/stat.h>

/* As many as Linux follows. */
#define SYMLINKS_MAX 40
/* Linux gives no symlink target more room. */
#define TARGET_MAX 4096

struct walk {
    struct mount *mount;
    struct inode *at; /* referenced */
    unsigned symlinks;
    unsigned flags;
};

static void walk_to(struct walk *walk, struct inode *next)
{
    mount_put(walk->mount, walk->at);
    walk->at = next;
}

static int walk_path(struct walk *walk, const char *path, bool last);

/* Stands on a symlink that `dir` holds: goes where it points. Takes neither reference. */
static int follow(struct walk *walk, struct inode *dir, bool last)
{
    char target[TARGET_MAX];
    size_t len;

    if (++walk->symlinks > SYMLINKS_MAX)
        return fail(-ELOOP, "%s", strerror(ELOOP));
    TRY(mount_readlink(walk->mount, walk->at, target, sizeof(target) - 1, &len));
    if (len >= sizeof(target))
        return fail(-ENAMETOOLONG, "symlink of %zu bytes", len);
    target[len] = '\0';
    if (len == 0)
        return fail(-ENOENT, "%s", strerror(ENOENT));
    walk_to(walk, inode_ref(dir));
    return walk_path(walk, target, last);
}

/* The component name of the directory we stand on. last: nothing comes behind it. */
static int step(struct walk *walk, const char *name, size_t len, bool last, bool must_be_dir)
{
    struct inode *dir = walk->at, *next;
    bool wanted = last && !must_be_dir && (walk->flags & COPSE_WALK_NOFOLLOW);
    int ret;

    if (!inode_is_dir(dir))
        return fail(-ENOTDIR, "%s", strerror(ENOTDIR));
    if (len > NAME_MAX_BYTES)
        return fail(-ENAMETOOLONG, "%s", strerror(ENAMETOOLONG));
    TRY(mount_lookup(walk->mount, dir, name, len, &next));
    if (!inode_is_symlink(next) || wanted) {
        walk_to(walk, next);
    } else {
        walk->at = next;
        ret = follow(walk, dir, last);
        mount_put(walk->mount, dir);
        TRY(ret);
    }
    if (must_be_dir && !inode_is_dir(walk->at))
        return fail(-ENOTDIR, "%s", strerror(ENOTDIR));
    return 0;
}

/* last: whether the end of this path is the end of the whole walk. */
static int walk_path(struct walk *walk, const char *path, bool last)
{
    if (*path == '/')
        walk_to(walk, inode_ref(walk->mount->root));
    while (true) {
        size_t len;
        const char *rest;

        path += strspn(path, "/");
        if (*path == '\0')
            return 0;
        len = strcspn(path, "/");
        rest = path + len + strspn(path + len, "/");
        TRY(step(walk, path, len, last && *rest == '\0', path[len] == '/'));
        path = rest;
    }
}

static int walk_from(copse_fs *fs, copse_node *from, const char *path, unsigned flags,
                     copse_node **out)
{
    struct walk walk = {.mount = mount_of(fs), .flags = flags};
    int ret;

    API_REQUIRE(path && out);
    walk.at = inode_ref(from ? inode_of(from) : walk.mount->root);
    ret = walk_path(&walk, path, true);
    if (ret < 0)
        mount_put(walk.mount, walk.at);
    else
        *out = node_of(walk.at);
    return ret;
}

COPSE_EXPORT int copse_walk(copse_fs *fs, copse_node *from, const char *path, unsigned flags,
                            copse_node **out)
{
    return API_CALL(walk_from(fs, from, path, flags, out));
}
