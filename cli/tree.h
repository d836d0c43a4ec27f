// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tree: files somewhere, in an open file system or on the host, with the same functions for both.
 * Commands are written once against these; what they do in a mounted copse file system they do as
 * any program would, through the host's system calls.
 *
 * All return 0 or a negative errno; cli_fail() then finds the message.
 */
#ifndef COPSE_CLI_TREE_H
#define COPSE_CLI_TREE_H

#include <copse/copse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tree;

struct file {
    struct tree *tree;
    copse_node *node; /* in a file system of ours */
    char *path;       /* on the host */
    int fd;           /* on the host: opened when its content is touched, else -1 */
    int dir_fd;       /* on the host: of a directory too deep for paths, else -1 */
    bool writable;    /* how fd was opened */
    bool append;      /* to be set before the content is touched */
    bool direct;      /* likewise: what is written is on the device at once */
};

struct name {
    char *name;
    size_t len;
    uint8_t type; /* DT_* */
    uint64_t ino;
};

struct names {
    struct name *list;
    size_t count, room;
};

struct tree_ops {
    int (*walk)(struct tree *tree, const char *path, bool nofollow, struct file *out);
    void (*close)(struct file *file);
    int (*lookup)(struct file *dir, const char *name, struct file *out);
    int (*stat)(struct file *file, struct copse_stat *out);
    int (*list)(struct file *dir, struct names *out);
    int (*pread)(struct file *file, void *buf, size_t len, uint64_t offset, size_t *done);
    int (*pwrite)(struct file *file, const void *buf, size_t len, uint64_t offset, size_t *done);
    int (*seek)(struct file *file, uint64_t offset, int whence, uint64_t *out);
    int (*fallocate)(struct file *file, int mode, uint64_t offset, uint64_t len);
    int (*clone)(struct file *src, uint64_t from, uint64_t len, struct file *dst, uint64_t to);
    int (*dedupe)(struct file *src, uint64_t from, uint64_t len, struct file *dst, uint64_t to,
                  bool *same);
    int (*copy_range)(struct file *src, uint64_t from, struct file *dst, uint64_t to, uint64_t len,
                      uint64_t *done);
    int (*fiemap)(struct file *file, int (*fn)(void *arg, const struct copse_extent *extent),
                  void *arg);
    int (*fsync)(struct file *file, bool data_only);
    int (*make)(struct file *dir, const char *name, uint32_t mode, uint64_t rdev, struct file *out);
    int (*symlink)(struct file *dir, const char *name, const char *target, struct file *out);
    int (*link)(struct file *file, struct file *dir, const char *name);
    int (*unlink)(struct file *dir, const char *name, bool is_dir);
    int (*rename)(struct file *from_dir, const char *from, struct file *to_dir, const char *to,
                  unsigned flags);
    int (*readlink)(struct file *file, char *buf, size_t cap, size_t *len);
    int (*set)(struct file *file, unsigned set, const struct copse_stat *st);
    int (*get_flags)(struct file *file, uint32_t *flags);
    int (*set_flags)(struct file *file, uint32_t flags);
    int (*xattr_get)(struct file *file, const char *name, void *buf, size_t cap, size_t *len);
    int (*xattr_set)(struct file *file, const char *name, const void *value, size_t len);
    int (*xattr_remove)(struct file *file, const char *name);
    int (*xattr_list)(struct file *file, char *buf, size_t cap, size_t *len);
    int (*sync)(struct tree *tree, const char *path);
    int (*shutdown)(struct file *file, bool flush);
    int (*defrag)(struct file *file, const struct copse_defrag_options *options);
    int (*subvol_create)(struct file *dir, const char *name,
                         const struct copse_subvol_options *options);
    int (*subvol_snapshot)(struct file *source, struct file *dir, const char *name,
                           const struct copse_subvol_options *options);
    int (*subvol_delete)(struct file *dir, const char *name);
    int (*subvol_set_readonly)(struct file *root, bool readonly, bool drop_received);
};

