// SPDX-License-Identifier: GPL-2.0-or-later
/* The path of a file, as far as the trees tell it. */
#include <stdio.h>
#include <stdlib.h>

#include "ops/check/internal.h"

/* Deeper is a circle. */
#define DEPTH_MAX 256

struct step {
    uint64_t from; /* whose name is looked for */
    uint8_t type;
    uint64_t dir; /* and where it is */
    char name[NAME_MAX_BYTES + 1];
};

static int take_name(void *arg, const struct spot *spot)
{
    struct step *step = arg;
    const uint8_t *name;
    uint16_t len;

    if (spot->key.objectid != step->from || spot->key.type > step->type)
        return -ENOENT;
    if (spot->key.type == KEY_INODE_REF) {
        struct inode_ref ref;

        inode_ref_decode(&ref, spot->data);
        step->dir = spot->key.offset;
        name = spot->data + sizeof(disk_inode_ref);
        len = ref.name_len;
    } else if (spot->key.type == KEY_INODE_EXTREF) {
        struct inode_extref ref;

        inode_extref_decode(&ref, spot->data);
        step->dir = ref.parent;
        name = spot->data + sizeof(disk_inode_extref);
        len = ref.name_len;
    } else {
        return 0;
    }
    memcpy(step->name, name, len);
    step->name[len] = '\0';
    return 1;
}

/* Puts "/name" in front of *path. */
static bool put_in_front(const char *name, char **path)
{
    char *longer;

    if (asprintf(&longer, "/%s%s", name, *path) < 0)
        return false;
    free(*path);
    *path = longer;
    return true;
}

/* From an inode up to the root of its tree. */
static bool climb(struct check *c, const struct tree_root *root, uint64_t ino, char **path)
{
    for (unsigned depth = 0; ino != INO_SUBVOL_ROOT; depth++) {
        struct step step = {.from = ino, .type = KEY_INODE_EXTREF};
        const struct key from = key_make(ino, KEY_INODE_REF, 0);

        if (depth == DEPTH_MAX || read_tree_from(c, root, &from, take_name, &step) != 1 ||
            !put_in_front(step.name, path))
            return false;
        ino = step.dir;
    }
    return true;
}

static int take_backref(void *arg, const struct spot *spot)
{
    struct step *step = arg;
    struct root_ref ref;

    if (spot->key.objectid != step->from || spot->key.type != KEY_ROOT_BACKREF)
        return spot->key.objectid == step->from && spot->key.type < KEY_ROOT_BACKREF ? 0 : -ENOENT;
    root_ref_decode(&ref, spot->data);
    memcpy(step->name, spot->data + sizeof(disk_root_ref), ref.name_len);
    step->name[ref.name_len] = '\0';
    step->from = spot->key.offset;
    step->dir = ref.dirid;
    return 1;
}

static char *path_in_all(struct check *c, uint64_t tree, uint64_t ino)
{
    const struct tree_root *root = find_root(c, tree), *top = find_root(c, TREE_ROOT);
    char *path = strdup("");

    for (unsigned depth = 0; path && root && depth < DEPTH_MAX; depth++) {
        struct step step = {.from = root->id};
        const struct key from = key_make(root->id, KEY_ROOT_BACKREF, 0);

        if (!climb(c, root, ino, &path))
            break;
        if (root->id == TREE_FS)
            return path;
        if (read_tree_from(c, top, &from, take_backref, &step) != 1 ||
            !put_in_front(step.name, &path))
            break;
        root = find_root(c, step.from);
        ino = step.dir;
    }
    free(path);
    return NULL;
}

char *path_of_inode(struct check *c, uint64_t tree, uint64_t ino)
{
    char *path = is_files_tree(tree) ? path_in_all(c, tree, ino) : NULL;

    for (char *at = path; at && *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    if (path && !*path) {
        free(path);
        return strdup("/");
    }
    return path;
}
