/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * libcopse: btrfs file systems in image files and on block devices, without mounting, without root.
 *
 * Conventions
 * - Functions that can fail return 0 or a negative errno; copse_error() then says what and where,
 *   for the calling thread, until its next failing call.
 * - Handles are opaque. What a function hands out through a `**out` belongs to the caller, who
 * gives it back with the matching _put, _close or _free. Out-parameters are untouched on failure.
 * - Options structs begin with their size; initialise them with the matching _INIT macro, so that
 *   programs keep working when fields are added.
 * - Sizes and offsets are bytes. Names and paths are bytes, not text: anything but '/' and NUL.
 * - A copse_fs and its nodes may be used from several threads at once. Whoever closes it makes sure
 *   nobody uses it any more.
 */
#ifndef COPSE_COPSE_H
#define COPSE_COPSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct copse_fs copse_fs;
typedef struct copse_node copse_node;

/** What went wrong last in this thread; "" when nothing did. Valid until the next failing call. */
const char *copse_error(void);

/** "0.1.0". */
const char *copse_version(void);

/** Names of optional parts compiled in, NULL-terminated ("isa-l", ...). */
const char *const *copse_features(void);

enum copse_note_level { COPSE_NOTE_INFO, COPSE_NOTE_WARNING, COPSE_NOTE_ERROR };

/**
 * Where notes go: things a user should know that are no failure of a call (a damaged mirror that
 * the other copy made good, a superblock copy used). One line without newline, from any thread.
 * NULL: nowhere. Process-wide.
 */
void copse_set_note_handler(void (*handler)(void *arg, enum copse_note_level level,
                                            const char *message),
                            void *arg);

/* ---- opening --------------------------------------------------------------------------------- */

struct copse_open_options {
    size_t size;   /* of this struct */
    bool readonly; /* changes no byte; a pending log tree is not applied */
    /* For tree blocks, dirty data and data that was read; 0: an eighth of the memory that the
     * machine, or the control group, has, but 256 MiB at least and 1 GiB at most. */
    uint64_t cache_bytes;
    const char *subvol;      /* path of the subvolume to be the root; NULL: the default subvolume */
    uint64_t subvolid;       /* its id; 0: not given. Not together with subvol. */
    bool noatime;            /* never update access times */
    bool strictatime;        /* on every read; otherwise as relatime */
    bool nodatacow;          /* new files get the NOCOW flag */
    bool discard;            /* give freed space back to the device */
    unsigned commit_seconds; /* background commit; 0: none (only when asked or needed) */
    bool background;         /* write back and commit in a thread of its own */
    bool no_data_cache;      /* keep no data that was read: the caller does, as a mount's kernel */
    /* "zlib", "lzo", "zstd", "zlib:9", "zstd:-5" ...: compress what is written, unless a file says
     * otherwise; NULL: only files that ask for it. Not together with nodatacow. */
    const char *compress;
    bool compress_force; /* whatever files say, and whatever the data looks like */
    bool notreelog;      /* fsync commits everything, instead of writing a log tree where it can */
    unsigned rescue;     /* COPSE_RESCUE_*, only with readonly: what may be damaged */
};
/* clang-format off */
#define COPSE_OPEN_OPTIONS_INIT { sizeof(struct copse_open_options), false, 0, NULL, 0, false, false, false, false, 0, false, false, NULL, false, false, 0 }
/* clang-format on */

#define COPSE_RESCUE_BACKUP_ROOT 1u  /* the root tree of an older transaction, if need be */
#define COPSE_RESCUE_NO_LOG 2u       /* the log tree is left alone; it is, read-only */
#define COPSE_RESCUE_BAD_ROOTS 4u    /* all trees but those of files may be missing */
#define COPSE_RESCUE_NO_CHECKSUMS 8u /* data is taken as it is */
/** Linux's names, as in its mount option rescue=: "usebackuproot:ignoredatacsums", "all". -EINVAL.
 */
int copse_rescue_parse(const char *text, unsigned *rescue);

/** Whether copse_open() knows that compression, also "no" and "none". -EINVAL. */
int copse_compression_check(const char *compress);

/**
 * Opens the file system on these devices (image files or block devices).
 *
 * @return -EBUSY in use by another process or mounted by the kernel; -EINVAL no btrfs;
 *         -EOPNOTSUPP a feature this build does not know; -EUCLEAN, -EIO damage; -ENOENT, -EACCES
 * ... With unknown compat_ro bits a writable open succeeds read-only and notes why.
 */
int copse_open(const char *const *devices, unsigned count, const struct copse_open_options *options,
               copse_fs **out);

/**
 * Writes back, commits (when writable) and closes. All nodes must have been put. The handle is gone
 * even when this fails; a failure means that the last changes are not durable.
 */
int copse_close(copse_fs *fs);

/** Drops everything that is not durable and closes, as a crash would. For tests and `shell crash`.
 */
void copse_crash(copse_fs *fs);

/**
 * Cuts the file system off from its devices: nothing becomes durable any more, changes fail. flush:
 * what was done until now is made durable first. Closing then drops the rest and succeeds.
 */
int copse_shutdown(copse_fs *fs, bool flush);

bool copse_readonly(const copse_fs *fs);

/** Makes everything durable: all dirty data, then a commit. */
int copse_sync(copse_fs *fs);

/* ---- nodes: files, directories and whatever else has a name
 * -------------------------------------- */

