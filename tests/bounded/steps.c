// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bounded/steps.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "tests/bounded/shot.h"

enum kind {
    CREATE,
    MKDIR,
    SYMLINK,
    FIFO,
    TMPFILE,
    LINK,
    RENAME,
    EXCHANGE,
    WHITEOUT,
    UNLINK,
    RMDIR,
    WRITE,
    TRUNCATE,
    ALLOCATE,
    ALLOCATE_KEEP,
    PUNCH,
    ZERO,
    COLLAPSE,
    INSERT,
    XATTR,
    XATTR_REMOVE,
    CHMOD,
    CLONE,
    SNAPSHOT,
};

struct step {
    const char *name;
    enum kind kind;
    const char *a, *b;
    uint64_t offset, len;
};

#define KIB4 4096

static const struct step steps[] = {
    {"create A/new", CREATE, "A/new", NULL, 0, 0},
    {"create B/foo", CREATE, "B/foo", NULL, 0, 0},
    {"create new", CREATE, "new", NULL, 0, 0},
    {"mkdir A/C", MKDIR, "A/C", NULL, 0, 0},
    {"mkdir D", MKDIR, "D", NULL, 0, 0},
    {"symlink A/new", SYMLINK, "A/new", NULL, 0, 0},
    {"mkfifo B/foo", FIFO, "B/foo", NULL, 0, 0},
    {"tmpfile, link A/new", TMPFILE, "A/new", NULL, 0, 0},
    {"link A/foo A/new", LINK, "A/foo", "A/new", 0, 0},
    {"link A/foo B/foo", LINK, "A/foo", "B/foo", 0, 0},
    {"link A/bar new", LINK, "A/bar", "new", 0, 0},
    {"link A/bar A/foo", LINK, "A/bar", "A/foo", 0, 0},
    {"rename A/foo A/new", RENAME, "A/foo", "A/new", 0, 0},
    {"rename A/foo B/foo", RENAME, "A/foo", "B/foo", 0, 0},
    {"rename A/foo A/bar", RENAME, "A/foo", "A/bar", 0, 0},
    {"rename A/bar A/foo", RENAME, "A/bar", "A/foo", 0, 0},
    {"rename B/foo A/foo", RENAME, "B/foo", "A/foo", 0, 0},
    {"rename A/new A/foo", RENAME, "A/new", "A/foo", 0, 0},
    {"rename B D", RENAME, "B", "D", 0, 0},
    {"rename A D", RENAME, "A", "D", 0, 0},
    {"rename B A/C", RENAME, "B", "A/C", 0, 0},
    {"rename A/C B/C", RENAME, "A/C", "B/C", 0, 0},
    {"exchange A/foo A/bar", EXCHANGE, "A/foo", "A/bar", 0, 0},
    {"exchange A/foo B/bar", EXCHANGE, "A/foo", "B/bar", 0, 0},
    {"exchange A B", EXCHANGE, "A", "B", 0, 0},
    {"whiteout A/foo A/new", WHITEOUT, "A/foo", "A/new", 0, 0},
    {"unlink A/foo", UNLINK, "A/foo", NULL, 0, 0},
    {"unlink A/bar", UNLINK, "A/bar", NULL, 0, 0},
    {"unlink B/bar", UNLINK, "B/bar", NULL, 0, 0},
    {"unlink A/new", UNLINK, "A/new", NULL, 0, 0},
    {"rmdir E", RMDIR, "E", NULL, 0, 0},
    {"rmdir A/C", RMDIR, "A/C", NULL, 0, 0},
    {"append A/foo", WRITE, "A/foo", NULL, 3 * KIB4, KIB4},
    {"append a little A/bar", WRITE, "A/bar", NULL, 2 * KIB4 - 100, 300},
    {"write A/foo", WRITE, "A/foo", NULL, KIB4, KIB4},
    {"write behind the end A/foo", WRITE, "A/foo", NULL, 8 * KIB4, 2 * KIB4},
    {"write A/new", WRITE, "A/new", NULL, 0, 3 * KIB4},
    {"write a little A/new", WRITE, "A/new", NULL, 0, 100},
    {"write B/foo", WRITE, "B/foo", NULL, 0, 2 * KIB4},
    {"truncate A/foo 5000", TRUNCATE, "A/foo", NULL, 5000, 0},
    {"truncate A/foo 40000", TRUNCATE, "A/foo", NULL, 40000, 0},
    {"truncate A/bar 0", TRUNCATE, "A/bar", NULL, 0, 0},
    {"falloc A/foo", ALLOCATE, "A/foo", NULL, 2 * KIB4, 4 * KIB4},
    {"falloc -k A/foo", ALLOCATE_KEEP, "A/foo", NULL, 3 * KIB4, 4 * KIB4},
    {"punch A/foo", PUNCH, "A/foo", NULL, KIB4, KIB4},
    {"zero A/foo", ZERO, "A/foo", NULL, 0, 2 * KIB4},
    {"collapse A/foo", COLLAPSE, "A/foo", NULL, KIB4, KIB4},
    {"insert A/foo", INSERT, "A/foo", NULL, KIB4, KIB4},
    {"xattr A/foo user.b", XATTR, "A/foo", "user.b", 0, 0},
    {"xattr A/foo user.a", XATTR, "A/foo", "user.a", 0, 0},
    {"xattr A user.b", XATTR, "A", "user.b", 0, 0},
    {"xattr rm A/foo user.a", XATTR_REMOVE, "A/foo", "user.a", 0, 0},
    {"chmod A/foo", CHMOD, "A/foo", NULL, 0, 0},
    {"clone A/foo A/bar", CLONE, "A/foo", "A/bar", 0, 0},
    {"clone A/foo A/foo", CLONE, "A/foo", "A/foo", 4 * KIB4, KIB4},
    {"snapshot", SNAPSHOT, "", "snap", 0, 0},
};

