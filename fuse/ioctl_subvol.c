// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ioctls of Linux for subvolumes. The kernel checks the rights of nobody who asks by ioctl, so
 * this does; and what changes behind its back, names above all, it is told to forget.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define SUBVOL_ROOT_INO 256

struct asked {
    fuse_req_t req;
    struct mounted *m;
    fuse_ino_t ino; /* of the file the ioctl is made on */
    copse_node *node;
};

/* ---- rights ---------------------------------------------------------------------------------- */

/* Who mounted it may do all in his image; where the kernel checks others, so must we. */
static bool is_administrator(const struct asked *asked)
{
    uid_t uid = fuse_req_ctx(asked->req)->uid;

    return uid == 0 || uid == getuid();
}

static int is_owner(const struct asked *asked, copse_node *node)
{
    struct copse_stat st;

    if (is_administrator(asked))
        return 0;
    int ret = copse_stat(node, &st);
    if (ret < 0)
        return ret;
    return st.uid == fuse_req_ctx(asked->req)->uid ? 0 : -EPERM;
}

/* Whether names in dir may be changed. An ACL we do not weigh: it opens nothing here. */
static int may_change_names(const struct asked *asked, copse_node *dir)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(asked->req);
    struct copse_stat st;
    unsigned rights;
    size_t len;

    if (is_administrator(asked) || !asked->m->options->default_permissions)
        return 0;
    int ret = copse_stat(dir, &st);
    if (ret < 0)
        return ret;
    if (st.uid == ctx->uid)
        rights = st.mode >> 6;
    else if (copse_getxattr(dir, "system.posix_acl_access", NULL, 0, &len) == 0)
        rights = 0;
    else
        rights = is_in_group(asked->req, st.gid) ? st.mode >> 3 : st.mode;
    return (rights & 3) == 3 ? 0 : -EACCES;
}

/* As for any directory, and what Linux asks of users who delete subvolumes besides. */
static int may_delete(const struct asked *asked, copse_node *dir, copse_node *victim)
{
    struct copse_stat above, st;

    if (is_administrator(asked))
        return 0;
    if (!asked->m->options->user_subvol_rm_allowed)
        return -EPERM;
    int ret = copse_stat(dir, &above);
    if (ret == 0)
        ret = copse_stat(victim, &st);
    if (ret == 0)
        ret = may_change_names(asked, victim);
    if (ret == 0)
        ret = may_change_names(asked, dir);
    if (ret < 0)
        return ret;
    uid_t uid = fuse_req_ctx(asked->req)->uid;
    return (above.mode & S_ISVTX) && uid != st.uid && uid != above.uid ? -EPERM : 0;
}

/* ---- what the kernel remembers --------------------------------------------------------------- */

static void forget_name(const struct asked *asked, const char *name)
{
    struct fuse_session *session = asked->m->session;

    /* Where it remembers nothing there is nothing to forget. */
    fuse_lowlevel_notify_inval_entry(session, asked->ino, name, strlen(name));
    fuse_lowlevel_notify_inval_inode(session, asked->ino, 0, 0);
}

/* ---- making ---------------------------------------------------------------------------------- */

static bool is_ended(const char *name, size_t cap)
{
    return memchr(name, '\0', cap) != NULL;
}

static int made(const struct asked *asked, const char *name, int ret)
{
    if (ret < 0)
        return ret;
    forget_name(asked, name);
    /* Linux makes it durable, and tools rely on that. */
    return copse_sync(asked->m->fs);
}

static int create(const struct asked *asked, const char *name)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    struct copse_cred cred = cred_of(asked->req);

    int ret = may_change_names(asked, asked->node);
    if (ret < 0)
        return ret;
    options.mode = 0777 & ~fuse_req_ctx(asked->req)->umask;
    return made(asked, name,
                copse_subvol_create(asked->node, name, strlen(name), &options, &cred, NULL));
}

/*
 * The number of the file that the asking process has open as fd, if that is in this mount. The
 * kernel answers from what it knows: it must not ask us while we wait for it.
 */
static int number_of_fd(const struct asked *asked, int64_t fd, uint64_t *ino)
{
    char path[64];
    struct statx there, here;

    if (fd < 0 || fd > INT32_MAX)
        return -EBADF;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)fuse_req_ctx(asked->req)->pid, (int)fd);
    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &there) < 0)
        return errno == ENOENT ? -EBADF : -errno;
    if (statx(AT_FDCWD, asked->m->options->mountpoint, AT_STATX_DONT_SYNC, STATX_INO, &here) < 0)
        return -errno;
    if (here.stx_dev_major != there.stx_dev_major || here.stx_dev_minor != there.stx_dev_minor)
        return -EXDEV;
    *ino = there.stx_ino;
    return 0;
}

