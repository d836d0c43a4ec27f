// SPDX-License-Identifier: GPL-2.0-or-later
/* Check, repair, and check again, until there is nothing left that can be repaired. */
#include "ops/repair/internal.h"

#include <unistd.h>

#include "disk/dev/undo.h"

#define ROUNDS_MAX 16
#define MEMORY_DEFAULT (256 * MIB)

/* Which stage puts it right; what is not listed cannot be. */
static const enum stage stages[CHECK_CODES] = {
    [CHECK_SUPER_BAD] = STAGE_SUPER,
    [CHECK_SUPER_COPY_BAD] = STAGE_SUPER,
    [CHECK_SUPER_COPY_STALE] = STAGE_SUPER,
    [CHECK_BACKUP_ROOT] = STAGE_SUPER,
    [CHECK_BLOCK_BAD] = STAGE_SUPER,
    [CHECK_BLOCK_COPY_BAD] = STAGE_SUPER,
    [CHECK_LOG_BAD] = STAGE_SUPER,
    [CHECK_SUPER_USED] = STAGE_SPACE,
    [CHECK_SYSTEM_ARRAY] = STAGE_SPACE,
    [CHECK_CHUNK_NO_DEVICE_EXTENT] = STAGE_SPACE,
    [CHECK_DEVICE_EXTENT_NO_CHUNK] = STAGE_SPACE,
    [CHECK_DEVICE_USED] = STAGE_SPACE,
    [CHECK_CHUNK_NO_GROUP] = STAGE_SPACE,
    [CHECK_GROUP_NO_CHUNK] = STAGE_SPACE,
    [CHECK_GROUP_MISMATCH] = STAGE_SPACE,
    [CHECK_GROUP_USED] = STAGE_SPACE,
    [CHECK_EXTENT_REFS] = STAGE_SPACE,
    [CHECK_REF_KEY] = STAGE_SPACE,
    [CHECK_REF_MISSING] = STAGE_SPACE,
    [CHECK_REF_EXTRA] = STAGE_SPACE,
    [CHECK_REF_COUNT] = STAGE_SPACE,
    [CHECK_FREE_MISSING] = STAGE_SPACE,
    [CHECK_FREE_EXTRA] = STAGE_SPACE,
    [CHECK_FREE_STALE] = STAGE_SPACE,
    [CHECK_FREE_COUNT] = STAGE_SPACE,
    [CHECK_CSUM_NO_DATA] = STAGE_FILES,
    [CHECK_CSUM_MISSING] = STAGE_FILES,
    [CHECK_CSUM_UNWRITTEN] = STAGE_FILES,
    [CHECK_CSUM_UNWANTED] = STAGE_FILES,
    [CHECK_INODE_MISSING] = STAGE_FILES,
    [CHECK_INODE_GENERATION] = STAGE_FILES,
    [CHECK_INODE_NLINK] = STAGE_FILES,
    [CHECK_INODE_NBYTES] = STAGE_FILES,
    [CHECK_INODE_SIZE] = STAGE_FILES,
    [CHECK_DIR_SIZE] = STAGE_FILES,
    [CHECK_HOLE_MISSING] = STAGE_FILES,
    [CHECK_FILE_EXTENT_RAM] = STAGE_FILES,
    [CHECK_EXTREF_KEY] = STAGE_FILES,
    [CHECK_NAME_NO_INODE] = STAGE_FILES,
    [CHECK_NAME_TYPE] = STAGE_FILES,
    [CHECK_NAME_NO_REF] = STAGE_FILES,
    [CHECK_REF_NO_NAME] = STAGE_FILES,
    [CHECK_DIR_ENTRIES] = STAGE_FILES,
    [CHECK_ORPHAN_MISSING] = STAGE_FILES,
    [CHECK_ORPHAN_NO_INODE] = STAGE_FILES,
    [CHECK_ROOT_NO_NAME] = STAGE_FILES,
    [CHECK_ROOT_REF] = STAGE_FILES,
    [CHECK_ROOT_NO_ORPHAN] = STAGE_FILES,
    [CHECK_ROOT_GENERATION] = STAGE_FILES,
    [CHECK_ROOT_BYTES] = STAGE_FILES,
    [CHECK_UUID_MISSING] = STAGE_FILES,
    [CHECK_UUID_EXTRA] = STAGE_FILES,
};

enum stage stage_of(enum check_code code)
{
    return stages[code];
}

/* Notes alone are no reason to write anything. */
static bool is_note(enum check_code code)
{
    return code == CHECK_SUPER_COPY_STALE || code == CHECK_FREE_STALE;
}

