// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations on names. */
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/bits.h"
#include "tests/model/ops.h"

#define INHERITED_FLAGS (FS_NOCOW_FL | FS_COMPR_FL | FS_NOCOMP_FL)
#define COMPRESSION "btrfs.compression"
/* Some operations make many names at once; not more in one directory. */
#define NAMES_MAX 400
#define BURST 60

/* ---- making
 * -------------------------------------------------------------------------------------- */

/* What a directory hands down. */
static void inherit(struct world *world, struct mnode *node, const struct mnode *dir)
{
    const struct mxattr *compression = model_xattr(dir, COMPRESSION);

    node->flags = dir->flags & INHERITED_FLAGS;
    if (S_ISREG(node->mode) && world->config.nodatacow)
        node->flags |= FS_NOCOW_FL;
    if (dir->mode & S_ISGID) {
        node->gid = dir->gid;
        if (S_ISDIR(node->mode))
            node->mode |= S_ISGID;
    }
    if (compression && (dir->flags & (FS_COMPR_FL | FS_NOCOMP_FL)) &&
        (S_ISREG(node->mode) || S_ISDIR(node->mode)))
        model_set_xattr(node, COMPRESSION, compression->value, compression->len);
}

struct making {
    struct mnode *dir;
    char name[MODEL_NAME_MAX + 1];
    uint32_t mode;
    uint64_t rdev;
    struct copse_cred cred;
    const char *target;
};

static int make_on_disk(struct step *step, const struct making *making, struct inode **out)
{
    struct world *world = step->world;
    size_t len = strlen(making->name);
    struct inode *dir;
    int ret;

    if (world_inode(world, making->dir, &dir) < 0)
        return 1;
    if (S_ISDIR(making->mode))
        ret = mount_mkdir(world->m, dir, making->name, len, making->mode, &making->cred, out);
    else if (S_ISLNK(making->mode))
        ret = mount_symlink(world->m, dir, making->name, len, making->target, &making->cred, out);
    else
        ret = mount_mknod(world->m, dir, making->name, len, making->mode, making->rdev,
                          &making->cred, out);
    mount_put(world->m, dir);
    return ret;
}

static int make(struct step *step, const struct making *making, const char *what)
{
    struct world *world = step->world;
    char text[600];
    struct inode *inode;

    snprintf(text, sizeof(text), "%s %s/%s mode %o", what, model_path(&world->now, making->dir),
             making->name, making->mode);
    int ret = make_on_disk(step, making, &inode);
    if (ret == 1)
        return -1;
    if (ret == 0)
        mount_put(world->m, inode);
    ret = answered(step, text, ret, model_find(making->dir, making->name) ? -EEXIST : 0);
    if (ret <= 0)
        return ret;
    struct mnode *node = model_new(&world->now, making->mode);
    node->uid = making->cred.uid;
    node->gid = making->cred.gid;
    node->rdev = making->rdev;
    node->target = making->target ? strdup(making->target) : NULL;
    inherit(world, node, making->dir);
    model_add_name(making->dir, making->name, node);
    return 0;
}

static struct making choose(struct step *step, uint32_t type)
{
    struct making making = {
        .dir = pick_dir(step),
        .mode = type | (uint32_t)pick(step, 01000),
        .cred = {.uid = (uint32_t)pick(step, 3), .gid = (uint32_t)pick(step, 3)},
    };

    pick_name(step, making.dir, making.name);
    return making;
}

int op_create(struct step *step)
{
    struct making making = choose(step, S_IFREG);

    return make(step, &making, "create");
}

int op_mkdir(struct step *step)
{
    struct making making = choose(step, S_IFDIR);

    if (chance(step, 8))
        making.mode |= S_ISGID;
    return make(step, &making, "mkdir");
}

int op_mknod(struct step *step)
{
    static const uint32_t types[] = {S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK};
    struct making making = choose(step, types[pick(step, ARRAY_LEN(types))]);

    if (S_ISCHR(making.mode) || S_ISBLK(making.mode))
        making.rdev = makedev(pick(step, 4096), pick(step, 1 << 20));
    return make(step, &making, "mknod");
}

int op_symlink(struct step *step)
{
    struct making making = choose(step, S_IFLNK);
    char target[4096];
    size_t len = 1 + pick(step, chance(step, 4) ? 3000 : 60);

    making.mode = S_IFLNK | 0777;
    memset(target, 't', len);
    target[len] = '\0';
    making.target = target;
    return make(step, &making, "symlink");
}

