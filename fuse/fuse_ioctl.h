/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What programs ask of a running mount beyond the ioctls of Linux, by ioctl on any file or
 * directory in it. FUSE passes as many bytes as the number of a command encodes, at most 16,383,
 * and no pointers; so everything here has a fixed size, and lists come in pieces. Another version
 * of the program may have other sizes, hence other numbers: then the answer is ENOTTY.
 */
#ifndef COPSE_FUSE_IOCTL_H
#define COPSE_FUSE_IOCTL_H

#include <copse/copse.h>
#include <linux/ioctl.h>

#define COPSE_IOC_MAGIC 0xC0

/* Where a process that unmounts may wait for the result of the last commit. */
struct copse_ioc_control {
    char name[64]; /* of a socket in the abstract name space */
};
#define COPSE_IOC_CONTROL _IOR(COPSE_IOC_MAGIC, 1, struct copse_ioc_control)

/* copse_fs_info(), without pointers. */
struct copse_ioc_info {
    struct copse_fs_info info; /* csum_name: not here */
    char csum_name[32];
};
#define COPSE_IOC_INFO _IOR(COPSE_IOC_MAGIC, 2, struct copse_ioc_info)

/* copse_usage() */
#define COPSE_IOC_USAGE _IOR(COPSE_IOC_MAGIC, 3, struct copse_usage)

/* copse_stat() of the file the ioctl is made on. */
#define COPSE_IOC_STAT _IOR(COPSE_IOC_MAGIC, 4, struct copse_stat)

/* The same of a name in the directory the ioctl is made on, for files that cannot be opened. */
struct copse_ioc_stat_at {
    char name[256];
    struct copse_stat stat;
};
#define COPSE_IOC_STAT_AT _IOWR(COPSE_IOC_MAGIC, 6, struct copse_ioc_stat_at)

enum copse_ioc_list_kind {
    COPSE_LIST_DEVICES, /* names, each ended by NUL */
    COPSE_LIST_SUBVOLS, /* struct copse_subvol, then its path, ended by NUL */
    COPSE_LIST_PATHS,   /* of inode `what` in `subvol` (0: of this file), ended by NUL */
    COPSE_LIST_EXTENTS, /* struct copse_extent of this file */
    COPSE_LIST_OWNERS,  /* struct copse_owner of logical address `what`; flags: COPSE_OWNERS_* */
    COPSE_LIST_QGROUPS, /* struct copse_qgroup, without pointers */
    COPSE_LIST_QGROUPS_ABOVE, /* for each group of that list all ids of its parents, as uint64_t */
    COPSE_LIST_QGROUPS_BELOW, /* the same of its members */
};

/*
 * Each record begins at a multiple of eight bytes. cursor: 0 at first, then as it came back; the
 * list ends with the piece in which `more` is 0.
 */
struct copse_ioc_list {
    uint32_t kind;
    uint32_t flags;
    uint64_t what;
    uint64_t subvol;
    uint64_t cursor;
    uint32_t used; /* bytes of data */
    uint32_t more;
    char data[16312];
};
#define COPSE_IOC_LIST _IOWR(COPSE_IOC_MAGIC, 5, struct copse_ioc_list)

/*
 * copse_dedupe_range() with the file the ioctl is made on as its one target: Linux's own ioctl
 * never gets as far as a FUSE mount. The source is named as COPSE_IOC_STAT shows it.
 */
struct copse_ioc_dedupe {
    uint64_t subvol, subvol_ino;
    uint64_t src_offset, len;
    uint64_t offset;
    uint64_t bytes_deduped;
    int32_t status; /* COPSE_DEDUPE_* or a negative errno */
    uint32_t unused;
};
#define COPSE_IOC_DEDUPE _IOWR(COPSE_IOC_MAGIC, 7, struct copse_ioc_dedupe)

/* copse_subvol_undelete() into the directory the ioctl is made on. */
struct copse_ioc_undelete {
    uint64_t id;
    char name[256];
};
#define COPSE_IOC_UNDELETE _IOW(COPSE_IOC_MAGIC, 32, struct copse_ioc_undelete)

/* copse_subvol_clean(): how many deleted subvolumes still wait. */
#define COPSE_IOC_CLEAN _IOR(COPSE_IOC_MAGIC, 33, uint32_t)

/* copse_defrag() */
struct copse_ioc_defrag {
    uint64_t start, len, threshold;
    char compression[32]; /* "": as the file says */
};
#define COPSE_IOC_DEFRAG _IOW(COPSE_IOC_MAGIC, 9, struct copse_ioc_defrag)

/* copse_shutdown(); whether to flush. */
#define COPSE_IOC_SHUTDOWN _IOW(COPSE_IOC_MAGIC, 8, uint32_t)

/* copse_reclaim() of the file, subvolume or (the root directory of the mount) file system that the
 * ioctl is made on: bytes. */
#define COPSE_IOC_RECLAIM _IOR(COPSE_IOC_MAGIC, 10, uint64_t)

/* copse_subvol_exclusive(); subvol 0: copse_exclusive() of what the ioctl is made on. */
struct copse_ioc_exclusive {
    uint64_t subvol;
    struct copse_exclusive out;
};
#define COPSE_IOC_EXCLUSIVE _IOWR(COPSE_IOC_MAGIC, 11, struct copse_ioc_exclusive)

/* copse_qgroup_limit(). Linux's own ioctl is numbered as one that only reads, so that its argument
 * does not come through FUSE. */
struct copse_ioc_qgroup_limit {
    uint64_t id, which, bytes;
};
#define COPSE_IOC_QGROUP_LIMIT _IOW(COPSE_IOC_MAGIC, 40, struct copse_ioc_qgroup_limit)

/* copse_quota_status() */
#define COPSE_IOC_QUOTA_STATUS _IOR(COPSE_IOC_MAGIC, 41, struct copse_quota_status)

#endif