struct copse_stat {
    uint64_t subvol;     /* id of the subvolume (tree) */
    uint64_t subvol_ino; /* inode number inside the subvolume, as Linux shows it */
    uint64_t ino;        /* unique in this file system: what a mount of it shows */
    uint32_t mode;       /* type and permissions, as in struct stat */
    uint32_t nlink;
    uint32_t uid, gid;
    uint64_t rdev; /* as makedev() of the C library makes it */
    uint64_t size;
    uint64_t blocks; /* units of 512 bytes */
    uint32_t blksize;
    uint32_t flags;      /* FS_*_FL of linux/fs.h, as lsattr shows them */
    uint64_t generation; /* transaction that created the inode */
    uint64_t transid;    /* transaction that changed it last */
    struct timespec atime, mtime, ctime, btime;
};

/** The root directory of the opened subvolume. One inode has one handle as long as it is held. */
copse_node *copse_root(copse_fs *fs);
copse_node *copse_node_ref(copse_node *node);
/** The last reference to a node without names deletes its inode. NULL is fine. */
void copse_node_put(copse_node *node);

int copse_stat(copse_node *node, struct copse_stat *out);

/** One step: name in directory dir. "." and ".." work; ".." of the root is the root. */
int copse_lookup(copse_node *dir, const char *name, size_t len, copse_node **out);

#define COPSE_WALK_NOFOLLOW 1u /* do not follow a symlink in the last place */
/** A whole path from `from` (NULL: the root); symlinks are followed inside the file system. */
int copse_walk(copse_fs *fs, copse_node *from, const char *path, unsigned flags, copse_node **out);

/** An inode by its number in a subvolume (copse_stat.subvol, .subvol_ino). -ENOENT. */
int copse_node_by_ino(copse_fs *fs, uint64_t subvol, uint64_t ino, copse_node **out);

struct copse_dirent {
    const char *name; /* not NUL-terminated */
    size_t len;
    uint64_t ino;    /* as copse_stat.ino */
    uint8_t type;    /* DT_* of dirent.h */
    uint64_t cookie; /* to go on behind this entry */
};
/**
 * Entries in index order behind cookie (0: from the beginning, with "." and ".."), until fn returns
 * non-zero (then this returns 0). fn must not call back into the library. Entries added or removed
 * meanwhile may or may not be seen; all others exactly once.
 */
int copse_readdir(copse_node *dir, uint64_t cookie,
                  int (*fn)(void *arg, const struct copse_dirent *entry), void *arg);

struct copse_cred {
    uint32_t uid, gid;
};

/** mode: type and permissions; regular files, fifos, sockets, devices (rdev). */
int copse_mknod(copse_node *dir, const char *name, size_t len, uint32_t mode, uint64_t rdev,
                const struct copse_cred *cred, copse_node **out);
int copse_mkdir(copse_node *dir, const char *name, size_t len, uint32_t mode,
                const struct copse_cred *cred, copse_node **out);
int copse_symlink(copse_node *dir, const char *name, size_t len, const char *target,
                  const struct copse_cred *cred, copse_node **out);
/** A file without a name (O_TMPFILE); copse_link gives it one. */
int copse_tmpfile(copse_node *dir, uint32_t mode, const struct copse_cred *cred, copse_node **out);
int copse_link(copse_node *node, copse_node *dir, const char *name, size_t len);
int copse_unlink(copse_node *dir, const char *name, size_t len);
int copse_rmdir(copse_node *dir, const char *name, size_t len);

#define COPSE_RENAME_NOREPLACE 1u
#define COPSE_RENAME_EXCHANGE 2u
#define COPSE_RENAME_WHITEOUT 4u
int copse_rename(copse_node *from_dir, const char *from, size_t from_len, copse_node *to_dir,
                 const char *to, size_t to_len, unsigned flags);

/** Target of a symlink, at most cap bytes, not NUL-terminated; *len: its whole length. */
int copse_readlink(copse_node *node, char *buf, size_t cap, size_t *len);

#define COPSE_SET_MODE (1u << 0)
#define COPSE_SET_UID (1u << 1)
#define COPSE_SET_GID (1u << 2)
#define COPSE_SET_SIZE (1u << 3)
#define COPSE_SET_ATIME (1u << 4)
#define COPSE_SET_MTIME (1u << 5)
#define COPSE_SET_CTIME (1u << 6)
#define COPSE_SET_ATIME_NOW (1u << 7)
#define COPSE_SET_MTIME_NOW (1u << 8)
#define COPSE_SET_KILL_SUIDGID                                                                     \
    (1u << 9) /* with SIZE, UID, GID: clear set-id bits as Linux does                              \
               */
/** Changes what the bits of `set` name, from the fields of st. */
int copse_setattr(copse_node *node, unsigned set, const struct copse_stat *st);

/** Inode flags as chattr knows them (FS_*_FL). */
int copse_set_flags(copse_node *node, uint32_t flags);

/* ---- data
 * ----------------------------------------------------------------------------------------- */

/** *done < len only at the end of the file. */
int copse_pread(copse_node *node, void *buf, size_t len, uint64_t offset, size_t *done);
/** Space is promised before this returns (promise 1). *done may be short with -ENOSPC: what was
 *  written before stays, and is set even on failure. */
int copse_pwrite(copse_node *node, const void *buf, size_t len, uint64_t offset, size_t *done);
/** The same, and what was written is on the device when this returns (O_DIRECT); it is durable
 *  after copse_fsync(). No alignment is asked for. */
int copse_pwrite_direct(copse_node *node, const void *buf, size_t len, uint64_t offset,
                        size_t *done);