/* Many files at once, so that directories span several leaves. */
int op_burst(struct step *step)
{
    struct making making = choose(step, S_IFREG);
    unsigned first = (unsigned)pick(step, 1000), count = 5;

    if (step->world->config.many_names && making.dir->name_count < NAMES_MAX)
        count = BURST;
    for (unsigned i = 0; i < count; i++) {
        snprintf(making.name, sizeof(making.name), "%.*s%u", (int)(first % 180 + 1),
                 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                 "bbbbbbbbbbbbbbbbbbb",
                 first + i);
        if (make(step, &making, "burst") < 0)
            return -1;
    }
    return 0;
}

/* ---- holding
 * -------------------------------------------------------------------------------------- */

static struct held *free_hold(struct step *step)
{
    for (size_t i = 0; i < WORLD_HELD; i++)
        if (!step->world->held[i].node)
            return &step->world->held[i];
    return NULL;
}

int op_hold(struct step *step)
{
    struct held *held = free_hold(step);
    struct mnode *node = pick_node(step);

    if (!held || node->held)
        return 0;
    told(step->world, "hold %s\n", model_path(&step->world->now, node));
    if (world_inode(step->world, node, &held->inode) < 0)
        return -1;
    held->node = node;
    node->held = true;
    return 0;
}

int op_release(struct step *step)
{
    struct held *held = &step->world->held[pick(step, WORLD_HELD)];
    struct mnode *node = held->node;

    if (!node)
        return 0;
    told(step->world, "release %s\n", model_path(&step->world->now, node));
    mount_put(step->world->m, held->inode);
    *held = (struct held){0};
    node->held = false;
    model_drop(&step->world->now, node);
    return 0;
}

int op_tmpfile(struct step *step)
{
    struct world *world = step->world;
    struct held *held = free_hold(step);
    struct mnode *dir = pick_dir(step);
    const struct copse_cred cred = {.uid = 1, .gid = 2};
    uint32_t mode = S_IFREG | (uint32_t)pick(step, 01000);
    struct inode *parent;
    char text[300];

    if (!held)
        return 0;
    snprintf(text, sizeof(text), "tmpfile in %.200s", model_path(&world->now, dir));
    if (world_inode(world, dir, &parent) < 0)
        return -1;
    int ret = mount_tmpfile(world->m, parent, mode, &cred, &held->inode);
    mount_put(world->m, parent);
    ret = answered(step, text, ret, 0);
    if (ret <= 0)
        return ret;
    struct mnode *node = model_new(&world->now, mode);
    node->uid = cred.uid;
    node->gid = cred.gid;
    inherit(world, node, dir);
    node->held = true;
    held->node = node;
    return 0;
}

/* ---- linking and removing
 * -------------------------------------------------------------------------------------- */

int op_link(struct step *step)
{
    struct world *world = step->world;
    struct mnode *node = pick_node(step), *dir = pick_dir(step);
    char name[MODEL_NAME_MAX + 1], text[700];
    struct inode *inode, *parent;

    pick_name(step, dir, name);
    if (chance(step, 2))
        snprintf(name, sizeof(name), "link-%.100llu", (unsigned long long)pick(step, 1000));
    snprintf(text, sizeof(text), "link %.200s", model_path(&world->now, node));
    snprintf(text + strlen(text), 400, " as %.100s/%s", model_path(&world->now, dir), name);
    if (world_inode(world, node, &inode) < 0)
        return -1;
    if (world_inode(world, dir, &parent) < 0) {
        mount_put(world->m, inode);
        return -1;
    }
    int expected = S_ISDIR(node->mode) ? -EPERM : model_find(dir, name) ? -EEXIST : 0;
    int ret = mount_link(world->m, inode, parent, name, strlen(name));
    mount_put(world->m, inode);
    mount_put(world->m, parent);
    /* Without extended references the names of one file in one directory must fit into an item. */
    if (ret == -EMLINK && expected == 0 && (world->config.mkfs.features_off & MKFS_EXTREF))
        return answered(step, text, ret, -EMLINK);
    ret = answered(step, text, ret, expected);
    if (ret > 0)
        model_add_name(dir, name, node);
    return ret < 0 ? -1 : 0;
}

