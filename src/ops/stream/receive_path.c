// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/cleanup.h"
#include "ops/stream/receive.h"

static int bad_path(const struct attribute *path, const char *what)
{
    return fail(-EINVAL, "path \"%.*s\": %s", (int)MIN(path->len, 255u), path->data, what);
}

void receive_forget(struct receiver *r)
{
    inode_put(r->at);
    inode_put(r->dir_at);
    r->at = r->dir_at = NULL;
}

/* One step down; dir is given back. */
static int step(struct receiver *r, struct inode *dir, const char *name, size_t len,
                struct inode **out)
{
    struct inode *next;

    if (len > NAME_MAX_BYTES) {
        inode_put(dir);
        return fail(-ENAMETOOLONG, "a name of %zu bytes", len);
    }
    int ret = inode_is_dir(dir)
                  ? mount_lookup(r->mount, dir, name, len, &next)
                  : fail(-ENOTDIR, "on the way to %.*s: no directory", (int)len, name);
    bool other = ret == 0 && next->tree != dir->tree;
    inode_put(dir);
    if (ret < 0)
        return ret;
    if (other) {
        inode_put(next);
        return fail(-EXDEV, "%.*s leads into another subvolume", (int)len, name);
    }
    *out = next;
    return 0;
}

/* The next name of the path from *at on. 1: there is none. */
static int next_name(const struct attribute *path, uint32_t *at, struct last_name *name)
{
    const char *text = (const char *)path->data;
    uint32_t begin = *at, end = begin;

    if (begin >= path->len)
        return begin > path->len || path->len == 0 ? 1 : bad_path(path, "it ends with a slash");
    while (end < path->len && text[end] != '/')
        end++;
    *name = (struct last_name){text + begin, end - begin};
    if (!name_is_valid(name->at, name->len))
        return bad_path(path, "it is absolute, or has an empty name, \".\" or \"..\" in it");
    *at = end + 1;
    return 0;
}

int receive_find_in(struct receiver *r, struct inode *root, const struct attribute *path,
                    struct inode **out)
{
    struct inode *inode = inode_ref(root);
    struct last_name name;
    uint32_t at = 0;
    int ret;

    while ((ret = next_name(path, &at, &name)) == 0)
        TRY(step(r, inode, name.at, name.len, &inode));
    if (ret < 0) {
        inode_put(inode);
        return ret;
    }
    *out = inode;
    return 0;
}

static bool is_last_path(const struct text *text, const struct attribute *path)
{
    return text->len == path->len && memcmp(text_get(text), path->data, path->len) == 0;
}

/* Remembers where a path led. */
static int remember(struct text *text, struct inode **slot, const struct attribute *path,
                    struct inode *inode)
{
    inode_put(*slot);
    *slot = NULL;
    text_cut(text, 0);
    TRY(text_add(text, (const char *)path->data, path->len));
    *slot = inode_ref(inode);
    return 0;
}

static int find_dir(struct receiver *r, const struct attribute *path, struct inode **out)
{
    if (r->dir_at && is_last_path(&r->dir_path, path)) {
        *out = inode_ref(r->dir_at);
        return 0;
    }
    TRY(receive_find_in(r, r->subvol, path, out));
    int ret = remember(&r->dir_path, &r->dir_at, path, *out);
    if (ret < 0)
        inode_put(*out);
    return ret;
}

int receive_parent(struct receiver *r, const struct attribute *path, struct inode **dir,
                   struct last_name *name)
{
    const char *text = (const char *)path->data;
    uint32_t slash = path->len;

    while (slash > 0 && text[slash - 1] != '/')
        slash--;
    *name = (struct last_name){text + slash, path->len - slash};
    if (!name_is_valid(name->at, name->len))
        return bad_path(path, "its last name is empty, \".\" or \"..\"");
    if (slash == 1)
        return bad_path(path, "it is absolute");
    const struct attribute above = {path->data, slash > 0 ? slash - 1 : 0};
    return find_dir(r, &above, dir);
}

int receive_find(struct receiver *r, const struct attribute *path, struct inode **out)
{
    struct last_name name;
    struct inode *dir;

    if (r->at && is_last_path(&r->path, path)) {
        *out = inode_ref(r->at);
        return 0;
    }
    if (path->len == 0) {
        *out = inode_ref(r->subvol);
        return 0;
    }
    TRY(receive_parent(r, path, &dir, &name));
    TRY(step(r, dir, name.at, name.len, out));
    int ret = remember(&r->path, &r->at, path, *out);
    if (ret < 0)
        inode_put(*out);
    return ret;
}
