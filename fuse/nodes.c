// SPDX-License-Identifier: GPL-2.0-or-later
/* The nodes the kernel knows, and how often it was told about each. */
#include <stdlib.h>

#include <uthash.h>

#include "internal.h"

struct known_node {
    copse_node *node;
    uint64_t lookups;
    UT_hash_handle hh;
};

copse_node *node_of(struct mounted *m, fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? m->root : ((struct known_node *)(uintptr_t)ino)->node;
}

/* The library hands out one handle for one inode as long as somebody holds it. */
fuse_ino_t nodes_enter(struct mounted *m, copse_node *node)
{
    struct known_node *known, *fresh = malloc(sizeof(*fresh));

    pthread_mutex_lock(&m->nodes_lock);
    HASH_FIND_PTR(m->nodes, &node, known);
    if (known) {
        known->lookups++;
    } else if (fresh) {
        known = fresh;
        *known = (struct known_node){.node = node, .lookups = 1};
        HASH_ADD_PTR(m->nodes, node, known);
    }
    pthread_mutex_unlock(&m->nodes_lock);
    if (known != fresh) {
        /* It holds a reference already. */
        free(fresh);
        copse_node_put(node);
    } else if (!fresh) {
        copse_node_put(node);
    }
    return (fuse_ino_t)(uintptr_t)known;
}

fuse_ino_t nodes_number(struct mounted *m, copse_node *node)
{
    struct known_node *known;

    if (node == m->root)
        return FUSE_ROOT_ID;
    pthread_mutex_lock(&m->nodes_lock);
    HASH_FIND_PTR(m->nodes, &node, known);
    pthread_mutex_unlock(&m->nodes_lock);
    return (fuse_ino_t)(uintptr_t)known;
}

void nodes_forget(struct mounted *m, fuse_ino_t ino, uint64_t lookups)
{
    struct known_node *known = (struct known_node *)(uintptr_t)ino;

    if (ino == FUSE_ROOT_ID)
        return;
    pthread_mutex_lock(&m->nodes_lock);
    known->lookups -= MIN(lookups, known->lookups);
    bool last = known->lookups == 0;
    if (last)
        HASH_DEL(m->nodes, known);
    pthread_mutex_unlock(&m->nodes_lock);
    if (last) {
        copse_node_put(known->node);
        free(known);
    }
}

/* What the kernel knows now, with a reference to each. NULL: nothing, or no memory. */
static copse_node **all_nodes(struct mounted *m, size_t *count)
{
    struct known_node *known, *next;

    pthread_mutex_lock(&m->nodes_lock);
    size_t cap = HASH_COUNT(m->nodes), n = 0;
    copse_node **nodes = cap ? malloc(cap * sizeof(copse_node *)) : NULL;
    HASH_ITER (hh, m->nodes, known, next) {
        if (nodes)
            nodes[n++] = copse_node_ref(known->node);
    }
    pthread_mutex_unlock(&m->nodes_lock);
    *count = n;
    return nodes;
}

void nodes_invalidate(struct mounted *m, uint64_t subvol)
{
    size_t count;
    copse_node **nodes = all_nodes(m, &count);
    struct copse_stat st;

    for (size_t i = 0; i < count; i++) {
        fuse_ino_t ino = nodes_number(m, nodes[i]);

        if (ino != 0 && copse_stat(nodes[i], &st) == 0 && st.subvol == subvol &&
            !atomic_load(&m->loop_ended))
            fuse_lowlevel_notify_inval_inode(m->session, ino, 0, 0);
        copse_node_put(nodes[i]);
    }
    free(nodes);
}

void nodes_release(struct mounted *m)
{
    struct known_node *known, *next;

    HASH_ITER (hh, m->nodes, known, next) {
        HASH_DEL(m->nodes, known);
        copse_node_put(known->node);
        free(known);
    }
    copse_node_put(m->root);
    m->root = NULL;
}
