// SPDX-License-Identifier: GPL-2.0-or-later
/* ioctls: inode flags, the label, sync, and where a process that unmounts may wait. */
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"

/* FS_IOC_GETFLAGS is declared with a long and is an int in fact. */
static int get_flags(copse_node *node, uint32_t *flags)
{
    struct copse_stat st;

    int ret = copse_stat(node, &st);
    if (ret == 0)
        *flags = st.flags;
    return ret;
}

static const struct {
    uint32_t fs, xflag;
} xflags[] = {
    {FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE}, {FS_APPEND_FL, FS_XFLAG_APPEND},
    {FS_SYNC_FL, FS_XFLAG_SYNC},           {FS_NOATIME_FL, FS_XFLAG_NOATIME},
    {FS_NODUMP_FL, FS_XFLAG_NODUMP},
};

static int get_xattr_flags(copse_node *node, struct fsxattr *out)
{
    uint32_t flags = 0;

    int ret = get_flags(node, &flags);
    if (ret < 0)
        return ret;
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < sizeof(xflags) / sizeof(*xflags); i++)
        out->fsx_xflags |= flags & xflags[i].fs ? xflags[i].xflag : 0;
    return 0;
}

static int set_xattr_flags(copse_node *node, const struct fsxattr *wanted)
{
    uint32_t flags = 0, left = wanted->fsx_xflags;

    int ret = get_flags(node, &flags);
    if (ret < 0)
        return ret;
    for (size_t i = 0; i < sizeof(xflags) / sizeof(*xflags); i++) {
        flags = wanted->fsx_xflags & xflags[i].xflag ? flags | xflags[i].fs : flags & ~xflags[i].fs;
        left &= ~xflags[i].xflag;
    }
    if (left != 0 || wanted->fsx_extsize != 0 || wanted->fsx_projid != 0 ||
        wanted->fsx_cowextsize != 0)
        return -EOPNOTSUPP;
    return copse_set_flags(node, flags);
}

static int get_version(copse_node *node, uint32_t *out)
{
    struct copse_stat st;

    int ret = copse_stat(node, &st);
    if (ret == 0)
        *out = (uint32_t)st.generation;
    return ret;
}

static int get_label(copse_fs *fs, char label[FSLABEL_MAX])
{
    struct copse_fs_info info;

    int ret = copse_fs_info(fs, &info);
    if (ret == 0)
        memcpy(label, info.label, FSLABEL_MAX);
    return ret;
}

static int set_label(copse_fs *fs, const char *label)
{
    return memchr(label, '\0', FSLABEL_MAX) ? copse_set_label(fs, label) : -EINVAL;
}

static int get_info(copse_fs *fs, struct copse_ioc_info *out)
{
    struct copse_fs_info info;

    int ret = copse_fs_info(fs, &info);
    if (ret < 0)
        return ret;
    memset(out, 0, sizeof(*out));
    out->info = info;
    out->info.csum_name = NULL;
    snprintf(out->csum_name, sizeof(out->csum_name), "%s", info.csum_name);
    return 0;
}

static int stat_at(copse_node *dir, struct copse_ioc_stat_at *at)
{
    size_t len = strnlen(at->name, sizeof(at->name));
    copse_node *node;

    int ret = copse_lookup(dir, at->name, len, &node);
    if (ret < 0)
        return ret;
    ret = copse_stat(node, &at->stat);
    copse_node_put(node);
    return ret;
}

/* 0: the subvolume that the file is in. */
static int set_default(copse_fs *fs, copse_node *node, uint64_t id)
{
    struct copse_stat st;

    int ret = copse_stat(node, &st);
    return ret < 0 ? ret : copse_subvol_set_default(fs, id ? id : st.subvol);
}

static int dedupe(struct mounted *m, copse_node *node, struct copse_ioc_dedupe *args)
{
    struct copse_dedupe_target target = {.node = node, .offset = args->offset};
    copse_node *src;

    int ret = copse_node_by_ino(m->fs, args->subvol, args->subvol_ino, &src);
    if (ret < 0)
        return ret;
    launder_node(m, src);
    launder_node(m, node);
    ret = copse_dedupe_range(src, args->src_offset, args->len, &target, 1);
    copse_node_put(src);
    args->status = target.status;
    args->bytes_deduped = target.bytes_deduped;
    return ret;
}

