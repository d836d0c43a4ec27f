// SPDX-License-Identifier: GPL-2.0-or-later
/* What one file has: its content, with holes and sharing, and its attributes. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "restore.h"
#include "text.h"

#define uthash_fatal(message) need_memory(NULL)
#include <uthash.h>

/* ---- sharing -----------------------------------------------------------------------------------
 */

/* Beyond that many extents they are copied. */
#define SHARED_MAX 1000000

struct shared_table {
    uint64_t address;
    uint64_t len, offset;
    char *path;
    UT_hash_handle hh;
};

void restore_free_shared(struct restore *restore)
{
    struct shared_table *extent, *next;

    HASH_ITER (hh, restore->shared, extent, next) {
        HASH_DEL(restore->shared, extent);
        free(extent->path);
        free(extent);
    }
}

static void remember(struct restore *restore, const struct copse_rescue_piece *piece,
                     const struct file *dst)
{
    struct shared_table *extent;

    if (restore->no_sharing || !piece->address || HASH_COUNT(restore->shared) >= SHARED_MAX)
        return;
    HASH_FIND(hh, restore->shared, &piece->address, sizeof(piece->address), extent);
    if (extent)
        return;
    extent = need_memory(calloc(1, sizeof(*extent)));
    extent->address = piece->address;
    extent->len = piece->len;
    extent->offset = piece->offset;
    extent->path = need_string(strdup(dst->path));
    HASH_ADD(hh, restore->shared, address, sizeof(extent->address), extent);
}

/* Whether the piece is there now, shared with where it was written before. */
static bool share(struct restore *restore, const struct copse_rescue_piece *piece, struct file *dst)
{
    struct shared_table *extent = NULL;
    struct file src;
    int ret;

    if (restore->no_sharing || !piece->address)
        return false;
    HASH_FIND(hh, restore->shared, &piece->address, sizeof(piece->address), extent);
    if (!extent || extent->len < piece->len || strcmp(extent->path, dst->path) == 0)
        return false;
    if (file_walk(host_tree(), extent->path, true, &src) < 0)
        return false;
    ret = file_clone(&src, extent->offset, piece->len, dst, piece->offset);
    file_close(&src);
    restore->no_sharing |= ret == -EOPNOTSUPP || ret == -ENOTTY || ret == -EXDEV;
    return ret == 0;
}

/* ---- content -----------------------------------------------------------------------------------
 */

struct writing {
    struct restore *restore;
    const struct origin *from;
    struct file *dst;
    int err;
};

static int write_bytes(struct file *dst, const struct copse_rescue_piece *piece)
{
    uint64_t done = 0;

    while (done < piece->len) {
        size_t wrote,
            want = piece->len - done < COPY_BUFFER ? (size_t)(piece->len - done) : COPY_BUFFER;
        int ret =
            file_pwrite(dst, (const char *)piece->data + done, want, piece->offset + done, &wrote);

        if (ret < 0)
            return ret;
        done += wrote;
    }
    return 0;
}

static int write_piece(void *arg, const struct copse_rescue_piece *piece)
{
    struct writing *writing = arg;

    if (cli_interrupted())
        return 1;
    if (!piece->data) {
        restore_lost(writing->restore, writing->from->shown, "bytes %llu to %llu: %s",
                     LLU(piece->offset), LLU(piece->offset + piece->len), piece->why);
        return 0;
    }
    if (share(writing->restore, piece, writing->dst))
        return 0;
    writing->err = write_bytes(writing->dst, piece);
    if (writing->err < 0)
        return 1;
    remember(writing->restore, piece, writing->dst);
    return 0;
}