struct wanted_subvol {
    copse_fs *fs;
    uint64_t ino; /* of its root directory, as the mount shows it */
    uint64_t id;  /* 0: not found */
};

static int is_wanted(void *arg, const struct copse_subvol *subvol)
{
    struct wanted_subvol *wanted = arg;

    if (subvol->deleted || copse_subvol_ino(wanted->fs, subvol->id) != wanted->ino)
        return 0;
    wanted->id = subvol->id;
    return 1;
}

static int source_of(const struct asked *asked, int64_t fd, copse_node **out)
{
    struct wanted_subvol wanted = {.fs = asked->m->fs};

    int ret = number_of_fd(asked, fd, &wanted.ino);
    if (ret == 0)
        ret = copse_subvol_list(asked->m->fs, is_wanted, &wanted);
    if (ret < 0)
        return ret;
    return wanted.id ? copse_subvol_root(asked->m->fs, wanted.id, out) : -EINVAL;
}

/* What programs stored into mapped files of its subvolume comes first. */
static int launder(const struct asked *asked, copse_node *node)
{
    struct copse_stat st;

    int ret = copse_stat(node, &st);
    return ret < 0 ? ret : launder_subvol(asked->m, st.subvol);
}

static int snapshot(const struct asked *asked, int64_t fd, const char *name, bool readonly)
{
    struct copse_subvol_options options = COPSE_SUBVOL_OPTIONS_INIT;
    copse_node *source;

    int ret = may_change_names(asked, asked->node);
    if (ret == 0)
        ret = source_of(asked, fd, &source);
    if (ret < 0)
        return ret;
    options.readonly = readonly;
    ret = is_owner(asked, source);
    if (ret == 0)
        ret = launder(asked, source);
    if (ret == 0)
        ret = made(asked, name,
                   copse_subvol_snapshot(source, asked->node, name, strlen(name), &options, NULL));
    copse_node_put(source);
    return ret;
}

static int create_or_snapshot(const struct asked *asked, unsigned cmd,
                              const struct btrfs_ioctl_vol_args_v2 *args)
{
    if (args->flags & ~(uint64_t)BTRFS_SUBVOL_RDONLY)
        return -EOPNOTSUPP;
    if (!is_ended(args->name, sizeof(args->name)))
        return -ENAMETOOLONG;
    return cmd == BTRFS_IOC_SUBVOL_CREATE_V2
               ? create(asked, args->name)
               : snapshot(asked, args->fd, args->name, args->flags & BTRFS_SUBVOL_RDONLY);
}

/* ---- deleting -------------------------------------------------------------------------------- */

static int destroy(const struct asked *asked, const char *name)
{
    size_t len = strlen(name);
    copse_node *victim = NULL;

    int ret = is_administrator(asked) ? 0 : copse_lookup(asked->node, name, len, &victim);
    if (ret == 0)
        ret = may_delete(asked, asked->node, victim);
    copse_node_put(victim);
    if (ret == 0)
        ret = copse_subvol_delete(asked->node, name, len);
    if (ret == 0)
        forget_name(asked, name);
    return ret;
}

/* Where a subvolume hangs, which the kernel may know. */
static int destroy_id(const struct asked *asked, uint64_t id)
{
    struct asked above = *asked;
    struct copse_subvol subvol;
    copse_node *root, *dir;

    if (!is_administrator(asked))
        return -EPERM;
    int ret = copse_subvol_root(asked->m->fs, id, &root);
    if (ret < 0)
        return ret;
    ret = copse_subvol_of(root, &subvol);
    if (ret == 0)
        ret = copse_lookup(root, "..", 2, &dir);
    copse_node_put(root);
    if (ret < 0)
        return ret;
    const char *slash = subvol.path ? strrchr(subvol.path, '/') : NULL;
    char *name = strdup(slash ? slash + 1 : subvol.path ? subvol.path : "");
    above.ino = nodes_number(asked->m, dir);
    copse_node_put(dir);
    ret = name ? copse_subvol_delete_id(asked->m->fs, id) : -ENOMEM;
    if (ret == 0 && above.ino)
        forget_name(&above, name);
    free(name);
    return ret;
}