/* Nobody knows all references, so none may be taken away. */
static bool is_loss(enum check_code code)
{
    switch (code) {
    case CHECK_BLOCK_BAD:
    case CHECK_BLOCK_UNEXPECTED:
    case CHECK_BLOCK_OWNER:
    case CHECK_BLOCK_KEYS:
    case CHECK_TREE_MISSING:
    case CHECK_CHUNK_BAD:
    case CHECK_UNFINISHED:
        return true;
    default:
        return false;
    }
}

/* Where two things claim the same bytes, or nobody knows what is in use, nothing may be written. */
static bool bars_writing(enum check_code code)
{
    switch (code) {
    case CHECK_CHUNK_BAD:
    case CHECK_DEVICE_EXTENT_OVERLAP:
    case CHECK_EXTENT_TREE:
    case CHECK_EXTENT_OVERLAP:
    case CHECK_EXTENT_OUTSIDE: /* a chunk is lost: what is on the device there looks free */
    case CHECK_UNFINISHED:
        return true;
    default:
        return false;
    }
}

/* Something is where no chunk is: to be made again before anything else is allocated or removed. */
static bool chunk_is_lost(const struct job *job)
{
    bool outside = false, group = false;

    for (size_t i = 0; i < job->findings.count; i++) {
        enum check_code code = PILE_AT(&job->findings, struct check_finding, i)->code;

        outside |= code == CHECK_EXTENT_OUTSIDE;
        group |= code == CHECK_GROUP_NO_CHUNK;
    }
    return outside && group;
}

/* ---- one check ------------------------------------------------------------------------------- */

static int take_finding(void *arg, const struct check_finding *finding)
{
    struct job *job = arg;

    job->incomplete |= is_loss(finding->code);
    return pile_push(&job->findings, finding);
}

static int take_extent(void *arg, const struct check_extent *extent)
{
    struct job *job = arg;
    const struct job_extent kept = {.bytenr = extent->bytenr,
                                    .first = job->refs.count,
                                    .met = extent->met_count,
                                    .listed = extent->listed_count,
                                    .full = extent->full};

    for (size_t i = 0; i < extent->met_count; i++)
        TRY(pile_push(&job->refs, &extent->met[i]));
    for (size_t i = 0; i < extent->listed_count; i++)
        TRY(pile_push(&job->refs, &extent->listed[i]));
    return pile_push(&job->extents, &kept);
}

static void take_problem(void *arg, const struct copse_check_problem *problem)
{
    known_take(arg, problem);
}

static void pass_progress(void *arg, uint64_t done, uint64_t total)
{
    struct job *job = arg;

    job->options->progress(job->options->arg, done, total);
}

static int look(struct job *job, struct copse_check_result *result)
{
    const struct check_sink sink = {.finding = take_finding, .extent = take_extent, .arg = job};
    struct copse_check_options options = *job->options;
    struct dev *view = dev_borrow(job->dev);

    if (!view)
        return fail(-ENOMEM, "check");
    job->findings.count = job->extents.count = job->refs.count = 0;
    job->incomplete = false;
    job->round++;
    options.problem = take_problem;
    options.progress = options.progress ? pass_progress : NULL;
    options.arg = job;
    return check_run_for(job->env, view, &options, &sink, result);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * 0x9e3779b97f4a7c15u + (hash >> 29);
}

/* Of what a stage has to do; in any order, as threads find things in any order. */
static uint64_t fingerprint(const struct job *job, enum stage stage)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < job->findings.count; i++) {
        const struct check_finding *f = PILE_AT(&job->findings, struct check_finding, i);

        if (stage_of(f->code) == stage ||
            (stage == STAGE_CHUNKS && f->code == CHECK_GROUP_NO_CHUNK))
            sum +=
                mix(mix(mix(mix(mix(f->code + 1, f->tree), f->ino), f->other), f->start), f->len);
    }
    return sum;
}

static bool has_work(const struct job *job, enum stage stage)
{
    if (stage == STAGE_CHUNKS)
        return chunk_is_lost(job);
    for (size_t i = 0; i < job->findings.count; i++) {
        enum check_code code = PILE_AT(&job->findings, struct check_finding, i)->code;

        if (stage_of(code) == stage && !is_note(code))
            return true;
    }
    return false;
}

static bool writing_is_barred(const struct job *job)
{
    for (size_t i = 0; i < job->findings.count; i++)
        if (bars_writing(PILE_AT(&job->findings, struct check_finding, i)->code))
            return true;
    return false;
}

struct attempts {
    uint64_t seen[STAGES]; /* what a stage last had to do */
    bool given_up[STAGES];
};

/* The first stage that has something to do, and has not tried the very same. */
static enum stage next_stage(struct job *job, struct attempts *attempts)
{
    for (enum stage stage = STAGE_SUPER; stage < STAGES; stage++) {
        uint64_t print;

        if (stage > STAGE_CHUNKS && writing_is_barred(job))
            return STAGE_NONE;
        if (!has_work(job, stage))
            continue;
        print = fingerprint(job, stage);
        if (!attempts->given_up[stage] && print != attempts->seen[stage]) {
            attempts->seen[stage] = print;
            return stage;
        }
    }
    return STAGE_NONE;
}