/* More names for one file in one directory than an item holds: they spill into extended references,
 * or, where there are none, are refused. */
int op_many_links(struct step *step)
{
    struct world *world = step->world;
    struct mnode *node = pick_file(step), *dir = pick_dir(step);
    bool spills = !(world->config.mkfs.features_off & MKFS_EXTREF);
    uint64_t first = pick(step, 1000);
    struct inode *inode, *parent;
    int ret = 1;

    if (!node || dir->name_count > NAMES_MAX)
        return 0;
    if (world_inode(world, node, &inode) < 0)
        return -1;
    if (world_inode(world, dir, &parent) < 0) {
        mount_put(world->m, inode);
        return -1;
    }
    for (uint64_t i = 0; i < 30 && ret > 0; i++) {
        char name[MODEL_NAME_MAX + 1];

        snprintf(name, sizeof(name), "many-%0200llu", (unsigned long long)(first + i));
        if (model_find(dir, name))
            continue;
        ret = mount_link(world->m, inode, parent, name, strlen(name));
        if (ret == -EMLINK && !spills)
            break;
        ret = answered(step, "one of many links", ret, 0);
        if (ret > 0)
            model_add_name(dir, name, node);
    }
    mount_put(world->m, inode);
    mount_put(world->m, parent);
    return ret == -EMLINK ? 0 : ret;
}

static int remove_entry(struct step *step, struct mnode *dir, const char *name, bool as_dir)
{
    struct world *world = step->world;
    const struct mname *entry = model_find(dir, name);
    char text[600];
    struct inode *parent;
    int expected = 0, ret;

    snprintf(text, sizeof(text), "%s %.200s/%s", as_dir ? "rmdir" : "unlink",
             model_path(&world->now, dir), name);
    if (!entry)
        expected = -ENOENT;
    else if (as_dir && !S_ISDIR(entry->node->mode))
        expected = -ENOTDIR;
    else if (!as_dir && S_ISDIR(entry->node->mode))
        expected = -EISDIR;
    else if (as_dir && entry->node->name_count > 0)
        expected = -ENOTEMPTY;
    if (world_inode(world, dir, &parent) < 0)
        return -1;
    if (as_dir)
        ret = mount_rmdir(world->m, parent, name, strlen(name));
    else
        ret = mount_unlink(world->m, parent, name, strlen(name));
    mount_put(world->m, parent);
    ret = answered_freeing(step, text, ret, expected);
    if (ret > 0)
        model_remove_name(&world->now, dir, name);
    return ret < 0 ? -1 : 0;
}

int op_unlink(struct step *step)
{
    struct mnode *dir;
    const struct mname *entry = pick_entry(step, !chance(step, 10), &dir);
    char name[MODEL_NAME_MAX + 1];

    if (!entry)
        return 0;
    memcpy(name, entry->name, sizeof(name));
    if (chance(step, 20))
        pick_name(step, dir, name);
    return remove_entry(step, dir, name, false);
}

int op_rmdir(struct step *step)
{
    struct mnode *dir = pick_dir(step), *parent;
    const struct mname *entry;
    char name[MODEL_NAME_MAX + 1];

    parent = dir->parent ? dir->parent : dir;
    pick_name(step, parent, name);
    for (size_t i = 0; i < parent->name_count; i++) {
        entry = &parent->names[i];
        if (entry->node == dir)
            memcpy(name, entry->name, sizeof(name));
    }
    return remove_entry(step, parent, name, true);
}

int remove_name(struct step *step, struct mnode *dir, const char *name)
{
    return remove_entry(step, dir, name, S_ISDIR(model_find(dir, name)->node->mode));
}

/* All that is not a directory. */
int op_purge(struct step *step)
{
    struct mnode *dir = pick_dir(step);

    for (size_t i = dir->name_count; i-- > 0;) {
        char name[MODEL_NAME_MAX + 1];

        if (S_ISDIR(dir->names[i].node->mode) || chance(step, 3))
            continue;
        memcpy(name, dir->names[i].name, sizeof(name));
        if (remove_entry(step, dir, name, false) < 0)
            return -1;
    }
    return 0;
}

/* ---- renaming
 * -------------------------------------------------------------------------------------- */

struct renaming {
    struct mnode *from_dir, *to_dir;
    char from[MODEL_NAME_MAX + 1], to[MODEL_NAME_MAX + 1];
    unsigned flags;
};