int restore_content(struct restore *restore, const struct origin *from, struct file *dst)
{
    const struct copse_stat end = {.size = from->st.size};
    struct writing writing = {restore, from, dst, 0};
    uint64_t lost = 0;
    int ret = file_set(dst, COPSE_SET_SIZE, &end);

    if (ret < 0)
        return ret;
    ret = copse_rescue_read(restore->rescue, from->subvol, from->ino, write_piece, &writing, &lost);
    if (writing.err < 0)
        return writing.err;
    if (ret < 0)
        restore_lost(restore, from->shown, "%s", copse_error());
    else if (lost)
        restore_lost(restore, from->shown, "%llu bytes of it", LLU(lost));
    return 0;
}

/* ---- symlinks ----------------------------------------------------------------------------------
 */

struct target_text {
    char *text;
    size_t len;
    bool lost;
};

#define TARGET_MAX 4095

static int add_target(void *arg, const struct copse_rescue_piece *piece)
{
    struct target_text *target = arg;

    if (!piece->data || piece->offset != target->len || piece->len > TARGET_MAX - target->len) {
        target->lost = true;
        return 1;
    }
    target->text = need_memory(realloc(target->text, target->len + piece->len + 1));
    memcpy(target->text + target->len, piece->data, piece->len);
    target->len += piece->len;
    return 0;
}

char *restore_target(struct restore *restore, const struct origin *from)
{
    struct target_text target = {0};
    uint64_t lost = 0;
    int ret =
        copse_rescue_read(restore->rescue, from->subvol, from->ino, add_target, &target, &lost);

    if (ret < 0 || target.lost || lost || target.len == 0 || memchr(target.text, 0, target.len)) {
        free(target.text);
        return NULL;
    }
    target.text[target.len] = '\0';
    return target.text;
}

/* ---- attributes --------------------------------------------------------------------------------
 */

/* The file as copy_attributes() asks for its extended attributes. */
struct source_file {
    struct file file;
    struct restore *restore;
    const struct origin *from;
};

struct xattr_look {
    const char *name; /* NULL: the names are wanted */
    char *buf;
    size_t cap, len;
    bool found;
};

static int look_at_xattr(void *arg, const char *name, size_t name_len, const void *value,
                         size_t len)
{
    struct xattr_look *look = arg;

    if (look->name && (strlen(look->name) != name_len || memcmp(look->name, name, name_len) != 0))
        return 0;
    look->found = true;
    if (look->name) {
        look->len = len;
        if (look->buf && len <= look->cap)
            memcpy(look->buf, value, len);
        return 1;
    }
    if (look->buf && look->len + name_len + 1 <= look->cap) {
        memcpy(look->buf + look->len, name, name_len);
        look->buf[look->len + name_len] = '\0';
    }
    look->len += name_len + 1;
    return 0;
}

static int ask_xattrs(struct file *file, struct xattr_look *look, size_t *len)
{
    const struct source_file *source = (const struct source_file *)file;
    int ret = copse_rescue_xattrs(source->restore->rescue, source->from->subvol, source->from->ino,
                                  look_at_xattr, look);

    if (ret < 0)
        return ret;
    *len = look->len;
    if (look->name && !look->found)
        return -ENODATA;
    return look->buf && look->len > look->cap ? -ERANGE : 0;
}

static int get_xattr(struct file *file, const char *name, void *buf, size_t cap, size_t *len)
{
    struct xattr_look look = {.name = name, .buf = buf, .cap = cap};

    return ask_xattrs(file, &look, len);
}

static int list_xattrs(struct file *file, char *buf, size_t cap, size_t *len)
{
    struct xattr_look look = {.buf = buf, .cap = cap};

    return ask_xattrs(file, &look, len);
}

static const struct tree_ops source_ops = {.xattr_get = get_xattr, .xattr_list = list_xattrs};
static struct tree source_tree = {.ops = &source_ops};

int restore_attributes(struct restore *restore, const struct origin *from, struct file *dst,
                       bool storage)
{
    struct source_file source = {
        .file = {.tree = &source_tree, .fd = -1, .dir_fd = -1}, .restore = restore, .from = from};

    if (storage)
        return copy_storage_attributes(&restore->copy, &source.file, dst);
    return copy_attributes(&restore->copy, &source.file, &from->st, dst, true);
}