static const struct keep {
    const char *name;
    enum keep_kind kind;
    const char *path;
} keeps[] = {
    {"fsync A/foo", KEEP_FSYNC, "A/foo"},
    {"fsync A/bar", KEEP_FSYNC, "A/bar"},
    {"fsync A/new", KEEP_FSYNC, "A/new"},
    {"fsync B/foo", KEEP_FSYNC, "B/foo"},
    {"fsync D/foo", KEEP_FSYNC, "D/foo"},
    {"fsync A", KEEP_FSYNC, "A"},
    {"fsync B", KEEP_FSYNC, "B"},
    {"fsync .", KEEP_FSYNC, ""},
    {"fdatasync A/foo", KEEP_FDATASYNC, "A/foo"},
    {"fdatasync A/new", KEEP_FDATASYNC, "A/new"},
    {"sync", KEEP_SYNC, ""},
    {"-", KEEP_NOTHING, ""},
};

static const struct copse_cred nobody = {0, 0};

size_t steps_count(void)
{
    return ARRAY_LEN(steps);
}

const char *step_name(size_t i)
{
    return steps[i].name;
}

size_t keeps_count(void)
{
    return ARRAY_LEN(keeps);
}

const char *keep_name(size_t i)
{
    return keeps[i].name;
}

/* ---- names
 * -------------------------------------------------------------------------------------- */

static int walk_to(struct mount *m, const char *path, struct inode **out)
{
    struct inode *inode = inode_ref(m->root), *next;

    while (*path) {
        size_t len = strcspn(path, "/");
        int ret = mount_lookup(m, inode, path, len, &next);

        mount_put(m, inode);
        if (ret < 0)
            return ret;
        inode = next;
        path += len + (path[len] == '/');
    }
    *out = inode;
    return 0;
}

/* The directory that a name is in, and the name. */
static int walk_to_parent(struct mount *m, const char *path, struct inode **dir, const char **name)
{
    const char *slash = strrchr(path, '/');
    char parent[64] = "";

    if (slash)
        memcpy(parent, path, (size_t)(slash - path));
    *name = slash ? slash + 1 : path;
    return walk_to(m, parent, dir);
}

/* ---- what is done
 * --------------------------------------------------------------------------------- */

static int make(struct mount *m, const struct step *s, struct inode *dir, const char *name)
{
    size_t len = strlen(name);
    struct inode *made = NULL;
    int ret;

    switch (s->kind) {
    case CREATE:
        ret = mount_mknod(m, dir, name, len, S_IFREG | 0644, 0, &nobody, &made);
        break;
    case FIFO:
        ret = mount_mknod(m, dir, name, len, S_IFIFO | 0644, 0, &nobody, &made);
        break;
    case MKDIR:
        ret = mount_mkdir(m, dir, name, len, 0755, &nobody, &made);
        break;
    case SYMLINK:
        ret = mount_symlink(m, dir, name, len, "somewhere", &nobody, &made);
        break;
    case TMPFILE:
        ret = mount_tmpfile(m, dir, 0644, &nobody, &made);
        if (ret == 0)
            ret = mount_link(m, made, dir, name, len);
        break;
    default:
        ret = mount_subvol_snapshot(m, m->root, m->root, s->b, strlen(s->b),
                                    &(struct copse_subvol_options)COPSE_SUBVOL_OPTIONS_INIT, &made);
        break;
    }
    if (made)
        mount_put(m, made);
    return ret;
}

static int write_some(struct mount *m, struct inode *inode, const struct step *s, unsigned number)
{
    uint8_t bytes[3 * KIB4];
    size_t done;

    for (size_t i = 0; i < s->len; i++)
        bytes[i] = (uint8_t)(1 + (number * 37 + (s->offset + i) / 64 + i) % 255);
    return mount_pwrite(m, inode, bytes, s->len, s->offset, &done);
}