static int rename_expected(const struct renaming *r)
{
    const struct mname *from = model_find(r->from_dir, r->from);
    const struct mname *to = model_find(r->to_dir, r->to);

    if (!from)
        return -ENOENT;
    if (r->flags & COPSE_RENAME_EXCHANGE) {
        if (!to)
            return -ENOENT;
        if (model_is_above(from->node, r->to_dir) || model_is_above(to->node, r->from_dir))
            return -EINVAL;
        return 0;
    }
    if (to && (r->flags & COPSE_RENAME_NOREPLACE))
        return -EEXIST;
    if (to && to->node == from->node)
        return 0;
    if (model_is_above(from->node, r->to_dir))
        return -EINVAL;
    if (!to)
        return 0;
    if (S_ISDIR(from->node->mode) && !S_ISDIR(to->node->mode))
        return -ENOTDIR;
    if (!S_ISDIR(from->node->mode) && S_ISDIR(to->node->mode))
        return -EISDIR;
    return to->node->name_count > 0 ? -ENOTEMPTY : 0;
}

static void leave_whiteout(struct world *world, const struct renaming *r, const struct mnode *node)
{
    struct mnode *whiteout = model_new(&world->now, S_IFCHR);

    whiteout->uid = node->uid;
    whiteout->gid = node->gid;
    inherit(world, whiteout, r->from_dir);
    model_add_name(r->from_dir, r->from, whiteout);
}

static void rename_model(struct world *world, const struct renaming *r)
{
    struct mname *from = model_find(r->from_dir, r->from);
    struct mname *to = model_find(r->to_dir, r->to);
    struct mnode *node = from->node;

    if (to && to->node == node)
        return;
    if (r->flags & COPSE_RENAME_EXCHANGE) {
        from->node = to->node;
        to->node = node;
        if (S_ISDIR(from->node->mode))
            from->node->parent = r->from_dir;
        if (S_ISDIR(to->node->mode))
            to->node->parent = r->to_dir;
        return;
    }
    if (to)
        model_remove_name(&world->now, r->to_dir, r->to);
    node->nlink++; /* so that it stays while it has no name */
    model_remove_name(&world->now, r->from_dir, r->from);
    model_add_name(r->to_dir, r->to, node);
    node->nlink--;
    if (r->flags & COPSE_RENAME_WHITEOUT)
        leave_whiteout(world, r, node);
}

int op_rename(struct step *step)
{
    static const unsigned flags[] = {0,
                                     0,
                                     0,
                                     COPSE_RENAME_NOREPLACE,
                                     COPSE_RENAME_EXCHANGE,
                                     COPSE_RENAME_EXCHANGE,
                                     COPSE_RENAME_WHITEOUT};
    struct world *world = step->world;
    struct renaming r = {.flags = flags[pick(step, ARRAY_LEN(flags))]};
    struct inode *from_dir, *to_dir;
    char text[900];
    const struct mname *entry = pick_entry(step, false, &r.from_dir);

    if (!entry)
        return 0;
    memcpy(r.from, entry->name, sizeof(r.from));
    r.to_dir = chance(step, 2) ? r.from_dir : pick_dir(step);
    pick_name(step, r.to_dir, r.to);
    snprintf(text, sizeof(text), "rename %.100s/%s", model_path(&world->now, r.from_dir), r.from);
    snprintf(text + strlen(text), 400, " to %.100s/%s flags %u", model_path(&world->now, r.to_dir),
             r.to, r.flags);
    if (world_inode(world, r.from_dir, &from_dir) < 0)
        return -1;
    if (world_inode(world, r.to_dir, &to_dir) < 0) {
        mount_put(world->m, from_dir);
        return -1;
    }
    int ret = mount_rename(world->m, from_dir, r.from, strlen(r.from), to_dir, r.to, strlen(r.to),
                           r.flags);
    mount_put(world->m, from_dir);
    mount_put(world->m, to_dir);
    int expected = rename_expected(&r);
    if (ret == -EMLINK && expected == 0 && (world->config.mkfs.features_off & MKFS_EXTREF))
        expected = -EMLINK;
    ret = answered(step, text, ret, expected);
    if (ret > 0)
        rename_model(world, &r);
    return ret < 0 ? -1 : 0;
}