struct tree {
    const struct tree_ops *ops;
    copse_fs *fs; /* NULL: the host */
};

extern const struct tree_ops library_tree_ops, host_tree_ops;
/* The host's files. */
struct tree *host_tree(void);

/* Symlinks in the last place are followed unless nofollow. */
int file_walk(struct tree *tree, const char *path, bool nofollow, struct file *out);
void file_close(struct file *file);
/* A name in dir, a symlink itself. */
int file_lookup(struct file *dir, const char *name, struct file *out);
int file_stat(struct file *file, struct copse_stat *out);
/* All entries but "." and "..", sorted by bytes. */
int file_list(struct file *dir, struct names *out);
void names_free(struct names *names);
void names_add(struct names *names, const char *name, size_t len, uint8_t type, uint64_t ino);

int file_pread(struct file *file, void *buf, size_t len, uint64_t offset, size_t *done);
/* *done is set on failure too. */
int file_pwrite(struct file *file, const void *buf, size_t len, uint64_t offset, size_t *done);
int file_seek(struct file *file, uint64_t offset, int whence, uint64_t *out);
int file_fallocate(struct file *file, int mode, uint64_t offset, uint64_t len);
/* -EXDEV between different trees; len 0: to the end. */
int file_clone(struct file *src, uint64_t from, uint64_t len, struct file *dst, uint64_t to);
/* *same false: the ranges differ, and nothing was changed. */
int file_dedupe(struct file *src, uint64_t from, uint64_t len, struct file *dst, uint64_t to,
                bool *same);
int file_copy_range(struct file *src, uint64_t from, struct file *dst, uint64_t to, uint64_t len,
                    uint64_t *done);
int file_fiemap(struct file *file, int (*fn)(void *arg, const struct copse_extent *extent),
                void *arg);
int file_fsync(struct file *file, bool data_only);

/* mode: type and permissions; regular files, directories, devices, fifos, sockets. */
int file_make(struct file *dir, const char *name, uint32_t mode, uint64_t rdev, struct file *out);
int file_symlink(struct file *dir, const char *name, const char *target, struct file *out);
int file_link(struct file *file, struct file *dir, const char *name);
int file_unlink(struct file *dir, const char *name, bool is_dir);
int file_rename(struct file *from_dir, const char *from, struct file *to_dir, const char *to,
                unsigned flags);
/* The target, to be freed. */
int file_readlink(struct file *file, char **out);

/* COPSE_SET_* */
int file_set(struct file *file, unsigned set, const struct copse_stat *st);
int file_get_flags(struct file *file, uint32_t *flags);
int file_set_flags(struct file *file, uint32_t flags);
/* The value, to be freed. */
int file_xattr_get(struct file *file, const char *name, void **value, size_t *len);
int file_xattr_set(struct file *file, const char *name, const void *value, size_t len);
int file_xattr_remove(struct file *file, const char *name);
/* Names one after another, each ended by NUL, to be freed. */
int file_xattr_list(struct file *file, char **out, size_t *len);
/* Everything in the file system of path is durable when it returns 0. */
int tree_sync(struct tree *tree, const char *path);

/* A subvolume, or a snapshot of the one whose root source is, by that name in dir. */
int file_subvol_create(struct file *dir, const char *name,
                       const struct copse_subvol_options *options);
/* -EINVAL: source is no subvolume; both in one tree. */
int file_subvol_snapshot(struct file *source, struct file *dir, const char *name,
                         const struct copse_subvol_options *options);

int file_subvol_delete(struct file *dir, const char *name);
/* drop_received: also one that was received, which -EPERM protects otherwise. */
int file_subvol_set_readonly(struct file *root, bool readonly, bool drop_received);

/* Nothing in the file system of file becomes durable any more, after (flush) all that was done. */
int file_shutdown(struct file *file, bool flush);
int file_defrag(struct file *file, const struct copse_defrag_options *options);

static inline bool file_same_tree(const struct file *a, const struct file *b)
{
    return a->tree == b->tree;
}

#endif
