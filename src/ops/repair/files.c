// SPDX-License-Identifier: GPL-2.0-or-later
/* Trees of files, checksums and subvolumes: a change each, as the engine makes them. */
#include <stdlib.h>

#include "ops/repair/fix.h"

/* Items that mending one inode changes, as promised at the door; writing early makes up for more.
 */
#define MEND_UNITS 64
#define COMMIT_AFTER 1000

struct target {
    uint64_t ino;
    bool csums;
};

struct files {
    struct job *job;
    struct store *store;
    struct pile targets;
    unsigned since_commit;
};

/* ---- what is to be done ---------------------------------------------------------------------- */

static int add_target(struct files *files, uint64_t tree, uint64_t ino, bool csums)
{
    const struct target target = {ino, csums};

    return is_fs_tree(tree) && ino >= OBJ_FIRST_FREE && ino <= OBJ_LAST_FREE
               ? pile_push(&files->targets, &target)
               : 0;
}

static int target_order(const void *a, const void *b)
{
    const struct target *x = a, *y = b;

    if (x->ino != y->ino)
        return x->ino < y->ino ? -1 : 1;
    return (int)y->csums - (int)x->csums;
}

static bool is_of_inode(enum check_code code)
{
    switch (code) {
    case CHECK_CSUM_MISSING:
    case CHECK_CSUM_UNWANTED:
    case CHECK_INODE_MISSING:
    case CHECK_INODE_GENERATION:
    case CHECK_INODE_NLINK:
    case CHECK_INODE_NBYTES:
    case CHECK_INODE_SIZE:
    case CHECK_DIR_SIZE:
    case CHECK_HOLE_MISSING:
    case CHECK_FILE_EXTENT_RAM:
    case CHECK_EXTREF_KEY:
    case CHECK_NAME_NO_INODE:
    case CHECK_NAME_TYPE:
    case CHECK_NAME_NO_REF:
    case CHECK_REF_NO_NAME:
    case CHECK_DIR_ENTRIES:
    case CHECK_ORPHAN_MISSING:
        return true;
    default:
        return false;
    }
}

/* Each inode once, whatever the trees: all of them are looked at. */
static int gather(struct files *files)
{
    struct target *targets;
    size_t kept = 0;

    for (size_t i = 0; i < files->job->findings.count; i++) {
        const struct check_finding *f = PILE_AT(&files->job->findings, struct check_finding, i);
        bool csums = f->code == CHECK_CSUM_MISSING || f->code == CHECK_CSUM_UNWANTED;

        if (!is_of_inode(f->code))
            continue;
        TRY(add_target(files, f->tree, f->ino, csums));
        TRY(add_target(files, f->tree, f->other, false));
    }
    targets = files->targets.base;
    if (files->targets.count > 0)
        qsort(targets, files->targets.count, sizeof(*targets), target_order);
    for (size_t i = 0; i < files->targets.count; i++)
        if (kept == 0 || targets[i].ino != targets[kept - 1].ino)
            targets[kept++] = targets[i];
    files->targets.count = kept;
    return 0;
}

/* ---- changes --------------------------------------------------------------------------------- */

static int begin(struct files *files)
{
    if (++files->since_commit >= COMMIT_AFTER) {
        files->since_commit = 0;
        TRY(store_commit(files->store));
    }
    return store_begin(files->store, STORE_INTERNAL, MEND_UNITS);
}

/*
 * What is damaged beyond that stays as it is: each step leaves valid trees behind. What nobody can
 * go on after is an error of the store, or of memory.
 */
static int end(struct files *files, int ret)
{
    store_end(files->store);
    TRY(txn_writable(&files->store->engine));
    TRY(forest_error(files->store->engine.forest));
    if (ret == -ENOMEM || ret == -ENOSPC)
        return ret;
    if (ret < 0) {
        env_note(files->job->env, NOTE_WARNING, "repair: %s", fail_message());
        fail_clear();
    }
    return 0;
}

struct tree_visit {
    struct files *files;
    const struct target *target;
};

