// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What programs stored through shared writable mappings lies in the kernel's pages until it writes
 * them. Before something that has to see all of it, the kernel is asked to drop those pages, which
 * it does by writing the dirty ones first.
 *
 * These writes come to us while we wait for the kernel. So whoever asks holds no lock that a write
 * takes, and is no worker: when all of them waited there would be nobody left to serve the writes.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* ---- beside the workers ---------------------------------------------------------------------- */

struct aside {
    struct mounted *m;
    void (*run)(void *arg);
    void *arg;
};

static void asides_change(struct mounted *m, int by)
{
    pthread_mutex_lock(&m->asides_lock);
    m->asides = (unsigned)((int)m->asides + by);
    if (m->asides == 0)
        pthread_cond_broadcast(&m->asides_gone);
    pthread_mutex_unlock(&m->asides_lock);
}

static void *run_aside(void *arg)
{
    struct aside aside = *(struct aside *)arg;

    free(arg);
    aside.run(aside.arg);
    asides_change(aside.m, -1);
    return NULL;
}

int aside_start(struct mounted *m, void (*run)(void *arg), void *arg)
{
    struct aside *aside = malloc(sizeof(*aside));
    pthread_t thread;

    if (!aside)
        return -ENOMEM;
    *aside = (struct aside){.m = m, .run = run, .arg = arg};
    asides_change(m, 1);
    int ret = -pthread_create(&thread, NULL, run_aside, aside);
    if (ret < 0) {
        asides_change(m, -1);
        free(aside);
    } else {
        pthread_detach(thread);
    }
    return ret;
}

void asides_wait(struct mounted *m)
{
    pthread_mutex_lock(&m->asides_lock);
    while (m->asides > 0)
        pthread_cond_wait(&m->asides_gone, &m->asides_lock);
    pthread_mutex_unlock(&m->asides_lock);
}

/* ---- laundering ------------------------------------------------------------------------------ */

/* A page that is stored into again meanwhile stays; that store came after us. A write that failed
 * is for msync(2) to tell. */
static void launder_number(struct mounted *m, fuse_ino_t ino)
{
    if (ino)
        fuse_lowlevel_notify_inval_inode(m->session, ino, 0, 0);
}

void launder_node(struct mounted *m, copse_node *node)
{
    launder_number(m, nodes_number(m, node));
}

/* Only pointers to compare with: a node may go as soon as the lock is not held. */
static size_t writable_nodes(struct mounted *m, uint64_t subvol, copse_node **nodes, size_t cap)
{
    struct open_file *file;
    size_t count = 0;

    pthread_mutex_lock(&m->nodes_lock);
    LIST_FOREACH (file, &m->files, entry) {
        if (!file->writable || file->subvol != subvol)
            continue;
        if (count < cap)
            nodes[count] = file->node;
        count++;
    }
    pthread_mutex_unlock(&m->nodes_lock);
    return count;
}

int launder_subvol(struct mounted *m, uint64_t subvol)
{
    copse_node **nodes = NULL;
    size_t cap = 0, count = writable_nodes(m, subvol, NULL, 0);

    while (count > cap) {
        cap = count + count / 8;
        free(nodes);
        nodes = calloc(cap, sizeof(*nodes));
        if (!nodes)
            return -ENOMEM;
        count = writable_nodes(m, subvol, nodes, cap);
    }
    for (size_t i = 0; i < count; i++)
        launder_node(m, nodes[i]);
    free(nodes);
    return 0;
}
