// SPDX-License-Identifier: GPL-2.0-or-later
/* Checksums and device writes of a batch, on all cores, with no lock held. */
#include "fs/file/batch.h"

#include <stdio.h>

/* Bytes that one job takes, about. */
#define JOB_BYTES (1 * MIB)

/* Disk space in one piece, held by one or several plans in a row. */
struct job {
    struct batch *batch;
    size_t plan;   /* the first */
    uint64_t skip; /* bytes of it that belong to the job before */
    uint64_t addr, len;
    uint64_t first_sector;
    int error;
    char message[FAIL_MESSAGE_MAX];
};

struct jobs {
    struct job *job;
    size_t count, cap;
};

/* The bytes of a plan from `skip` on that lie in one piece in memory; *n: how many. */
static const uint8_t *plan_bytes(const struct batch *batch, const struct plan *plan, uint64_t skip,
                                 uint64_t *n)
{
    if (plan->packed) {
        *n = plan->disk_len - skip;
        return plan->packed + skip;
    }
    uint64_t pos = plan->start + skip;
    const struct run *run = runs_after(batch->flight, pos);
    INVARIANT(run && run->start <= pos, "I4: data in flight stays until it is mapped");
    *n = MIN(run_end(run), plan->start + plan->len) - pos;
    return run->data + (pos - run->start);
}

static void gather(const struct job *job, uint8_t *out)
{
    size_t plan = job->plan;
    uint64_t skip = job->skip, left = job->len;

    while (left > 0) {
        uint64_t n;
        const uint8_t *bytes = plan_bytes(job->batch, &job->batch->plans[plan], skip, &n);

        n = MIN(n, left);
        memcpy(out, bytes, n);
        out += n;
        left -= n;
        skip += n;
        if (skip == job->batch->plans[plan].disk_len) {
            plan++;
            skip = 0;
        }
    }
}

int data_write(struct fs *fs, uint64_t addr, const void *bytes, uint64_t len)
{
    int ret = vol_write(fs->store->engine.vol, laddr_of(addr), bytes, len);

    data_cache_forget(fs->files->data_cache, addr, len);
    return ret;
}

static int output_bytes(const struct job *job, const uint8_t *bytes)
{
    const struct batch *batch = job->batch;
    const struct engine *engine = file_engine(batch->inode);

    if (batch->sums)
        csum_blocks(engine->csum_type, bytes, engine->sectorsize, job->len / engine->sectorsize,
                    batch->sums + job->first_sector * engine->csum_size);
    return data_write(batch->inode->fs, job->addr, bytes, job->len);
}

static int run_job(const struct job *job)
{
    uint64_t n;
    const uint8_t *bytes = plan_bytes(job->batch, &job->batch->plans[job->plan], job->skip, &n);

    if (n >= job->len)
        return output_bytes(job, bytes);
    AUTO_FREE uint8_t *gathered = malloc(job->len);
    if (!gathered)
        return fail(-ENOMEM, "no memory to write back");
    gather(job, gathered);
    return output_bytes(job, gathered);
}

/* Messages are kept by thread: carry it over. */
static void run_nth_job(void *arg, size_t i)
{
    struct job *job = (struct job *)arg + i;

    job->error = run_job(job);
    if (job->error < 0)
        snprintf(job->message, sizeof(job->message), "%s", fail_message());
}

/* Adds part of a plan to the last job when it continues it, or to a new one. */
static int add_part(struct jobs *jobs, struct batch *batch, size_t plan, uint64_t skip,
                    uint64_t len, uint64_t sector)
{
    uint64_t addr = batch->plans[plan].bytenr + skip;
    struct job *last = jobs->count ? &jobs->job[jobs->count - 1] : NULL;

    if (last && last->addr + last->len == addr && last->len + len <= JOB_BYTES) {
        last->len += len;
        return 0;
    }
    if (jobs->count == jobs->cap) {
        size_t cap = jobs->cap ? jobs->cap * 2 : 16;
        struct job *grown = realloc(jobs->job, cap * sizeof(*grown));

        if (!grown)
            return fail(-ENOMEM, "no memory to write back");
        jobs->job = grown;
        jobs->cap = cap;
    }
    jobs->job[jobs->count++] = (struct job){
        .batch = batch,
        .plan = plan,
        .skip = skip,
        .addr = addr,
        .len = len,
        .first_sector = batch->plans[plan].first_sector + skip / sector,
    };
    return 0;
}

static int make_jobs(struct batch *batch, struct jobs *jobs)
{
    uint32_t sector = file_sectorsize(batch->inode);

    for (size_t i = 0; i < batch->count; i++) {
        uint64_t disk_len = batch->plans[i].disk_len;

        for (uint64_t skip = 0; skip < disk_len; skip += JOB_BYTES)
            TRY(add_part(jobs, batch, i, skip, MIN(JOB_BYTES, disk_len - skip), sector));
    }
    return 0;
}

static int number_sectors(struct batch *batch)
{
    const struct engine *engine = file_engine(batch->inode);
    uint64_t sectors = 0;

    for (size_t i = 0; i < batch->count; i++) {
        batch->plans[i].first_sector = sectors;
        sectors += batch->plans[i].disk_len / engine->sectorsize;
    }
    if (inode_flags(batch->inode) & INODE_NODATASUM)
        return 0;
    batch->sums = malloc(sectors * engine->csum_size);
    return batch->sums ? 0 : fail(-ENOMEM, "no memory for checksums");
}

static int run_jobs(struct batch *batch, struct jobs *jobs)
{
    TRY(number_sectors(batch));
    TRY(make_jobs(batch, jobs));
    if (jobs->count == 1)
        run_nth_job(jobs->job, 0);
    else
        env_parallel(batch->inode->fs->env, jobs->count, run_nth_job, jobs->job);
    for (size_t i = 0; i < jobs->count; i++)
        if (jobs->job[i].error < 0)
            return fail(jobs->job[i].error, "%s", jobs->job[i].message);
    return 0;
}

int batch_output(struct batch *batch)
{
    struct jobs jobs = {0};

    int ret = run_jobs(batch, &jobs);
    free(jobs.job);
    return ret;
}