static int run_stage(struct job *job, enum stage stage)
{
    switch (stage) {
    case STAGE_SUPER:
        return repair_super(job);
    case STAGE_CHUNKS:
        TRY(repair_log(job));
        return repair_chunks(job);
    case STAGE_SPACE:
        TRY(repair_log(job));
        return repair_space(job);
    case STAGE_FILES:
        TRY(repair_log(job));
        return repair_files(job);
    default:
        return 0;
    }
}

/* What a stage could not do is left as it is; other damage may still be put right. */
static int try_stage(struct job *job, enum stage stage, struct attempts *attempts)
{
    int ret = run_stage(job, stage);

    if (ret == -ENOMEM)
        return ret;
    if (ret < 0) {
        env_note(job->env, NOTE_WARNING, "repair: %s", fail_message());
        fail_clear();
        attempts->given_up[stage] = true;
    }
    return dev_flush(job->dev);
}

static int rounds(struct job *job, struct copse_check_result *result)
{
    struct attempts attempts = {.seen = {0}};

    for (;;) {
        enum stage stage;

        TRY(look(job, result));
        stage = job->round > ROUNDS_MAX ? STAGE_NONE : next_stage(job, &attempts);
        if (stage == STAGE_NONE)
            return 0;
        TRY(try_stage(job, stage, &attempts));
    }
}

/* ---- the device ------------------------------------------------------------------------------ */

/* The fsid of the first superblock that has one; zero where none can be told. */
static void read_fsid(struct dev *dev, uint8_t fsid[UNDO_FSID_SIZE])
{
    uint8_t bytes[SUPER_SIZE];
    struct super super;

    memset(fsid, 0, UNDO_FSID_SIZE);
    for (unsigned copy = 0; copy < SUPER_COPIES; copy++) {
        if (super_offset(copy) + SUPER_SIZE > dev->size ||
            dev_read(dev, super_offset(copy), bytes, sizeof(bytes)) < 0 ||
            super_validate(bytes, super_offset(copy)) < 0)
            continue;
        super_decode(&super, bytes);
        memcpy(fsid, super.fsid.b, UNDO_FSID_SIZE);
        break;
    }
    fail_clear();
}

static int wrap(struct job *job, struct dev *dev)
{
    uint8_t fsid[UNDO_FSID_SIZE];

    job->dev = dev;
    if (!job->options->undo_file)
        return 0;
    if (access(job->options->undo_file, F_OK) == 0)
        return fail(-EEXIST, "undo file %s", job->options->undo_file);
    read_fsid(dev, fsid);
    struct dev *undo = dev_undo_new(dev, job->options->undo_file, fsid);
    if (!undo)
        return fail(-ENOMEM, "undo file");
    job->dev = undo;
    return 0;
}

int repair_run(struct env *env, struct dev *dev, const struct copse_check_options *options,
               struct copse_check_result *result)
{
    struct job job = {.env = env, .options = options};
    struct copse_check_result found = {0};
    int ret;

    job.budget.bytes = options->memory ? options->memory : MEMORY_DEFAULT;
    pile_init(&job.findings, sizeof(struct check_finding), &job.budget);
    pile_init(&job.extents, sizeof(struct job_extent), &job.budget);
    pile_init(&job.refs, sizeof(struct reference), &job.budget);
    ret = wrap(&job, dev);
    if (ret == 0)
        ret = rounds(&job, &found);
    if (ret == 0)
        known_tell(&job, &found);
    known_free(&job);
    pile_free(&job.findings);
    pile_free(&job.extents);
    pile_free(&job.refs);
    dev_close(job.dev);
    if (ret == 0)
        *result = found;
    return ret;
}

/* ---- taking it back -------------------------------------------------------------------------- */

int repair_undo_fits(struct dev *dev, const char *undo_file)
{
    static const uint8_t none[UNDO_FSID_SIZE];
    uint8_t fsid[UNDO_FSID_SIZE];
    struct undo_info info;

    TRY(undo_look(undo_file, &info));
    read_fsid(dev, fsid);
    if (memcmp(fsid, none, sizeof(none)) != 0 && memcmp(info.fsid, none, sizeof(none)) != 0 &&
        memcmp(fsid, info.fsid, sizeof(fsid)) != 0)
        return fail(-EINVAL, "%s: is of another file system than what is on %s", undo_file,
                    dev_label(dev));
    return 0;
}

int repair_undo(struct dev *dev, const char *undo_file)
{
    int ret = repair_undo_fits(dev, undo_file);

    if (ret == 0)
        ret = undo_apply(undo_file, dev);
    dev_close(dev);
    return ret;
}