static int change(struct mount *m, struct inode *inode, const struct step *s, unsigned number)
{
    static const int modes[] = {
        [ALLOCATE] = 0,
        [ALLOCATE_KEEP] = FALLOC_FL_KEEP_SIZE,
        [PUNCH] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        [ZERO] = FALLOC_FL_ZERO_RANGE,
        [COLLAPSE] = FALLOC_FL_COLLAPSE_RANGE,
        [INSERT] = FALLOC_FL_INSERT_RANGE,
    };
    const struct copse_stat st = {.size = s->offset, .mode = S_IFREG | 0600};

    switch (s->kind) {
    case WRITE:
        return write_some(m, inode, s, number);
    case TRUNCATE:
        return mount_setattr(m, inode, COPSE_SET_SIZE, &st);
    case CHMOD:
        return mount_setattr(m, inode, COPSE_SET_MODE, &st);
    case XATTR:
        return mount_setxattr(m, inode, s->b, &number, sizeof(number), 0);
    case XATTR_REMOVE:
        return mount_removexattr(m, inode, s->b);
    default:
        return file_fallocate(inode, modes[s->kind], s->offset, s->len);
    }
}

static int on_names(struct mount *m, const struct step *s, struct inode *dir, const char *name)
{
    struct inode *other = NULL, *inode = NULL;
    const char *to;
    int ret;

    if (s->kind == UNLINK)
        return mount_unlink(m, dir, name, strlen(name));
    if (s->kind == RMDIR)
        return mount_rmdir(m, dir, name, strlen(name));
    TRY(walk_to_parent(m, s->b, &other, &to));
    if (s->kind == LINK) {
        ret = walk_to(m, s->a, &inode);
        if (ret == 0)
            ret = mount_link(m, inode, other, to, strlen(to));
    } else {
        ret = mount_rename(m, dir, name, strlen(name), other, to, strlen(to),
                           s->kind == EXCHANGE   ? COPSE_RENAME_EXCHANGE
                           : s->kind == WHITEOUT ? COPSE_RENAME_WHITEOUT
                                                 : 0);
    }
    if (inode)
        mount_put(m, inode);
    mount_put(m, other);
    return ret;
}

static int share(struct mount *m, struct inode *src, const struct step *s)
{
    struct inode *dst;

    TRY(walk_to(m, s->b, &dst));
    int ret = inode_is_reg(src) && inode_is_reg(dst)
                  ? file_clone_range(src, 0, s->len, dst, s->offset)
                  : -EINVAL;
    mount_put(m, dst);
    return ret;
}

static int run(struct mount *m, const struct step *s, unsigned number)
{
    struct inode *inode;
    const char *name;
    int ret;

    if (s->kind >= WRITE && s->kind != SNAPSHOT) {
        TRY(walk_to(m, s->a, &inode));
        if (!inode_is_reg(inode) && s->kind != XATTR)
            ret = -EINVAL;
        else
            ret = s->kind == CLONE ? share(m, inode, s) : change(m, inode, s, number);
        mount_put(m, inode);
        return ret;
    }
    TRY(walk_to_parent(m, s->a, &inode, &name));
    ret =
        s->kind >= LINK && s->kind <= RMDIR ? on_names(m, s, inode, name) : make(m, s, inode, name);
    mount_put(m, inode);
    return ret;
}

int step_run(struct mount *m, size_t i, unsigned number)
{
    int ret = run(m, &steps[i], number);

    switch (ret) {
    case -ENOENT:
    case -EEXIST:
    case -EINVAL:
    case -EISDIR:
    case -ENOTDIR:
    case -ENOTEMPTY:
    case -ENODATA:
    case -EPERM:
    case -EOPNOTSUPP:
        return 1;
    default:
        return ret;
    }
}

int keep_run(struct mount *m, size_t i, enum keep_kind *kind, uint64_t *ino)
{
    const struct keep *keep = &keeps[i];
    struct inode *inode;

    *kind = keep->kind;
    *ino = 0;
    if (keep->kind == KEEP_NOTHING)
        return 0;
    if (keep->kind == KEEP_SYNC)
        return mount_sync(m);
    if (walk_to(m, keep->path, &inode) < 0)
        return 1;
    *ino = inode->ino;
    int ret = mount_fsync(m, inode, keep->kind == KEEP_FDATASYNC);
    mount_put(m, inode);
    return ret;
}

int steps_prepare(struct mount *m)
{
    static const struct step first[] = {
        {"", MKDIR, "A", NULL, 0, 0},         {"", MKDIR, "B", NULL, 0, 0},
        {"", MKDIR, "E", NULL, 0, 0},         {"", CREATE, "A/foo", NULL, 0, 0},
        {"", WRITE, "A/foo", NULL, 0, 12288}, {"", XATTR, "A/foo", "user.a", 0, 0},
        {"", CREATE, "A/bar", NULL, 0, 0},    {"", WRITE, "A/bar", NULL, 0, 8092},
        {"", LINK, "A/bar", "B/bar", 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        TRY(run(m, &first[i], 1000 + (unsigned)i));
    return mount_sync(m);
}
