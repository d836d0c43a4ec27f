// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * inode: inodes, directories, names, extended attributes, orphans. And `struct fs`, what all of
 * fs/ shares.
 *
 * Locks, in the order they are taken:
 *   inode->lock     content and size of a regular file (read: shared, write and truncate: alone);
 *                   two inodes: in order of (tree id, ino)
 *   the metadata lock (store_read_lock, store_begin)
 *   inode->item_lock  the inode item in memory; held for a few instructions
 *   fs->inodes_lock   the table of inodes in memory
 * Directories are protected by the metadata lock alone.
 *
 * The inode item in memory is the truth; inode_mark_dirty() puts it on a list that the commit
 * writes out (inodes_write_dirty, called from the before_commit hook), so that a thousand changes
 * of one directory cost one item update.
 */
#ifndef COPSE_FS_INODE_INODE_H
#define COPSE_FS_INODE_INODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "engine/store/store.h"

struct fs_options {
    bool noatime;
    bool strictatime;
    bool nodatacow;
    bool notreelog; /* fsync is always a commit, never a log tree */
    /* Of files that do not say themselves; enum compress_type, 0: none. */
    uint8_t compress_type;
    int compress_level;
    bool compress_force;        /* of all files, and whatever the data looks like */
    uint64_t dirty_limit_bytes; /* of file data in memory; 0: 64 MiB */
    /* What tree blocks leave of so many bytes, but some even then, may hold file data that was
     * read. 0: none. */
    uint64_t data_cache_bytes;
    uint64_t data_cache_least;
};

struct inode;

struct fs {
    struct store *store;
    struct env *env;
    struct fs_options options;
    pthread_mutex_t inodes_lock;
    struct inode_table *inodes;                /* private to inode/ */
    void (*last_put)(struct inode *inode);     /* set by fs/mount: deletes an orphan */
    void (*free_content)(struct inode *inode); /* set by fs/file: frees inode->file */
    struct file_shared *files;                 /* private to file/ */
    struct logged_inodes *logged;              /* private to inode/, logged.c */
    struct logs *logs;                         /* private to fsync/ */
    struct subvol_numbers *numbers;            /* private to subvol/ */
    struct subvol_dead *dead;                  /* private to subvol/ */
};

/* What is known of an inode's extended attributes without looking. */
enum { XATTRS_UNKNOWN, XATTRS_NONE, XATTRS_SOME };

struct inode {
    struct fs *fs;
    struct tree_handle *tree;
    uint64_t ino;
    uint64_t refs; /* under fs->inodes_lock */

    pthread_rwlock_t lock;
    pthread_mutex_t item_lock;
    struct inode_item item; /* size: as users see it (dirty data included) */
    uint64_t disk_size;     /* size that the item on disk may say: what is written back */
    bool item_dirty;
    uint64_t written;      /* the transaction that wrote the item */
    uint64_t copied_after; /* the last snapshot of its tree then, since opening */
    bool leaf_ours; /* while item_dirty: inodes_write_shared has looked at it and let it wait */
    bool orphan;    /* no names left, an orphan item exists; deleted at the last put */
    bool deleted;   /* its items are gone */
    uint64_t dir_next_index;  /* of a directory, 0: not known yet */
    uint64_t dir_parent_hint; /* inode of a directory's parent, 0: not known */
    struct file_state *file;  /* private to file/; NULL until the content is touched */
    /* The rest is private to inode/. */
    uint64_t tree_id;
    _Atomic uint8_t xattrs; /* XATTRS_*; all but log replay, which asks for none, goes by xattr.c */
    struct inode *hash_next;
    bool idle;    /* nobody refers to it, kept for later */
    bool gone;    /* its tree was deleted: nobody finds it any more */
    bool writing; /* its item is being written: it stays in memory */
    TAILQ_ENTRY(inode) lru;
    TAILQ_ENTRY(inode) dirty; /* while item_dirty */
};

int fs_init(struct fs *fs, struct store *store, const struct fs_options *options) MUST_USE;
void fs_release(struct fs *fs);

/* ---- inodes in memory
 * ------------------------------------------------------------------------------ */

/* The inode, read when it is not in memory. -ENOENT; -EUCLEAN: damaged. Takes the metadata lock
 * shared itself (inode_get) or expects it held (inode_get_locked). */
int inode_get(struct fs *fs, struct tree_handle *tree, uint64_t ino, struct inode **out) MUST_USE;
int inode_get_locked(struct fs *fs, struct tree_handle *tree, uint64_t ino,
                     struct inode **out) MUST_USE;
/* An inode that exists in memory only, under a number no real one has; never written. */
int inode_get_virtual(struct fs *fs, struct tree_handle *tree, uint64_t ino,
                      const struct inode_item *item, struct inode **out) MUST_USE;
struct inode *inode_ref(struct inode *inode);
/*
 * Gives a reference back; NULL is fine. When it was the last one of an orphan, fs->last_put deletes
 * its items (it takes the metadata lock, so this must not be called with it held) and ends with
 * inode_put_deleted.
 */
void inode_put(struct inode *inode);
void inode_put_deleted(struct inode *inode);

