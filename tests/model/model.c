// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

void *must_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        abort();
    return p;
}

void *must_grow(void *array, size_t count, size_t *cap, size_t item)
{
    if (count < *cap)
        return array;
    *cap = *cap ? *cap * 2 : 8;
    array = realloc(array, *cap * item);
    if (!array)
        abort();
    return array;
}

/* ---- nodes
 * -------------------------------------------------------------------------------------- */

static struct lineage *lineage_new(void)
{
    struct lineage *lineage = must_alloc(sizeof(*lineage));

    *lineage = (struct lineage){.refs = 1};
    return lineage;
}

static void lineage_put(struct lineage *lineage)
{
    if (--lineage->refs > 0)
        return;
    for (size_t i = 0; i < lineage->count; i++)
        content_free(&lineage->contents[i]);
    free(lineage->contents);
    free(lineage);
}

void model_remember(struct mnode *node)
{
    struct lineage *later = node->later;

    if (later->refs == 1) /* nobody to tell */
        return;
    later->contents = realloc(later->contents, (later->count + 1) * sizeof(*later->contents));
    if (!later->contents)
        abort();
    content_clone(&later->contents[later->count++], &node->content);
}

void model_new_moment(struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        struct mnode *node = model->nodes[i];

        model_remember(node);
        lineage_put(node->later);
        node->later = lineage_new();
    }
}

struct mnode *model_new(struct model *model, uint32_t mode)
{
    struct mnode *node = must_alloc(sizeof(*node));

    *node = (struct mnode){.id = model->next_id++, .mode = mode, .later = lineage_new()};
    model->nodes = must_grow(model->nodes, model->count, &model->cap, sizeof(*model->nodes));
    model->nodes[model->count++] = node;
    return node;
}

void model_will_change(struct mnode *node)
{
    node->older = realloc(node->older, (node->older_count + 1) * sizeof(*node->older));
    if (!node->older)
        abort();
    content_clone(&node->older[node->older_count++], &node->content);
    model_remember(node);
}

void model_is_durable(struct mnode *node)
{
    for (size_t i = 0; i < node->older_count; i++)
        content_free(&node->older[i]);
    free(node->older);
    node->older = NULL;
    node->older_count = 0;
}

static void node_free(struct mnode *node)
{
    model_is_durable(node);
    lineage_put(node->later);
    content_free(&node->content);
    for (size_t i = 0; i < node->xattr_count; i++)
        free(node->xattrs[i].value);
    free(node->xattrs);
    free(node->names);
    free(node->target);
    free(node);
}

void model_drop(struct model *model, struct mnode *node)
{
    if (node->nlink > 0 || node->held)
        return;
    for (size_t i = 0; i < model->count; i++) {
        if (model->nodes[i] != node)
            continue;
        memmove(model->nodes + i, model->nodes + i + 1,
                (model->count - i - 1) * sizeof(*model->nodes));
        model->count--;
        break;
    }
    model_remember(node);
    node_free(node);
}

void model_init(struct model *model)
{
    *model = (struct model){0};
    model_new(model, S_IFDIR | 0755)->nlink = 1;
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->count; i++)
        node_free(model->nodes[i]);
    free(model->nodes);
    *model = (struct model){0};
}

/* ---- copying
 * -------------------------------------------------------------------------------------- */

static struct mnode *node_copy(const struct mnode *src)
{
    struct mnode *dst = must_alloc(sizeof(*dst));

    *dst = *src;
    dst->held = false;
    dst->later->refs++;
    content_clone(&dst->content, &src->content);
    dst->older = must_alloc(src->older_count * sizeof(*dst->older));
    for (size_t i = 0; i < src->older_count; i++)
        content_clone(&dst->older[i], &src->older[i]);
    dst->target = src->target ? strdup(src->target) : NULL;
    dst->xattrs = must_alloc(src->xattr_count * sizeof(*dst->xattrs));
    for (size_t i = 0; i < src->xattr_count; i++) {
        dst->xattrs[i] = src->xattrs[i];
        dst->xattrs[i].value = must_alloc(src->xattrs[i].len);
        if (src->xattrs[i].len > 0)
            memcpy(dst->xattrs[i].value, src->xattrs[i].value, src->xattrs[i].len);
    }
    dst->names = must_alloc(src->name_count * sizeof(*dst->names));
    if (src->name_count > 0)
        memcpy(dst->names, src->names, src->name_count * sizeof(*dst->names));
    return dst;
}