static int defrag(copse_node *node, const struct copse_ioc_defrag *args)
{
    struct copse_defrag_options options = COPSE_DEFRAG_OPTIONS_INIT;

    if (!memchr(args->compression, '\0', sizeof(args->compression)))
        return -EINVAL;
    options.start = args->start;
    options.len = args->len;
    options.threshold = args->threshold;
    options.compression = args->compression[0] ? args->compression : NULL;
    return copse_defrag(node, &options, NULL);
}

union ioctl_data {
    uint32_t number;
    uint64_t number64;
    struct fsxattr fsx;
    char label[FSLABEL_MAX];
    struct copse_ioc_control control;
    struct copse_ioc_info info;
    struct copse_usage usage;
    struct copse_stat stat;
    struct copse_ioc_stat_at stat_at;
    struct copse_ioc_list list;
    struct btrfs_ioctl_vol_args_v2 subvol; /* no other is larger */
    struct copse_ioc_dedupe dedupe;
    struct copse_ioc_defrag defrag;
    struct copse_ioc_exclusive exclusive;
};

/* Bytes that a command brings or wants; 0 for one we do not know. Those without data give 1. */
static size_t data_size(unsigned cmd)
{
    switch (cmd) {
    case FS_IOC_GETFLAGS:
    case FS_IOC_SETFLAGS:
    case FS_IOC_GETVERSION:
    case COPSE_IOC_SHUTDOWN:
        return sizeof(uint32_t);
    case FS_IOC_FSGETXATTR:
    case FS_IOC_FSSETXATTR:
        return sizeof(struct fsxattr);
    case FS_IOC_GETFSLABEL:
    case FS_IOC_SETFSLABEL:
        return FSLABEL_MAX;
    case COPSE_IOC_CONTROL:
        return sizeof(struct copse_ioc_control);
    case COPSE_IOC_INFO:
        return sizeof(struct copse_ioc_info);
    case COPSE_IOC_USAGE:
        return sizeof(struct copse_usage);
    case COPSE_IOC_STAT:
        return sizeof(struct copse_stat);
    case COPSE_IOC_STAT_AT:
        return sizeof(struct copse_ioc_stat_at);
    case COPSE_IOC_LIST:
        return sizeof(struct copse_ioc_list);
    case COPSE_IOC_DEDUPE:
        return sizeof(struct copse_ioc_dedupe);
    case COPSE_IOC_DEFRAG:
        return sizeof(struct copse_ioc_defrag);
    case COPSE_IOC_EXCLUSIVE:
        return sizeof(struct copse_ioc_exclusive);
    case BTRFS_IOC_DEFAULT_SUBVOL:
    case COPSE_IOC_RECLAIM:
        return sizeof(uint64_t);
    case BTRFS_IOC_SYNC:
        return 1;
    default:
        return quota_ioctl_size(cmd) ? quota_ioctl_size(cmd) : subvol_ioctl_size(cmd);
    }
}

/*
 * What Linux keeps for an administrator is for who mounted it: whose image it is. Lists name what
 * stands in directories that others may not enter.
 */
static bool is_allowed(fuse_req_t req, unsigned cmd, const union ioctl_data *data)
{
    uid_t uid = fuse_req_ctx(req)->uid;

    if (uid == 0 || uid == getuid())
        return true;
    return cmd != COPSE_IOC_DEDUPE && cmd != COPSE_IOC_DEFRAG && cmd != COPSE_IOC_SHUTDOWN &&
           cmd != FS_IOC_SETFSLABEL && cmd != BTRFS_IOC_DEFAULT_SUBVOL &&
           cmd != COPSE_IOC_RECLAIM && cmd != COPSE_IOC_EXCLUSIVE && quota_ioctl_size(cmd) == 0 &&
           (cmd != COPSE_IOC_LIST || data->list.kind == COPSE_LIST_EXTENTS);
}

static int exclusive(copse_fs *fs, copse_node *node, struct copse_ioc_exclusive *data)
{
    return data->subvol ? copse_subvol_exclusive(fs, data->subvol, &data->out)
                        : copse_exclusive(node, &data->out);
}