/* The type never changes; permissions may, under item_lock, while somebody asks for it. */
static inline uint32_t inode_mode(const struct inode *inode)
{
    return __atomic_load_n(&inode->item.mode, __ATOMIC_RELAXED);
}
static inline void inode_set_mode(struct inode *inode, uint32_t mode)
{
    __atomic_store_n(&inode->item.mode, mode, __ATOMIC_RELAXED);
}
/* INODE_*. A flag may be set while others ask for another one; by item_lock no change is lost. */
static inline uint64_t inode_flags(const struct inode *inode)
{
    return __atomic_load_n(&inode->item.flags, __ATOMIC_RELAXED);
}
static inline void inode_change_flags(struct inode *inode, uint64_t clear, uint64_t set)
{
    pthread_mutex_lock(&inode->item_lock);
    __atomic_store_n(&inode->item.flags, (inode->item.flags & ~clear) | set, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&inode->item_lock);
}
static inline bool inode_is_dir(const struct inode *inode)
{
    return (inode_mode(inode) & 0170000) == 0040000;
}
static inline bool inode_is_reg(const struct inode *inode)
{
    return (inode_mode(inode) & 0170000) == 0100000;
}
static inline bool inode_is_symlink(const struct inode *inode)
{
    return (inode_mode(inode) & 0170000) == 0120000;
}

/*
 * The tree is being deleted (roots_retire follows): nobody finds its inodes in memory any more, and
 * those still in use are never written. Metadata lock held alone.
 */
void inodes_forget_tree(struct fs *fs, uint64_t tree_id);

/* The item changed in memory (item_lock held or metadata lock alone): written at the next commit.
 */
void inode_mark_dirty(struct inode *inode);
/* Sets ctime (and mtime) to now, bumps sequence, marks dirty. transid follows when it is written.
 */
void inode_touch(struct inode *inode, bool mtime);
/* Writes all dirty inode items; metadata lock held alone. */
int inodes_write_dirty(struct fs *fs) MUST_USE;
/*
 * The same, at the end of a change, for some of those whose leaf a snapshot may share. What copying
 * that takes would else show in the commit, when it is too late to ask for more space.
 */
int inodes_write_shared(struct fs *fs) MUST_USE;
/* The same for those of one tree (before a snapshot of it). */
int inodes_write_dirty_of(struct fs *fs, uint64_t tree_id) MUST_USE;
/* One of them, now. */
int inode_write(struct inode *inode) MUST_USE;
/* -ESTALE: its subvolume was deleted. */
int inode_is_there(const struct inode *inode) MUST_USE;
/* -ESTALE, -EROFS for a read-only subvolume, -EPERM for immutable (and append where `append_ok` is
 * false).
 */
int inode_may_change(const struct inode *inode, bool append_ok) MUST_USE;

/* ---- making and deleting inodes (within store_begin .. store_end)
 * ------------------------------------- */

struct inode_new {
    uint32_t mode; /* with type */
    uint32_t uid, gid;
    uint64_t rdev; /* as the format stores it */
    uint32_t nlink;
};
/* A new inode in tree; inherits flags and properties from dir (may be NULL), set-gid
 * as Linux does. In memory and as an item. */
int inode_create(struct fs *fs, struct tree_handle *tree, struct inode *dir,
                 const struct inode_new *what, struct inode **out) MUST_USE;
/*
 * A new inode and its first name (of type FT_*) in dir, as inode_create and dir_add make them, but
 * with one search for each place in the tree. -EEXIST, -EOVERFLOW and other refusals leave nothing
 * behind.
 */
int inode_create_named(struct inode *dir, const void *name, uint16_t len,
                       const struct inode_new *what, uint8_t type, struct inode **out) MUST_USE;
/*
 * The reverse: removes the one name of an inode that nobody but the caller refers to, and the inode
 * with it, as dir_remove and inode_delete do. *done false: nothing has happened, this needs the
 * longer way (the inode is in use, has other names, or extents to be freed).
 */
int inode_remove_named(struct inode *dir, const void *name, uint16_t len, struct inode *inode,
                       bool *done) MUST_USE;
/* Deletes the inode item, xattrs and orphan item; its file extents are gone already. */
int inode_delete(struct inode *inode) MUST_USE;

/* ---- names
 * ------------------------------------------------------------------------------------------------
 */

struct dir_entry {
    struct key location; /* (ino INODE_ITEM 0) or (subvol ROOT_ITEM -1) */
    uint64_t index;
    uint8_t type; /* FT_* */
};

/* -ENOENT; -EUCLEAN. Metadata lock held. index 0 in *out: look in dir_remove's care. */
int dir_lookup(struct inode *dir, const void *name, uint16_t len, struct dir_entry *out) MUST_USE;
/* The same, of a name that is soon removed. */
int dir_lookup_to_remove(struct inode *dir, const void *name, uint16_t len,
                         struct dir_entry *out) MUST_USE;

/* Adds DIR_ITEM, DIR_INDEX and (for inodes) the back reference; updates the directory's size and
 * times, not the child's nlink. -EEXIST; -EOVERFLOW: colliding names fill the item;
 * -EMLINK: no more references fit. Subvolumes: root references instead of the inode's. */
