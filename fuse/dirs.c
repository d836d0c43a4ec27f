// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading directories, with and without the attributes of what is in them. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fi->fh = 0;
    /* The kernel may keep what it read; it forgets that when it changes the directory. */
    fi->cache_readdir = 1;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino, (void)fi;
    fuse_reply_err(req, 0);
}

struct filling {
    fuse_req_t req;
    char *buf;
    size_t size, used;
    bool full;
};

/* With NAME_MAX bytes at most, as the library promises. */
static void entry_name(const struct copse_dirent *entry, char name[256])
{
    size_t len = MIN(entry->len, 255);

    memcpy(name, entry->name, len);
    name[len] = '\0';
}

static int add_entry(void *arg, const struct copse_dirent *entry)
{
    struct filling *filling = arg;
    struct stat st = {.st_ino = entry->ino, .st_mode = (mode_t)entry->type << 12};
    size_t left = filling->size - filling->used;
    char name[256];

    entry_name(entry, name);
    size_t need = fuse_add_direntry(filling->req, filling->buf + filling->used, left, name, &st,
                                    (off_t)entry->cookie);
    filling->full = need > left;
    if (!filling->full)
        filling->used += need;
    return filling->full;
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct filling filling = {.req = req, .buf = malloc(size), .size = size};

    (void)fi;
    int ret = filling.buf
                  ? copse_readdir(node_of(mounted_of(req), ino), (uint64_t)off, add_entry, &filling)
                  : -ENOMEM;
    if (ret < 0)
        reply_result(req, ret);
    else if (filling.full && filling.used == 0)
        reply_result(req, -EINVAL);
    else
        fuse_reply_buf(req, filling.buf, filling.used);
    free(filling.buf);
}

/* ---- with attributes ------------------------------------------------------------------------- */

/* What was read, for looking it up when the directory is no longer being read. */
struct plus_entry {
    uint64_t ino, cookie;
    uint8_t type;
    char name[256];
};

struct plus {
    struct plus_entry *entries;
    size_t count, cap;
    size_t left; /* of the answer */
    bool full;
    fuse_req_t req;
    fuse_ino_t *told; /* looked up for this answer */
    size_t told_count;
};

static int collect_entry(void *arg, const struct copse_dirent *entry)
{
    struct plus *plus = arg;
    char name[256];

    entry_name(entry, name);
    size_t need = fuse_add_direntry_plus(plus->req, NULL, 0, name, NULL, 0);
    plus->full = need > plus->left || plus->count == plus->cap;
    if (plus->full)
        return 1;
    struct plus_entry *to = &plus->entries[plus->count++];
    *to = (struct plus_entry){.ino = entry->ino, .cookie = entry->cookie, .type = entry->type};
    memcpy(to->name, name, sizeof(name));
    plus->left -= need;
    return 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* False: the name is gone since it was read. */
static bool look_up_entry(struct plus *plus, copse_node *dir, const struct plus_entry *from,
                          struct fuse_entry_param *out)
{
    struct mounted *m = mounted_of(plus->req);
    copse_node *node;

    /* Without attributes the kernel asks when it wants to know, and gets the error if there is one.
     */
    *out = (struct fuse_entry_param){
        .attr = {.st_ino = from->ino, .st_mode = (mode_t)from->type << 12},
    };
    if (is_dots(from->name))
        return true;
    int ret = copse_lookup(dir, from->name, strlen(from->name), &node);
    if (ret == 0 && make_entry(m, node, out) == 0)
        plus->told[plus->told_count++] = out->ino;
    return ret != -ENOENT;
}

static size_t fill_plus(struct plus *plus, copse_node *dir, char *buf, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < plus->count; i++) {
        struct plus_entry *from = &plus->entries[i];
        struct fuse_entry_param entry;

        if (look_up_entry(plus, dir, from, &entry))
            used += fuse_add_direntry_plus(plus->req, buf + used, size - used, from->name, &entry,
                                           (off_t)from->cookie);
    }
    return used;
}

/* Reads names until some can be told; those read may all be gone again. */
static int read_plus(struct plus *plus, copse_node *dir, char *buf, size_t size, uint64_t cookie,
                     size_t *used)
{
    do {
        plus->count = 0;
        plus->left = size;
        plus->full = false;
        int ret = copse_readdir(dir, cookie, collect_entry, plus);
        if (ret < 0)
            return ret;
        if (plus->count == 0)
            return plus->full ? -EINVAL : 0;
        cookie = plus->entries[plus->count - 1].cookie;
        *used = fill_plus(plus, dir, buf, size);
    } while (*used == 0);
    return 0;
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi)
{
    struct mounted *m = mounted_of(req);
    size_t smallest = fuse_add_direntry_plus(req, NULL, 0, ".", NULL, 0);
    struct plus plus = {.req = req, .cap = size / smallest + 1};
    size_t used = 0;

    (void)fi;
    char *buf = malloc(size);
    plus.entries = malloc(plus.cap * sizeof(*plus.entries));
    plus.told = malloc(plus.cap * sizeof(*plus.told));
    int ret = buf && plus.entries && plus.told
                  ? read_plus(&plus, node_of(m, ino), buf, size, (uint64_t)off, &used)
                  : -ENOMEM;
    bool lost = ret == 0 && fuse_reply_buf(req, buf, used) != 0;
    if (ret < 0)
        reply_result(req, ret);
    for (size_t i = 0; (ret < 0 || lost) && i < plus.told_count; i++)
        nodes_forget(m, plus.told[i], 1);
    free(plus.told);
    free(plus.entries);
    free(buf);
}