/**
 * mode: FALLOC_FL_* of linux/falloc.h, COLLAPSE_RANGE and INSERT_RANGE included: these happen as a
 * whole or not at all, also in a crash. -EFBIG also where more than a million extents would move.
 */
int copse_fallocate(copse_node *node, int mode, uint64_t offset, uint64_t len);
/** whence: SEEK_DATA or SEEK_HOLE. -ENXIO. */
int copse_lseek(copse_node *node, uint64_t offset, int whence, uint64_t *out);
/**
 * Gives back space that no file reaches, in extents that are still in use in part: of this file, of
 * the subvolume whose root directory node is, or (NULL, or the root directory of fs) of all.
 * Durable when it returns. *freed: bytes. What snapshots share, and what is compressed, is left as
 * it is. -EINVAL: anything else; -EROFS.
 */
int copse_reclaim(copse_fs *fs, copse_node *node, uint64_t *freed);
/** Space that would be free without a file or subvolume. */
struct copse_exclusive {
    uint64_t data_bytes; /* data extents that nobody else refers to, as they are on disk */
    uint64_t
        metadata_bytes; /* tree blocks that belong to subvolumes deleted with it, and to no other */
};
/**
 * What deleting the file, the directory with all below it, or the subvolume whose root directory
 * node is, with all that are nested in it, would free: from back references, without quotas. Files
 * that have another name elsewhere, and extents that are used in part elsewhere, would stay.
 */
int copse_exclusive(copse_node *node, struct copse_exclusive *out);
/** What deleting that subvolume alone would free; also what is left of a deleted one. -ENOENT. */
int copse_subvol_exclusive(copse_fs *fs, uint64_t id, struct copse_exclusive *out);
/** Shares a range (FICLONERANGE); len 0: to the end of src. */
int copse_clone_range(copse_node *src, uint64_t src_offset, uint64_t len, copse_node *dst,
                      uint64_t dst_offset);

struct copse_dedupe_target {
    copse_node *node;
    uint64_t offset;
    /* Results. */
    uint64_t bytes_deduped; /* the whole length, or 0 */
    int status;             /* COPSE_DEDUPE_*, or a negative errno */
};
#define COPSE_DEDUPE_SAME 0
#define COPSE_DEDUPE_DIFFERS 1
/**
 * Where ranges of other files read as [offset, offset + len) of src does, all of them share its
 * space from now on (FIDEDUPERANGE). Each is compared while nobody can write; what differs stays as
 * it is. What one target comes to says its status; others go on. As in Linux, a block at the end of
 * the range that is not whole is passed over unless both files end there, and a read-only subvolume
 * is no obstacle.
 *
 * @return -EINVAL, -EISDIR: no range of a regular file, then no target was touched
 */
int copse_dedupe_range(copse_node *src, uint64_t offset, uint64_t len,
                       struct copse_dedupe_target *targets, unsigned count);

struct copse_defrag_options {
    size_t size;
    uint64_t start, len;     /* the range; len 0: to the end */
    uint64_t threshold;      /* extents of that length are left alone; 0: 32 MiB */
    const char *compression; /* "zstd:9", ...: compress so, "none": not; NULL: as the file says */
};
/* clang-format off */
#define COPSE_DEFRAG_OPTIONS_INIT { sizeof(struct copse_defrag_options), 0, 0, 0, NULL }
/* clang-format on */
/**
 * Rewrites a file's small extents as large ones. What other files or snapshots share is left alone.
 * rewritten (may be NULL): bytes. -EISDIR, -EINVAL, -ENOSPC, -EROFS, -EPERM.
 */
int copse_defrag(copse_node *node, const struct copse_defrag_options *options, uint64_t *rewritten);

/** copy_file_range: shares what can be shared, copies the rest. */
int copse_copy_range(copse_node *src, uint64_t src_offset, copse_node *dst, uint64_t dst_offset,
                     uint64_t len, uint64_t *done);

#define COPSE_EXTENT_INLINE 1u
#define COPSE_EXTENT_PREALLOC 2u
#define COPSE_EXTENT_COMPRESSED 4u
#define COPSE_EXTENT_SHARED 8u
#define COPSE_EXTENT_DELALLOC 16u
struct copse_extent {
    uint64_t offset; /* in the file */
    uint64_t len;
    uint64_t address; /* logical; 0 for inline and not yet allocated ones */
    unsigned flags;   /* COPSE_EXTENT_* */
};
/** Extents that hold data between offset and offset + len, holes left out. */
int copse_fiemap(copse_node *node, uint64_t offset, uint64_t len,
                 int (*fn)(void *arg, const struct copse_extent *extent), void *arg);
/** Durable when it returns 0 (data_only: fdatasync). */
int copse_fsync(copse_node *node, bool data_only);
/** An error of writeback that this node has not been asked for yet, once; for close(2). */
int copse_flush(copse_node *node);
/**
 * The same for each of several who have one node open: *seen is what copse_errors_seen() told when
 * this one opened it, and is brought up to date. An error that nobody was told of before somebody
 * opens the node is told to that one too.
 */
uint64_t copse_errors_seen(copse_node *node);
int copse_flush_since(copse_node *node, uint64_t *seen);
int copse_fsync_since(copse_node *node, bool data_only, uint64_t *seen);

/* ---- extended attributes
 * ------------------------------------------------------------------------------ */

/** *len: the value's length, also when cap is 0. -ERANGE, -ENODATA. */
int copse_getxattr(copse_node *node, const char *name, void *buf, size_t cap, size_t *len);
/** flags: XATTR_CREATE, XATTR_REPLACE of sys/xattr.h. */
int copse_setxattr(copse_node *node, const char *name, const void *value, size_t len, int flags);
int copse_removexattr(copse_node *node, const char *name);
int copse_listxattr(copse_node *node, char *buf, size_t cap, size_t *len);

