// SPDX-License-Identifier: GPL-2.0-or-later
/* Work that nobody waits for: writing back old data, and a commit now and then. */
#include "fs/mount/internal.h"

#include <time.h>

#include "base/cleanup.h"

#define NS_PER_SECOND 1000000000ULL
/* Data older than this is written back. */
#define DIRTY_AGE_NS (5 * NS_PER_SECOND)

static bool commit_is_due(const struct mount *m)
{
    uint64_t age = env_monotonic_ns(m->fs.env) - atomic_load(&m->priv->last_commit_ns);

    return m->priv->commit_seconds != 0 && age >= m->priv->commit_seconds * NS_PER_SECOND;
}

int mount_background_step(struct mount *m, bool *idle)
{
    bool more = false;

    *idle = true;
    if (m->priv->readonly || m->priv->shut_down)
        return 0;
    TRY(files_writeback_step(&m->fs, DIRTY_AGE_NS, &more));
    if (commit_is_due(m)) {
        atomic_store(&m->priv->last_commit_ns, env_monotonic_ns(m->fs.env));
        files_reclaim_noted(&m->fs);
        TRY(store_commit(m->fs.store));
    }
    /* What people wait for comes first. */
    if (!more)
        TRY(subvol_drop_step(&m->fs, &more));
    *idle = !more;
    return 0;
}

static void run(void *arg)
{
    struct mount *m = arg;
    struct mount_private *priv = m->priv;

    pthread_mutex_lock(&priv->lock);
    while (!priv->stop) {
        bool idle = true;

        pthread_mutex_unlock(&priv->lock);
        /* What goes wrong here is remembered by the file or the transaction it hit, and reported
         * to those who ask for durability. */
        int ret = mount_background_step(m, &idle);
        pthread_mutex_lock(&priv->lock);
        if ((idle || ret < 0) && !priv->stop) {
            struct timespec until;

            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += 1;
            pthread_cond_timedwait(&priv->wake, &priv->lock, &until);
        }
    }
    pthread_mutex_unlock(&priv->lock);
}

int background_start(struct mount *m)
{
    return env_thread_start(m->fs.env, run, m, &m->priv->thread);
}

void background_stop(struct mount *m)
{
    if (!m->priv->thread)
        return;
    pthread_mutex_lock(&m->priv->lock);
    m->priv->stop = true;
    pthread_cond_signal(&m->priv->wake);
    pthread_mutex_unlock(&m->priv->lock);
    env_thread_join(m->priv->thread);
    m->priv->thread = NULL;
}
