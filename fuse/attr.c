// SPDX-License-Identifier: GPL-2.0-or-later
/* Operations on attributes. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "internal.h"

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
    nodes_forget(mounted_of(req), ino, lookups);
    fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        nodes_forget(mounted_of(req), forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    reply_attr(req, node_of(mounted_of(req), ino));
}

/* ---- owners ---------------------------------------------------------------------------------- */

bool is_in_group(fuse_req_t req, gid_t gid)
{
    gid_t few[64], *groups = few;
    bool found = fuse_req_ctx(req)->gid == gid;

    int count = fuse_req_getgroups(req, (int)(sizeof(few) / sizeof(*few)), few);
    if (count > (int)(sizeof(few) / sizeof(*few))) {
        groups = malloc((size_t)count * sizeof(*groups));
        count = groups ? fuse_req_getgroups(req, count, groups) : 0;
    }
    for (int i = 0; i < count && !found; i++)
        found = groups[i] == gid;
    if (groups != few)
        free(groups);
    return found;
}

/*
 * Where the kernel does not check, we keep to the rule that only root gives files away: programs
 * that try (cp -a, rsync, tar) expect to be refused, and -o fakeroot is there to be asked for.
 */
static int may_change_owner(fuse_req_t req, copse_node *node, unsigned set,
                            const struct copse_stat *wanted)
{
    const struct copse_fuse_options *options = mounted_of(req)->options;
    struct copse_stat now;

    if (options->default_permissions || options->fakeroot || fuse_req_ctx(req)->uid == 0)
        return 0;
    int ret = copse_stat(node, &now);
    if (ret < 0)
        return ret;
    if ((set & COPSE_SET_UID) && wanted->uid != now.uid)
        return -EPERM;
    if ((set & COPSE_SET_GID) && wanted->gid != now.gid && !is_in_group(req, wanted->gid))
        return -EPERM;
    return 0;
}

/* With -o uid=, gid=: what is shown may be "set"; only root inside can record something else. */
static int shown_owner(const struct mounted *m, unsigned *set, const struct copse_stat *wanted)
{
    const struct copse_fuse_options *options = m->options;

    if ((*set & COPSE_SET_UID) && options->uid_given) {
        if (wanted->uid == options->uid)
            *set &= ~COPSE_SET_UID;
        else if (!options->fakeroot)
            return -EPERM;
    }
    if ((*set & COPSE_SET_GID) && options->gid_given) {
        if (wanted->gid == options->gid)
            *set &= ~COPSE_SET_GID;
        else if (!options->fakeroot)
            return -EPERM;
    }
    return 0;
}

/* ---- setattr --------------------------------------------------------------------------------- */

static unsigned what_to_set(int to_set)
{
    static const struct {
        int fuse;
        unsigned copse;
    } bits[] = {
        {FUSE_SET_ATTR_MODE, COPSE_SET_MODE},   {FUSE_SET_ATTR_UID, COPSE_SET_UID},
        {FUSE_SET_ATTR_GID, COPSE_SET_GID},     {FUSE_SET_ATTR_SIZE, COPSE_SET_SIZE},
        {FUSE_SET_ATTR_ATIME, COPSE_SET_ATIME}, {FUSE_SET_ATTR_MTIME, COPSE_SET_MTIME},
        {FUSE_SET_ATTR_CTIME, COPSE_SET_CTIME},
    };
    unsigned set = 0;

    for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
        set |= to_set & bits[i].fuse ? bits[i].copse : 0;
    /* "Now" comes together with the bit of the time itself. */
    if (to_set & FUSE_SET_ATTR_ATIME_NOW)
        set = (set & ~COPSE_SET_ATIME) | COPSE_SET_ATIME_NOW;
    if (to_set & FUSE_SET_ATTR_MTIME_NOW)
        set = (set & ~COPSE_SET_MTIME) | COPSE_SET_MTIME_NOW;
    return set;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                struct fuse_file_info *fi)
{
    struct mounted *m = mounted_of(req);
    copse_node *node = node_of(m, ino);
    unsigned set = what_to_set(to_set);
    struct copse_stat wanted = {
        .mode = attr->st_mode,
        .uid = attr->st_uid,
        .gid = attr->st_gid,
        .size = (uint64_t)attr->st_size,
        .atime = attr->st_atim,
        .mtime = attr->st_mtim,
        .ctime = attr->st_ctim,
    };

    (void)fi;
    int ret = shown_owner(m, &set, &wanted);
    if (ret == 0 && (set & (COPSE_SET_UID | COPSE_SET_GID)))
        ret = may_change_owner(req, node, set, &wanted);
    if (ret == 0 && set != 0)
        ret = copse_setattr(node, set, &wanted);
    if (ret < 0)
        reply_result(req, ret);
    else
        reply_attr(req, node);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
static struct statx_timestamp statx_time(const struct timespec *t)
{
    return (struct statx_timestamp){.tv_sec = t->tv_sec, .tv_nsec = (uint32_t)t->tv_nsec};
}

void op_statx(fuse_req_t req, fuse_ino_t ino, int flags, int mask, struct fuse_file_info *fi)
{
    struct copse_stat st;
    struct stat attr;

    (void)flags, (void)mask, (void)fi;
    int ret = copse_stat(node_of(mounted_of(req), ino), &st);
    if (ret < 0) {
        reply_result(req, ret);
        return;
    }
    fill_attr(mounted_of(req), &st, &attr);
    struct statx stx = {
        .stx_mask = STATX_BASIC_STATS | STATX_BTIME,
        .stx_blksize = st.blksize,
        .stx_nlink = st.nlink,
        .stx_uid = attr.st_uid,
        .stx_gid = attr.st_gid,
        .stx_mode = (uint16_t)st.mode,
        .stx_ino = st.ino,
        .stx_size = st.size,
        .stx_blocks = st.blocks,
        .stx_atime = statx_time(&st.atime),
        .stx_btime = statx_time(&st.btime),
        .stx_ctime = statx_time(&st.ctime),
        .stx_mtime = statx_time(&st.mtime),
        .stx_rdev_major = major(st.rdev),
        .stx_rdev_minor = minor(st.rdev),
    };
    fuse_reply_statx(req, 0, &stx, CACHE_SECONDS);
}
#endif

/*
 * Asked only where the kernel does not check itself. Whoever may use such a mount may read and
 * write all of it; that a file is no program is still worth an answer.
 */
void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    struct copse_stat st;

    int ret = copse_stat(node_of(mounted_of(req), ino), &st);
    if (ret == 0 && (mask & X_OK) && S_ISREG(st.mode) && !(st.mode & 0111))
        ret = -EACCES;
    reply_result(req, ret);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    copse_fs *fs = mounted_of(req)->fs;
    struct copse_fs_info info;
    struct copse_usage usage;
    struct statvfs out = {0};

    (void)ino;
    int ret = copse_fs_info(fs, &info);
    if (ret == 0)
        ret = copse_usage(fs, &usage);
    if (ret < 0) {
        reply_result(req, ret);
        return;
    }
    out.f_bsize = out.f_frsize = info.sectorsize;
    out.f_blocks = info.total_bytes / info.sectorsize;
    out.f_bfree = out.f_bavail = usage.free_estimate / info.sectorsize;
    out.f_namemax = 255;
    memcpy(&out.f_fsid, info.fsid, sizeof(out.f_fsid));
    fuse_reply_statfs(req, &out);
}