void model_copy(struct model *dst, const struct model *src)
{
    *dst = (struct model){.next_id = src->next_id};
    for (size_t i = 0; i < src->count; i++) {
        if (src->nodes[i]->nlink == 0)
            continue;
        dst->nodes = must_grow(dst->nodes, dst->count, &dst->cap, sizeof(*dst->nodes));
        src->nodes[i]->copy = node_copy(src->nodes[i]);
        dst->nodes[dst->count++] = src->nodes[i]->copy;
    }
    for (size_t i = 0; i < dst->count; i++) {
        struct mnode *node = dst->nodes[i];

        if (node->parent)
            node->parent = node->parent->copy;
        for (size_t j = 0; j < node->name_count; j++)
            node->names[j].node = node->names[j].node->copy;
    }
}

/* ---- names
 * -------------------------------------------------------------------------------------- */

struct mname *model_find(const struct mnode *dir, const char *name)
{
    for (size_t i = 0; i < dir->name_count; i++)
        if (strcmp(dir->names[i].name, name) == 0)
            return &dir->names[i];
    return NULL;
}

void model_add_name(struct mnode *dir, const char *name, struct mnode *node)
{
    dir->names = realloc(dir->names, (dir->name_count + 1) * sizeof(*dir->names));
    if (!dir->names)
        abort();
    snprintf(dir->names[dir->name_count].name, sizeof(dir->names->name), "%s", name);
    dir->names[dir->name_count++].node = node;
    node->nlink++;
    if (S_ISDIR(node->mode))
        node->parent = dir;
}

void model_remove_name(struct model *model, struct mnode *dir, const char *name)
{
    struct mname *entry = model_find(dir, name);
    struct mnode *node = entry->node;

    memmove(entry, entry + 1,
            (size_t)(dir->names + dir->name_count - entry - 1) * sizeof(*dir->names));
    dir->name_count--;
    node->nlink--;
    model_drop(model, node);
}

bool model_is_above(const struct mnode *node, const struct mnode *dir)
{
    for (; dir; dir = dir->parent)
        if (dir == node)
            return true;
    return false;
}

/* Puts the path in front of `at`; NULL when node has no name below dir. */
static char *path_below(const struct mnode *dir, const struct mnode *node, char *buf, char *at,
                        char *end)
{
    for (size_t i = 0; i < dir->name_count; i++) {
        const struct mname *entry = &dir->names[i];
        size_t len = strlen(entry->name);

        if ((size_t)(end - at) < len + 2)
            continue;
        at[0] = '/';
        memcpy(at + 1, entry->name, len);
        at[len + 1] = '\0';
        if (entry->node == node)
            return buf;
        if (S_ISDIR(entry->node->mode) && path_below(entry->node, node, buf, at + len + 1, end))
            return buf;
    }
    return NULL;
}

const char *model_path(const struct model *model, const struct mnode *node)
{
    static char buf[8192];

    if (node == model_root(model))
        return "/";
    if (path_below(model_root(model), node, buf, buf, buf + sizeof(buf)))
        return buf;
    snprintf(buf, sizeof(buf), "(node %u)", node->id);
    return buf;
}

/* ---- extended attributes
 * -------------------------------------------------------------------------------------- */

struct mxattr *model_xattr(const struct mnode *node, const char *name)
{
    for (size_t i = 0; i < node->xattr_count; i++)
        if (strcmp(node->xattrs[i].name, name) == 0)
            return &node->xattrs[i];
    return NULL;
}

void model_set_xattr(struct mnode *node, const char *name, const void *value, size_t len)
{
    struct mxattr *xattr = model_xattr(node, name);

    if (!xattr) {
        node->xattrs = realloc(node->xattrs, (node->xattr_count + 1) * sizeof(*node->xattrs));
        if (!node->xattrs)
            abort();
        xattr = &node->xattrs[node->xattr_count++];
        *xattr = (struct mxattr){0};
        snprintf(xattr->name, sizeof(xattr->name), "%s", name);
    }
    free(xattr->value);
    xattr->value = must_alloc(len);
    if (len > 0)
        memcpy(xattr->value, value, len);
    xattr->len = len;
}

void model_remove_xattr(struct mnode *node, const char *name)
{
    struct mxattr *xattr = model_xattr(node, name);

    free(xattr->value);
    memmove(xattr, xattr + 1,
            (size_t)(node->xattrs + node->xattr_count - xattr - 1) * sizeof(*node->xattrs));
    node->xattr_count--;
}