static int mend_in_tree(void *arg, uint64_t id, uint64_t offset, const struct root_item *item)
{
    struct tree_visit *visit = arg;
    struct files *files = visit->files;
    struct fix fix = {.job = files->job,
                      .store = files->store,
                      .engine = &files->store->engine,
                      .tree = id,
                      .csums = visit->target->csums};
    struct tree_handle *handle;
    int ret;

    (void)offset;
    if (!is_fs_tree(id) || item->refs == 0)
        return 0;
    TRY(begin(files));
    ret = roots_get(files->store->roots, id, &handle);
    if (ret == 0) {
        fix.root = &handle->root;
        ret = mend_inode(&fix, visit->target->ino);
    }
    return end(files, ret);
}

/* In every tree: snapshots share what is wrong, and the block says only whose it was first. */
static int mend_targets(struct files *files)
{
    for (size_t i = 0; i < files->targets.count; i++) {
        struct tree_visit visit = {files, PILE_AT(&files->targets, struct target, i)};

        TRY(roots_each(files->store->roots, 0, mend_in_tree, &visit));
    }
    return 0;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int mend_tree(struct files *files, const struct check_finding *f)
{
    struct store *store = files->store;
    struct fix fix = {.job = files->job, .store = store, .engine = &store->engine, .tree = f->tree};
    const struct key orphan = key_make(OBJ_ORPHAN, KEY_ORPHAN_ITEM, f->other);
    struct tree_handle *handle;

    TRY(roots_get(store->roots, f->tree, &handle));
    fix.root = &handle->root;
    switch (f->code) {
    case CHECK_ORPHAN_NO_INODE:
        return item_drop(fix.root, &orphan);
    case CHECK_ROOT_NO_NAME:
    case CHECK_ROOT_REF:
        return f->tree == TREE_FS ? 0 : mend_subvolume_names(&fix);
    case CHECK_ROOT_NO_ORPHAN:
        return root_orphan_add(fix.engine, f->tree);
    default:
        /* Written with what is true of its root node. */
        roots_mark_dirty(handle);
        return 0;
    }
}

/* Under what is unwritten they may be of a file that is lost. */
static int drop_csums(struct files *files, const struct check_finding *f)
{
    struct engine *e = &files->store->engine;

    if (f->code == CHECK_CSUM_UNWRITTEN && files->job->incomplete)
        return 0;
    return csums_delete(e, &e->csum_tree, f->start, f->len);
}

static int mend_other(struct files *files, const struct check_finding *f)
{
    switch (f->code) {
    case CHECK_CSUM_NO_DATA:
    case CHECK_CSUM_UNWRITTEN:
        return drop_csums(files, f);
    case CHECK_ORPHAN_NO_INODE:
    case CHECK_ROOT_NO_NAME:
    case CHECK_ROOT_REF:
    case CHECK_ROOT_NO_ORPHAN:
    case CHECK_ROOT_GENERATION:
        return mend_tree(files, f);
    case CHECK_ROOT_BYTES:
        return roots_adjust_bytes(files->store->roots, f->tree, f->other);
    default:
        return 0;
    }
}

static bool is_of_uuids(enum check_code code)
{
    return code == CHECK_UUID_MISSING || code == CHECK_UUID_EXTRA;
}

static int mend_others(struct files *files)
{
    bool uuids = false;

    for (size_t i = 0; i < files->job->findings.count; i++) {
        const struct check_finding *f = PILE_AT(&files->job->findings, struct check_finding, i);

        uuids |= is_of_uuids(f->code);
        if (stage_of(f->code) != STAGE_FILES || is_of_inode(f->code) || is_of_uuids(f->code))
            continue;
        TRY(begin(files));
        TRY(end(files, mend_other(files, f)));
    }
    if (!uuids)
        return 0;
    TRY(begin(files));
    return end(files, mend_uuid_tree(files->job, files->store));
}

int repair_files(struct job *job)
{
    struct files files = {.job = job};
    int ret;

    TRY(job_open(job, &files.store));
    pile_init(&files.targets, sizeof(struct target), &job->budget);
    ret = gather(&files);
    if (ret == 0)
        ret = mend_others(&files);
    if (ret == 0)
        ret = mend_targets(&files);
    pile_free(&files.targets);
    return job_close(job, files.store, ret);
}