static int destroy_v2(const struct asked *asked, const struct btrfs_ioctl_vol_args_v2 *args)
{
    if (args->flags & ~(uint64_t)BTRFS_SUBVOL_SPEC_BY_ID)
        return -EOPNOTSUPP;
    if (args->flags & BTRFS_SUBVOL_SPEC_BY_ID)
        return destroy_id(asked, args->subvolid);
    return is_ended(args->name, sizeof(args->name)) ? destroy(asked, args->name) : -ENAMETOOLONG;
}

static int undelete(const struct asked *asked, const struct copse_ioc_undelete *args)
{
    if (!is_administrator(asked))
        return -EPERM;
    if (!is_ended(args->name, sizeof(args->name)))
        return -ENAMETOOLONG;
    int ret = copse_subvol_undelete(asked->node, args->name, strlen(args->name), args->id);
    if (ret == 0)
        forget_name(asked, args->name);
    return ret;
}

static int clean(const struct asked *asked, uint32_t *left)
{
    unsigned waiting;

    if (!is_administrator(asked))
        return -EPERM;
    int ret = copse_subvol_clean(asked->m->fs, &waiting);
    if (ret == 0)
        *left = waiting;
    return ret;
}

/* ---- what it is ------------------------------------------------------------------------------ */

static int get_flags(const struct asked *asked, uint64_t *flags)
{
    struct copse_subvol subvol;

    if (!copse_is_subvol(asked->node))
        return -EINVAL;
    int ret = copse_subvol_of(asked->node, &subvol);
    if (ret == 0)
        *flags = subvol.flags & 1 ? BTRFS_SUBVOL_RDONLY : 0;
    return ret;
}

static int set_flags(const struct asked *asked, uint64_t flags)
{
    int ret = is_owner(asked, asked->node);

    if (ret < 0)
        return ret;
    if (flags & ~(uint64_t)BTRFS_SUBVOL_RDONLY)
        return -EOPNOTSUPP;
    if (flags & BTRFS_SUBVOL_RDONLY)
        ret = launder(asked, asked->node);
    if (ret < 0)
        return ret;
    return copse_subvol_set_readonly(asked->node, flags & BTRFS_SUBVOL_RDONLY, false);
}

static int set_received(const struct asked *asked, struct btrfs_ioctl_received_subvol_args *args)
{
    struct copse_received received = {
        .stransid = args->stransid,
        .stime = {.tv_sec = (time_t)args->stime.sec, .tv_nsec = (long)args->stime.nsec},
    };
    struct copse_subvol subvol;

    int ret = is_owner(asked, asked->node);
    if (ret < 0)
        return ret;
    memcpy(received.uuid, args->uuid, sizeof(received.uuid));
    ret = copse_subvol_set_received(asked->node, &received);
    if (ret == 0)
        ret = copse_subvol_of(asked->node, &subvol);
    if (ret < 0)
        return ret;
    args->rtransid = subvol.rtransid;
    args->rtime.sec = (uint64_t)subvol.rtime.tv_sec;
    args->rtime.nsec = (uint32_t)subvol.rtime.tv_nsec;
    return 0;
}

static struct btrfs_ioctl_timespec to_ioctl_time(const struct timespec *time)
{
    return (struct btrfs_ioctl_timespec){.sec = (uint64_t)time->tv_sec,
                                         .nsec = (uint32_t)time->tv_nsec};
}

static int get_info(const struct asked *asked, struct btrfs_ioctl_get_subvol_info_args *out)
{
    struct copse_subvol subvol;

    int ret = copse_subvol_of(asked->node, &subvol);
    if (ret < 0)
        return ret;
    const char *path = subvol.path ? subvol.path : "", *slash = strrchr(path, '/');
    *out = (struct btrfs_ioctl_get_subvol_info_args){
        .treeid = subvol.id,
        .parent_id = subvol.parent_id,
        .dirid = subvol.dirid,
        .generation = subvol.generation,
        .flags = subvol.flags,
        .ctransid = subvol.ctransid,
        .otransid = subvol.otransid,
        .stransid = subvol.stransid,
        .rtransid = subvol.rtransid,
        .ctime = to_ioctl_time(&subvol.ctime),
        .otime = to_ioctl_time(&subvol.otime),
        .stime = to_ioctl_time(&subvol.stime),
        .rtime = to_ioctl_time(&subvol.rtime),
    };
    snprintf(out->name, sizeof(out->name), "%s", slash ? slash + 1 : path);
    memcpy(out->uuid, subvol.uuid, sizeof(out->uuid));
    memcpy(out->parent_uuid, subvol.parent_uuid, sizeof(out->parent_uuid));
    memcpy(out->received_uuid, subvol.received_uuid, sizeof(out->received_uuid));
    return 0;
}