/* ---- the whole
 * ------------------------------------------------------------------------------------------- */

struct copse_space_totals {
    uint64_t profile; /* BTRFS_BLOCK_GROUP_* bits: kind and profile */
    uint64_t total, used, reserved, pinned, readonly;
};
struct copse_usage {
    struct copse_space_totals data, metadata, system;
    uint64_t device_size, device_unallocated;
    uint64_t global_reserve;
    uint64_t free_estimate;  /* what data could still be written */
    uint64_t free_min;       /* the same at the worst profile */
    uint64_t quota_reserved; /* bytes promised within quotas, not accounted yet */
    /* What became of file data since the file system was opened, in bytes. */
    uint64_t written_in_place; /* preallocated or NODATACOW, to where it was */
    uint64_t written_anew;     /* to new space */
    uint64_t written_to_share; /* of both, because a clone or dedupe was to share them */
    uint64_t written_beside;   /* of these, what was not of the ranges to be shared */
    /* What it cost to know whether ranges are shared, since then. */
    uint64_t sharing_asked;   /* questions */
    uint64_t sharing_lookups; /* extent items looked at */
    uint64_t sharing_walks;   /* back-reference walks */
};
int copse_usage(copse_fs *fs, struct copse_usage *out);

struct copse_fs_info {
    uint8_t fsid[16];
    char label[256];
    uint64_t generation;
    uint32_t nodesize, sectorsize;
    const char *csum_name;
    uint64_t default_subvol;
    uint64_t num_devices;
    uint64_t total_bytes, bytes_used;
    bool log_pending; /* fsynced changes are not shown in a read-only open */
};
int copse_fs_info(copse_fs *fs, struct copse_fs_info *out);
int copse_set_label(copse_fs *fs, const char *label);

/* ---- subvolumes
 * -------------------------------------------------------------------------------------------- */

struct copse_subvol {
    uint64_t id, parent_id, dirid; /* parent_id 0: the top level */
    uint64_t generation, creation_generation;
    uint64_t flags; /* bit 0: read-only */
    uint8_t uuid[16], parent_uuid[16], received_uuid[16];
    struct timespec ctime, otime, stime, rtime;
    uint64_t ctransid, otransid, stransid, rtransid;
    const char *path; /* from the top level, without leading '/'; "" for the top level itself */
    bool deleted;     /* being removed */
};
/** All subvolumes in order of id, the top level (5) first. */
int copse_subvol_list(copse_fs *fs, int (*fn)(void *arg, const struct copse_subvol *subvol),
                      void *arg);
/** The subvolume a node is in; path valid until the next call of this thread. */
int copse_subvol_of(copse_node *node, struct copse_subvol *out);
int copse_subvol_get_default(copse_fs *fs, uint64_t *id);
int copse_subvol_set_default(copse_fs *fs, uint64_t id);
struct copse_subvol_options {
    size_t size;
    bool readonly;          /* snapshots */
    uint32_t mode;          /* of a new root directory, without type; 0755 from the macro */
    const uint64_t *groups; /* quota groups that its own becomes a member of */
    size_t group_count;
};
/* clang-format off */
#define COPSE_SUBVOL_OPTIONS_INIT { sizeof(struct copse_subvol_options), false, 0755, NULL, 0 }
/* clang-format on */

/**
 * A new empty subvolume, named so in dir. options NULL: the defaults. out (may be NULL): its root
 * directory. Durable with the next commit.
 *
 * @return -EEXIST (also "." and ".."); -EINVAL '/' in the name; -ENAMETOOLONG; -EACCES an empty
 *         name; -ENOTDIR; -EROFS; -ENOSPC
 */
int copse_subvol_create(copse_node *dir, const char *name, size_t len,
                        const struct copse_subvol_options *options, const struct copse_cred *cred,
                        copse_node **out);
/**
 * A snapshot of the subvolume whose root directory source is, named so in dir. Everything written
 * to it before is in the snapshot. Subvolumes nested in it are not: they are empty directories
 * there.
 *
 * @return as copse_subvol_create; -EINVAL source is no subvolume; -EXDEV other file systems
 */
int copse_subvol_snapshot(copse_node *source, copse_node *dir, const char *name, size_t len,
                          const struct copse_subvol_options *options, copse_node **out);
/**
 * Deletes the subvolume of that name in dir: its name at once, what is in it by and by, once the
 * deletion is durable, in the background or by copse_subvol_clean(). Nodes in it are stale
 * (-ESTALE) from now on. A read-only subvolume can be deleted, too.
 *
 * @return -ENOENT; -ENOTDIR, -EINVAL no subvolume; -EPERM the default one; -ENOTEMPTY others are
 *         nested in it; -EBUSY it is the root of this copse_fs; -EROFS
 */
int copse_subvol_delete(copse_node *dir, const char *name, size_t len);
/** The same by its id; -EINVAL also for the top level. */
int copse_subvol_delete_id(copse_fs *fs, uint64_t id);
/**
 * Gives a deleted subvolume a name again, with all that was in it when it was last committed.
 *
 * @return -ENOENT there is none with that id, or part of it is gone already; -EINVAL it is not
 *         deleted; -EEXIST
 */