int dir_add(struct inode *dir, const void *name, uint16_t len, const struct key *location,
            uint8_t type) MUST_USE;
/* Whether dir_add would refuse the name: -EEXIST, -EOVERFLOW. Changes nothing. */
int dir_name_is_free(struct inode *dir, const void *name, uint16_t len) MUST_USE;
/* Removes them all; *out (may be NULL): what it was. */
int dir_remove(struct inode *dir, const void *name, uint16_t len, struct dir_entry *out) MUST_USE;

/*
 * The same without changing times, with the index given, and without the back reference if it is
 * to follow: log replay rebuilds names piece by piece. The name is not there yet.
 */
int dir_insert_name(struct inode *dir, const void *name, uint16_t len, const struct key *location,
                    uint8_t type, uint64_t index, bool back_ref) MUST_USE;
int dir_remove_name(struct inode *dir, const void *name, uint16_t len,
                    struct dir_entry *out) MUST_USE;
/* The index that the next name gets. -ENOSPC: there is none left. */
int dir_next_index(struct inode *dir, uint64_t *index) MUST_USE;
/* The entry with that index. -ENOENT. */
int dir_entry_at(struct inode *dir, uint64_t index, char name[NAME_MAX_BYTES], uint16_t *len,
                 struct dir_entry *out) MUST_USE;

struct dir_name {
    const char *name;
    uint16_t len;
    uint64_t index;
    struct key location;
    uint8_t type;
};
/* Entries with index > after, until fn returns non-zero (passed on). Metadata lock held. */
int dir_each(struct inode *dir, uint64_t after, int (*fn)(void *arg, const struct dir_name *entry),
             void *arg) MUST_USE;
int dir_is_empty(struct inode *dir, bool *empty) MUST_USE;

/* Names of an inode inside its tree (INODE_REF and INODE_EXTREF), until fn returns non-zero. */
int inode_each_name(struct tree_handle *tree, uint64_t ino,
                    int (*fn)(void *arg, uint64_t parent, uint64_t index, const char *name,
                              uint16_t len),
                    void *arg) MUST_USE;
/*
 * Whether a name of `len` bytes in dir fits among those of the inode, `leaving` of which (0: none)
 * goes first. -EMLINK: not; only where the file system has no extended references.
 */
int inode_name_fits(const struct inode *inode, const struct inode *dir, uint16_t len,
                    uint16_t leaving) MUST_USE;
/* The directory a directory is in, inside its tree. -ENOENT for a subvolume's root. */
int dir_parent(struct inode *dir, uint64_t *parent) MUST_USE;

/* ---- extended attributes
 * --------------------------------------------------------------------------------- */

int xattr_get(struct inode *inode, const char *name, void *buf, size_t cap, size_t *len) MUST_USE;
int xattr_set(struct inode *inode, const char *name, const void *value, size_t len,
              int flags) MUST_USE;
int xattr_remove(struct inode *inode, const char *name) MUST_USE;
/* Whether it is known that there are none: then no search and no message is needed to find that. */
static inline bool xattr_none(const struct inode *inode)
{
    return atomic_load_explicit(&inode->xattrs, memory_order_relaxed) == XATTRS_NONE;
}
/* Key of the item that holds, or would hold, the attribute; name has at most 255 bytes. */
struct key xattr_item_key(const struct inode *inode, const char *name);
int xattr_list(struct inode *inode, char *buf, size_t cap, size_t *len) MUST_USE;

/* ---- orphans: inodes without names, to be deleted
 * ---------------------------------------------------------- */

int orphan_add(struct inode *inode) MUST_USE;
int orphan_del(struct inode *inode) MUST_USE;
/* The first orphan inode of a tree at or after `from`. -ENOENT: none. */
int orphan_next(struct tree_handle *tree, uint64_t from, uint64_t *ino) MUST_USE;

/* ---- log trees of the running transaction (logged.c); the metadata lock is held alone ----------
 */

/* The log of that tree describes the inode as it is now. */
int logged_add(struct fs *fs, uint64_t tree, uint64_t ino) MUST_USE;
bool logged_has(const struct fs *fs, uint64_t tree, uint64_t ino);
/* It does so, and no name of it has changed since. */
bool logged_is_fresh(const struct fs *fs, uint64_t tree, uint64_t ino);
/* Told by whoever gives the inode a name, takes one, deletes it, or changes entries of it. */
void logged_names_changed(struct fs *fs, uint64_t tree, uint64_t ino);
/* Takes one out whose names have changed since. */
bool logged_take_stale(struct fs *fs, uint64_t tree, uint64_t *ino);
/* The logs are gone. */
void logged_clear(struct fs *fs);

/* ---- times and flags
 * ---------------------------------------------------------------------------------- */

struct timestamp timestamp_now(struct fs *fs);
/* INODE_* bits <-> FS_*_FL of linux/fs.h. */
uint32_t inode_flags_to_fs(uint64_t flags);
uint64_t inode_flags_from_fs(uint32_t fs_flags, uint64_t old_flags);

#endif