static int run_ioctl(struct mounted *m, copse_node *node, unsigned cmd, union ioctl_data *data)
{
    switch (cmd) {
    case FS_IOC_GETFLAGS:
        return get_flags(node, &data->number);
    case FS_IOC_SETFLAGS:
        return copse_set_flags(node, data->number);
    case FS_IOC_GETVERSION:
        return get_version(node, &data->number);
    case FS_IOC_FSGETXATTR:
        return get_xattr_flags(node, &data->fsx);
    case FS_IOC_FSSETXATTR:
        return set_xattr_flags(node, &data->fsx);
    case FS_IOC_GETFSLABEL:
        return get_label(m->fs, data->label);
    case FS_IOC_SETFSLABEL:
        return set_label(m->fs, data->label);
    case BTRFS_IOC_SYNC:
        return copse_sync(m->fs);
    case COPSE_IOC_CONTROL:
        memcpy(data->control.name, m->control.name, sizeof(data->control.name));
        return m->control.listener >= 0 ? 0 : -ENOTTY;
    case COPSE_IOC_INFO:
        return get_info(m->fs, &data->info);
    case COPSE_IOC_USAGE:
        return copse_usage(m->fs, &data->usage);
    case COPSE_IOC_STAT:
        return copse_stat(node, &data->stat);
    case COPSE_IOC_STAT_AT:
        return stat_at(node, &data->stat_at);
    case COPSE_IOC_LIST:
        return list_next(m, node, &data->list);
    case COPSE_IOC_SHUTDOWN:
        return copse_shutdown(m->fs, data->number != 0);
    case COPSE_IOC_DEFRAG:
        return defrag(node, &data->defrag);
    case COPSE_IOC_DEDUPE:
        return dedupe(m, node, &data->dedupe);
    case BTRFS_IOC_DEFAULT_SUBVOL:
        return set_default(m->fs, node, data->number64);
    case COPSE_IOC_RECLAIM:
        return copse_reclaim(m->fs, node, &data->number64);
    case COPSE_IOC_EXCLUSIVE:
        return exclusive(m->fs, node, &data->exclusive);
    default:
        return quota_ioctl_size(cmd) ? quota_ioctl(m->fs, cmd, data) : -ENOTTY;
    }
}

struct ioctl_request {
    fuse_req_t req;
    fuse_ino_t ino;
    unsigned cmd;
    size_t out_size;
    union ioctl_data data;
};

static void answer(struct ioctl_request *request)
{
    struct mounted *m = mounted_of(request->req);
    unsigned cmd = request->cmd;

    int ret = -EPERM;
    if (subvol_ioctl_size(cmd))
        ret = subvol_ioctl(request->req, request->ino, cmd, &request->data);
    else if (is_allowed(request->req, cmd, &request->data))
        ret = run_ioctl(m, node_of(m, request->ino), cmd, &request->data);
    if (ret < 0)
        reply_result(request->req, ret);
    else
        fuse_reply_ioctl(request->req, 0, &request->data, request->out_size);
}

static void answer_aside(void *arg)
{
    answer(arg);
    free(arg);
}

/* These have the kernel write pages, which a worker must be free for. */
static bool is_for_aside(unsigned cmd)
{
    return cmd == BTRFS_IOC_SNAP_CREATE || cmd == BTRFS_IOC_SNAP_CREATE_V2 ||
           cmd == BTRFS_IOC_SUBVOL_SETFLAGS || cmd == COPSE_IOC_DEDUPE;
}

static void start_aside(const struct ioctl_request *request)
{
    struct ioctl_request *copy = malloc(sizeof(*copy));

    int ret = copy ? 0 : -ENOMEM;
    if (copy) {
        *copy = *request;
        ret = aside_start(mounted_of(request->req), answer_aside, copy);
    }
    if (ret < 0) {
        free(copy);
        reply_result(request->req, ret);
    }
}

void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg, struct fuse_file_info *fi,
              unsigned flags, const void *in_buf, size_t in_size, size_t out_size)
{
    size_t size = data_size(cmd);
    struct ioctl_request request = {
        .req = req, .ino = ino, .cmd = cmd, .out_size = MIN(out_size, size)};

    (void)arg, (void)fi;
    if (size == 0 || (flags & FUSE_IOCTL_COMPAT) || (in_size > 0 && in_size < size)) {
        fuse_reply_err(req, ENOTTY);
        return;
    }
    if (in_size > 0)
        memcpy(&request.data, in_buf, size);
    if (is_for_aside(cmd))
        start_aside(&request);
    else
        answer(&request);
}