int copse_subvol_undelete(copse_node *dir, const char *name, size_t len, uint64_t id);
/**
 * Removes a bounded part of what deleted subvolumes hold, also of those that somebody else left,
 * and commits where nothing else can be done. *left: how many still wait; call again until it is 0.
 * One that cannot be removed (damage) is left out from then on; this fails once, with its error.
 */
int copse_subvol_clean(copse_fs *fs, unsigned *left);
/**
 * Makes a subvolume read-only, or writable again; open files included. What was received from
 * elsewhere forgets that when it becomes writable: only with drop_received, else -EPERM.
 */
int copse_subvol_set_readonly(copse_node *root, bool readonly, bool drop_received);
struct copse_received {
    uint8_t uuid[16];  /* of the subvolume it was sent from; all zero: none */
    uint64_t stransid; /* its generation there */
    struct timespec stime;
};
/** Notes what a subvolume is a copy of; the time and generation of that are filled in. */
int copse_subvol_set_received(copse_node *root, const struct copse_received *received);
/** The root directory of a subvolume, wherever it is. -ENOENT. */
int copse_subvol_root(copse_fs *fs, uint64_t id, copse_node **out);
/** copse_stat.ino of that directory. */
uint64_t copse_subvol_ino(copse_fs *fs, uint64_t id);
/** Whether node is the root directory of a subvolume. */
bool copse_is_subvol(const copse_node *node);

/* ---- quotas
 * -------------------------------------------------------------------------------------------- */

enum copse_quota_mode { COPSE_QUOTA_OFF, COPSE_QUOTA_FULL, COPSE_QUOTA_SIMPLE };

struct copse_quota_status {
    enum copse_quota_mode mode;
    bool inconsistent; /* what the groups count is wrong: a rescan mends it */
    bool rescanning;
    uint64_t rescan_progress; /* logical address a rescan has reached */
    uint64_t enable_gen;      /* simple quotas: extents of older generations are not counted */
    uint64_t reserved;        /* bytes promised to writers and not counted yet */
};
int copse_quota_status(copse_fs *fs, struct copse_quota_status *out);
/**
 * Switches quotas on and counts what there is, which is durable on return. Already on: nothing.
 *
 * @return -EROFS
 */
int copse_quota_enable(copse_fs *fs, bool simple);
/** Switches quotas off and forgets all groups. Already off: nothing. */
int copse_quota_disable(copse_fs *fs);
/**
 * Counts everything anew, as Linux does: in steps, one with each commit, of which the first is done
 * on return. wait: all of them.
 *
 * @return -ENOTCONN quotas are off; -EINVAL simple quotas; -EINPROGRESS one is running
 */
int copse_quota_rescan(copse_fs *fs, bool wait);
/** Does the rest of a rescan; nothing when none is running. */
int copse_quota_rescan_wait(copse_fs *fs);

#define COPSE_QGROUP_LEVEL_SHIFT 48 /* an id is level << 48 | number */
#define COPSE_QGROUP_MAX_RFER (1u << 0)
#define COPSE_QGROUP_MAX_EXCL (1u << 1)
#define COPSE_QGROUP_NO_LIMIT UINT64_MAX
struct copse_qgroup {
    uint64_t id;
    uint64_t referenced, exclusive; /* bytes, as of the last commit */
    unsigned limits;                /* COPSE_QGROUP_MAX_*: those that are set */
    uint64_t max_referenced, max_exclusive;
    const uint64_t *parents, *members; /* ids */
    size_t parent_count, member_count;
};
/** All groups in order of id, until fn returns non-zero (then this returns 0). fn must not call
 *  back into the library. -ENOTCONN: quotas are off, here and below. */
int copse_qgroup_list(copse_fs *fs, int (*fn)(void *arg, const struct copse_qgroup *group),
                      void *arg);
/** -EINVAL: level 0, these come with their subvolumes; -EEXIST. */
int copse_qgroup_create(copse_fs *fs, uint64_t id);
/** -ENOENT; -EBUSY: it has members, or its subvolume exists. */
int copse_qgroup_destroy(copse_fs *fs, uint64_t id);
/** Puts a group into one of a higher level, counted on return. -EINVAL: the levels, or no such
 *  group; -EEXIST: it is in there. */
int copse_qgroup_assign(copse_fs *fs, uint64_t member, uint64_t parent);
/** -ENOENT: it is not in there. */
int copse_qgroup_remove(copse_fs *fs, uint64_t member, uint64_t parent);
/** Sets (or clears, with COPSE_QGROUP_NO_LIMIT) the limit `which` names: one COPSE_QGROUP_MAX_*.
 *  -ENOENT. What is over a new limit already stays. */
int copse_qgroup_limit(copse_fs *fs, uint64_t id, unsigned which, uint64_t bytes);

/* ---- inspection, without opening the trees
 * ---------------------------------------------------------------------- */

struct copse_text_sink {
    void (*put)(void *arg, const char *text, size_t len);
    void *arg;
};
/** As `btrfs inspect-internal dump-super`. copy: 0, 1, 2, or -1 for all; full: -f. */
int copse_dump_super(const char *device, int copy, bool full, bool force,
                     const struct copse_text_sink *sink);
struct copse_dump_tree_options {
    size_t size;
    uint64_t tree;  /* 0: all */
    uint64_t block; /* logical address of one block, 0: none */
    bool follow;    /* with block: its children too */
};
#define COPSE_DUMP_TREE_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(struct copse_dump_tree_options), 0, 0, false                                        \
    }
/** As `btrfs inspect-internal dump-tree`. */
int copse_dump_tree(const char *const *devices, unsigned count,
                    const struct copse_dump_tree_options *options,
                    const struct copse_text_sink *sink);