struct first_path {
    char *to;
    size_t cap;
    bool too_long;
};

static int take_path(void *arg, const char *path)
{
    struct first_path *first = arg;
    int len = snprintf(first->to, first->cap, "%s/", path);

    first->too_long = len < 0 || (size_t)len >= first->cap;
    return 1;
}

/* Of the subvolume that the file is in, unless another is named. A path ends with a slash. */
static int look_up_ino(const struct asked *asked, struct btrfs_ioctl_ino_lookup_args *args)
{
    struct first_path first = {.to = args->name, .cap = sizeof(args->name)};
    struct copse_stat st;

    int ret = copse_stat(asked->node, &st);
    if (ret < 0)
        return ret;
    bool own = args->treeid == 0 || args->treeid == st.subvol;
    args->treeid = args->treeid ? args->treeid : st.subvol;
    memset(args->name, 0, sizeof(args->name));
    /* Anybody may ask which subvolume a file is in. */
    if (args->objectid == SUBVOL_ROOT_INO)
        return 0;
    if (!is_administrator(asked))
        return -EPERM;
    ret = own ? copse_inode_paths(asked->node, args->objectid, take_path, &first)
              : copse_subvol_inode_paths(asked->m->fs, args->treeid, args->objectid, take_path,
                                         &first);
    return ret == 0 && first.too_long ? -ENAMETOOLONG : ret;
}

/* ---- all of them ----------------------------------------------------------------------------- */

size_t subvol_ioctl_size(unsigned cmd)
{
    switch (cmd) {
    case BTRFS_IOC_SUBVOL_CREATE:
    case BTRFS_IOC_SNAP_CREATE:
    case BTRFS_IOC_SNAP_DESTROY:
    case BTRFS_IOC_SUBVOL_CREATE_V2:
    case BTRFS_IOC_SNAP_CREATE_V2:
    case BTRFS_IOC_SNAP_DESTROY_V2:
    case BTRFS_IOC_SUBVOL_GETFLAGS:
    case BTRFS_IOC_SUBVOL_SETFLAGS:
    case BTRFS_IOC_SET_RECEIVED_SUBVOL:
    case BTRFS_IOC_GET_SUBVOL_INFO:
    case BTRFS_IOC_INO_LOOKUP:
    case COPSE_IOC_UNDELETE:
    case COPSE_IOC_CLEAN:
        return _IOC_SIZE(cmd);
    default:
        return 0;
    }
}

static int run_v1(const struct asked *asked, unsigned cmd, const struct btrfs_ioctl_vol_args *args)
{
    if (!is_ended(args->name, sizeof(args->name)))
        return -ENAMETOOLONG;
    if (cmd == BTRFS_IOC_SNAP_CREATE)
        return snapshot(asked, args->fd, args->name, false);
    return cmd == BTRFS_IOC_SUBVOL_CREATE ? create(asked, args->name) : destroy(asked, args->name);
}

int subvol_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *data)
{
    struct mounted *m = mounted_of(req);
    struct asked asked = {.req = req, .m = m, .ino = ino, .node = node_of(m, ino)};

    switch (cmd) {
    case BTRFS_IOC_SUBVOL_CREATE:
    case BTRFS_IOC_SNAP_CREATE:
    case BTRFS_IOC_SNAP_DESTROY:
        return run_v1(&asked, cmd, data);
    case BTRFS_IOC_SUBVOL_CREATE_V2:
    case BTRFS_IOC_SNAP_CREATE_V2:
        return create_or_snapshot(&asked, cmd, data);
    case BTRFS_IOC_SNAP_DESTROY_V2:
        return destroy_v2(&asked, data);
    case BTRFS_IOC_SUBVOL_GETFLAGS:
        return get_flags(&asked, data);
    case BTRFS_IOC_SUBVOL_SETFLAGS:
        return set_flags(&asked, *(const uint64_t *)data);
    case BTRFS_IOC_SET_RECEIVED_SUBVOL:
        return set_received(&asked, data);
    case BTRFS_IOC_GET_SUBVOL_INFO:
        return get_info(&asked, data);
    case BTRFS_IOC_INO_LOOKUP:
        return look_up_ino(&asked, data);
    case COPSE_IOC_UNDELETE:
        return undelete(&asked, data);
    default:
        return clean(&asked, data);
    }
}