struct copse_owner {
    uint64_t subvol; /* id */
    uint64_t ino;    /* inside it, as copse_stat.subvol_ino */
    uint64_t
        offset; /* in the file, of the address; of a compressed extent: where its part begins */
};
#define COPSE_OWNERS_ANY_PART 1u /* also who has other parts of the extent only */
/**
 * Who has the data at a logical address, by subvolume, inode and offset, until fn returns non-zero.
 * Commits first where it may. -ENOENT: no extent is there; -EINVAL: a tree block is.
 */
int copse_logical_owners(copse_fs *fs, uint64_t logical, unsigned flags,
                         int (*fn)(void *arg, const struct copse_owner *owner), void *arg);
/** Paths of an inode in the subvolume of node, from its root, without leading '/'; until fn returns
 *  non-zero. -ENOENT: no such inode, or it has no name. */
int copse_inode_paths(copse_node *node, uint64_t ino, int (*fn)(void *arg, const char *path),
                      void *arg);
/** The same in the subvolume of that id. -ENOENT: there is none. */
int copse_subvol_inode_paths(copse_fs *fs, uint64_t subvol, uint64_t ino,
                             int (*fn)(void *arg, const char *path), void *arg);

/* ---- send streams
 * -------------------------------------------------------------------------------------------- */

/** Where a stream comes from: reads up to cap bytes; *got 0: the end. 0 or a negative errno. */
struct copse_stream_source {
    int (*read)(void *arg, void *buf, size_t cap, size_t *got);
    void *arg;
};

/** Where a stream goes: all len bytes or a negative errno, which ends the send. */
struct copse_stream_sink {
    int (*write)(void *arg, const void *buf, size_t len);
    void *arg;
};

struct copse_stream_dump_options {
    size_t size;
    bool json;      /* as JSON instead of lines */
    bool honor_end; /* stop behind the first end command; otherwise at the end of the input */
};
#define COPSE_STREAM_DUMP_OPTIONS_INIT                                                             \
    {                                                                                              \
        sizeof(struct copse_stream_dump_options), false, false                                     \
    }
/** Prints streams command by command, as `btrfs receive --dump`. Needs no file system. */
int copse_stream_dump(const struct copse_stream_source *source,
                      const struct copse_stream_dump_options *options,
                      const struct copse_text_sink *sink);

/** What receiving or sending has done so far. */
struct copse_stream_progress {
    uint64_t commands, bytes; /* of the stream */
    const char *path; /* of the last command, inside the subvolume; valid in the call only */
};

struct copse_receive_options {
    size_t size;
    bool honor_end;      /* stop behind the first end command */
    uint64_t max_errors; /* give up at that many failed commands; 0: never. Default 1. */
    /** Called for each subvolume that is begun; name is valid during the call only. May be NULL. */
    void (*begun)(void *arg, const char *name, bool snapshot);
    /** Called after a command that failed, unless it ends the whole; copse_error() says why. */
    void (*failed)(void *arg, int err);
    /** Called now and then; non-zero: receiving ends with -ECANCELED. */
    int (*progress)(void *arg, const struct copse_stream_progress *progress);
    void *arg;
    /** Called when a name in the directory came or went: what a cache of it should know. */
    void (*entry)(void *arg, const char *name);
    /* Keep what was received so that it can be gone on with, and go on where an earlier receive
     * with this option was interrupted, also by a crash: with the same stream, which is skipped as
     * far as that came, or with what copse_send() makes of the token. Every checkpoint_bytes of the
     * stream the directory gets a read-only subvolume ".copse-resume.…", until the received one is
     * complete. What is complete already is passed over. */
    bool resume;
    uint64_t checkpoint_bytes;
};
/* clang-format off */
#define COPSE_RECEIVE_OPTIONS_INIT { sizeof(struct copse_receive_options), false, 1, NULL, NULL, NULL, NULL, NULL, false, 64u << 20 }
/* clang-format on */
/**
 * Receives every subvolume of the streams that the source holds into directory dir.
 *
 * Nothing outside the subvolumes that are being received is ever changed, whatever the stream says,
 * and no symlink is followed. A subvolume becomes read-only and gets its received uuid only when
 * its last command has been carried out without a failure and everything is durable; one that
 * failed stays behind writable and without it.
 *
 * @return -EINVAL no stream, or one that breaks the rules; -EILSEQ a checksum is wrong; -EPIPE it
 *         ends too early; -EPROTONOSUPPORT its protocol is unknown; -ENOENT the parent of an
 *         incremental stream is not here; -EEXIST the name is taken; -EIO commands failed
 */
int copse_receive(copse_node *dir, const struct copse_stream_source *source,
                  const struct copse_receive_options *options);

/** A token, with its NUL: digits and letters. */
#define COPSE_TOKEN_SIZE 121
/**
 * Calls fn with a token for each subvolume that a copse_receive() with the option resume into dir
 * has not completed, until fn returns non-zero.
 */
int copse_receive_tokens(copse_node *dir, int (*fn)(void *arg, const char *token), void *arg);

struct copse_send_options {
    size_t size;
    copse_node *parent;        /* root of the parent snapshot: send what differs. NULL: all */
    copse_node *const *clones; /* roots of snapshots whose extents may be cloned; the parent is */
    unsigned clone_count;      /* one anyway */
    unsigned protocol;         /* 1, 2 or 3 */
    bool compressed_data;      /* compressed extents as they are (protocol 2 and 3) */
    bool no_data;              /* say where data changed, without it */
    bool omit_header;          /* of streams that are written one behind another, all but the */
    bool omit_end;             /* first go without a header, all but the last without an end */
    const uint8_t *reparent;   /* 16 bytes: by this uuid receivers know the parent; NULL: its own */
    /** Called now and then; non-zero: sending ends with -ECANCELED. May be NULL. */
    int (*progress)(void *arg, const struct copse_stream_progress *progress);
    void *arg;
    bool parent_from_clones; /* parent NULL: the nearest relative among the clones is taken */
    const char *resume_from; /* a token of the receiver: send the rest; all else as at first */
};
/* clang-format off */
#define COPSE_SEND_OPTIONS_INIT { sizeof(struct copse_send_options), NULL, NULL, 0, 1, false, false, false, false, NULL, NULL, NULL, false, NULL }
/* clang-format on */
/**
 * Sends the read-only subvolume whose root directory is node. Data that was accepted before is
 * written first. The subvolume, its parent and its clone sources cannot become writable meanwhile.
 *
 * @return -EPERM a subvolume is not read-only; -EINVAL not a subvolume; errors of the sink
 */
int copse_send(copse_node *subvol, const struct copse_send_options *options,
               const struct copse_stream_sink *sink);

/* ---- making file systems
 * -------------------------------------------------------------------------------------------- */

struct copse_mkfs_options {
    size_t size;
    uint64_t byte_count;          /* -b; 0: the device's size */
    bool force;                   /* -f */
    const char *label;            /* -L */
    const char *uuid;             /* -U, text */
    const char *device_uuid;      /* --device-uuid, text */
    uint32_t nodesize;            /* -n; 0: 16 KiB (or the sector size if larger) */
    uint32_t sectorsize;          /* -s; 0: 4 KiB */
    const char *data_profile;     /* -d "single" "dup"; NULL: default */
    const char *meta_profile;     /* -m */
    bool mixed;                   /* -M */
    const char *csum;             /* --csum name */
    const char *features;         /* -O list */
    const char *runtime_features; /* -R list */
    bool no_discard;              /* -K */
    uint64_t seed;                /* not 0: uuids and times from this seed, byte-reproducible */
};
/* clang-format off */
#define COPSE_MKFS_OPTIONS_INIT { sizeof(struct copse_mkfs_options), 0, false, NULL, NULL, NULL, 0, 0, NULL, NULL, false, NULL, NULL, NULL, false, 0 }
/* clang-format on */
int copse_mkfs(const char *device, const struct copse_mkfs_options *options);

/*
 * The features that -O and -R can ask for, numbered from 0: name and, in *what (unless NULL), a
 * line about it. NULL: there are no more. Both stay for good.
 */
const char *copse_mkfs_feature(unsigned number, const char **what);

/* ---- checking
 * -------------------------------------------------------------------------------------------- */

enum copse_check_severity { COPSE_CHECK_NOTE, COPSE_CHECK_WARNING, COPSE_CHECK_ERROR };

enum copse_check_repaired {
    COPSE_CHECK_ONLY_LOOKED, /* nobody asked for it to be repaired */
    COPSE_CHECK_REPAIRED,
    COPSE_CHECK_NOT_REPAIRED, /* or not all of it */
};

struct copse_check_problem {
    const char *code; /* "ref-missing": for programs; the manual page lists them */
    enum copse_check_severity severity;
    const char *text;          /* what is wrong and where, one line */
    const char *means;         /* what that means for the files in it */
    const char *repair;        /* what can be done about it; "": nothing by itself */
    uint64_t tree, block, ino; /* what it is about; 0: does not apply */
    const char *path;          /* of that inode; NULL: none, or it cannot be told */
    enum copse_check_repaired repaired;
};

struct copse_check_options {
    size_t size;
    bool data_csum; /* read all data and compare it with its checksums */
    uint64_t
        memory; /* what grows with the file system goes to a temporary file beyond; 0: 256 MiB */
    /* Told at the end what was found, in a fixed order; of one code 100 at most. */
    void (*problem)(void *arg, const struct copse_check_problem *problem);
    /* Bytes of tree blocks and data looked at; may be called from any thread. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    bool repair; /* put right what can be */
    /* With repair: where what is overwritten is kept; must not exist. NULL: nowhere. */
    const char *undo_file;
};
/* clang-format off */
#define COPSE_CHECK_OPTIONS_INIT { sizeof(struct copse_check_options), false, 0, NULL, NULL, NULL, false, NULL }
/* clang-format on */

struct copse_check_result {
    uint64_t errors, warnings, notes; /* with repair: that are left */
    uint64_t repaired;
};

/**
 * Looks at everything there is, and changes nothing unless options->repair says so. Damage is no
 * failure: it is in *out. With repair it is told of all problems that were found, and of each
 * whether it is gone.
 *
 * @return -EBUSY in use; -EEXIST there is an undo file; -EINVAL no btrfs; -EOPNOTSUPP a feature
 * this build does not know; -ENOMEM
 */
int copse_check(const char *const *devices, unsigned count,
                const struct copse_check_options *options, struct copse_check_result *out);

/**
 * Takes a repair back: every byte is again what it was before, whatever became of the repair.
 *
 * @return -EBUSY in use; -EINVAL no undo file, or that of another file system; -EUCLEAN it is cut
 * off or damaged; then nothing was changed
 */
int copse_check_undo(const char *const *devices, unsigned count, const char *undo_file);

/* ---- rescue
 * ------------------------------------------------------------------------------------------------
 *
 * Reads what can be read of a file system that copse_open() refuses or in which much is lost. It
 * changes no byte and needs nothing but a superblock: chunks, trees and blocks that nothing leads
 * to any more are looked for on the device. What is lost for good is passed over; notes say which
 * blocks. One thread at a time.
 */

typedef struct copse_rescue copse_rescue;

struct copse_rescue_options {
    size_t size;
    unsigned super_copy; /* 1, 2: that copy of the superblock; 0: as copse_open() chooses */
    uint64_t root;       /* address of a block to be the root of the root tree; 0: the usual one */
    bool ignore_checksums; /* data is taken as it is */
    bool older;            /* where a block is lost, also what replaced blocks still tell */
    /* Of a search through the device. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};
/* clang-format off */
#define COPSE_RESCUE_OPTIONS_INIT { sizeof(struct copse_rescue_options), 0, 0, false, false, NULL, NULL }
/* clang-format on */

int copse_rescue_open(const char *const *devices, unsigned count,
                      const struct copse_rescue_options *options, copse_rescue **out);
void copse_rescue_close(copse_rescue *rescue);

struct copse_rescue_subvol {
    uint64_t id;
    uint64_t parent, dir_ino; /* the directory with its name; 0: the name is not known */
    const char *name;         /* NUL-terminated; NULL: not known */
    size_t name_len;
    bool snapshot;
    bool guessed; /* only its blocks say that it is there */
};
int copse_rescue_subvols(copse_rescue *rescue,
                         int (*fn)(void *arg, const struct copse_rescue_subvol *subvol), void *arg);

struct copse_rescue_survey {
    uint64_t inodes;
    bool damaged;    /* some block of it is lost; what that held may have been found elsewhere */
    bool items_lost; /* at least one block with items is gone */
};
/**
 * Reads all of a subvolume's tree. To be called before anything else about the subvolume: names
 * that directories have lost are known afterwards. -ENOENT: there is no such subvolume.
 */
int copse_rescue_survey(copse_rescue *rescue, uint64_t subvol, struct copse_rescue_survey *out);

/**
 * -ENOENT: nothing of that inode is left. *whole false: its attributes are lost, and out is what
 * can be guessed from the rest.
 */
int copse_rescue_stat(copse_rescue *rescue, uint64_t subvol, uint64_t ino, struct copse_stat *out,
                      bool *whole);

struct copse_rescue_name {
    const char *name; /* not NUL-terminated */
    size_t len;
    uint8_t type;    /* DT_* of dirent.h */
    uint64_t subvol; /* that the name leads to; 0: to a file of this one */
    uint64_t ino;
    bool from_file; /* the directory has lost it, the file knows it */
};
/** The names in a directory, each once, until fn returns non-zero. */
int copse_rescue_list(copse_rescue *rescue, uint64_t subvol, uint64_t ino,
                      int (*fn)(void *arg, const struct copse_rescue_name *name), void *arg);

/** A directory that has (or had) a name of the inode. -ENOENT: none is known. */
int copse_rescue_parent(copse_rescue *rescue, uint64_t subvol, uint64_t ino, uint64_t *parent);

/** The first inode at or after `from` of which anything is left. -ENOENT: there is none. */
int copse_rescue_next_inode(copse_rescue *rescue, uint64_t subvol, uint64_t from, uint64_t *ino);

/** name is not NUL-terminated. */
int copse_rescue_xattrs(copse_rescue *rescue, uint64_t subvol, uint64_t ino,
                        int (*fn)(void *arg, const char *name, size_t name_len, const void *value,
                                  size_t len),
                        void *arg);

struct copse_rescue_piece {
    uint64_t offset, len; /* of the file */
    const void *data;     /* NULL: lost */
    const char *why;      /* it is lost */
    uint64_t address;     /* logical, where the same address means the same bytes; 0: none */
};
/**
 * The content of a file (or the target of a symlink) in order, without holes, until fn returns
 * non-zero. *lost: bytes of it of which not even the place is known any more.
 */
int copse_rescue_read(copse_rescue *rescue, uint64_t subvol, uint64_t ino,
                      int (*fn)(void *arg, const struct copse_rescue_piece *piece), void *arg,
                      uint64_t *lost);

struct copse_rescue_root {
    uint64_t tree, bytenr, generation;
    uint8_t level;
    bool in_use;  /* the extent tree says so */
    bool current; /* it is the root now */
};
/** Every block that no other leads to, by tree, newest first, until fn returns non-zero. */
int copse_rescue_find_roots(copse_rescue *rescue,
                            int (*fn)(void *arg, const struct copse_rescue_root *root), void *arg);

/* ---- metadata dumps
 * ------------------------------------------------------------------------------------------------
 */

struct copse_image_options {
    size_t size;
    unsigned compress; /* level of zlib, 1 to 9; 0: not at all */
    unsigned
        sanitize; /* 1: names become others with the same hash; 2: also short ones, with another */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};
/* clang-format off */
#define COPSE_IMAGE_OPTIONS_INIT { sizeof(struct copse_image_options), 0, 0, NULL, NULL }
/* clang-format on */

/** All metadata, nothing of what files contain, as btrfs-image writes it. Damaged blocks too. */
int copse_image_dump(const char *const *devices, unsigned count,
                     const struct copse_image_options *options,
                     const struct copse_stream_sink *sink);

/**
 * Makes of such a dump the image of a file system, to be looked at: it opens read-only, and what
 * its files contain is missing. -EEXIST: device is a file with something in it (or a block device),
 * and force is not set.
 */
int copse_image_restore(const char *dump, const char *device, bool force);

#ifdef __cplusplus
}
#endif

#endif
