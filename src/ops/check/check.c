// SPDX-License-Identifier: GPL-2.0-or-later
/* In which order everything is looked at. */
#include <stdlib.h>

#include "base/lock.h"
#include "ops/check/internal.h"

#define MEMORY_DEFAULT (256 * MIB)

/* What the lanes hold whatever the file system is like. */
#define MEMORY_FIXED (16 * MIB)
#define MEMORY_LEAST (8 * MIB)

static int lanes_init(struct check *c)
{
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &c->lanes[i];

        lane->ledger = calloc(LEDGER_SLOTS, sizeof(*lane->ledger));
        lane->run = malloc(MAX(1 * MIB, (uint64_t)c->nodesize));
        lane->other = malloc(c->nodesize);
        pile_init(&lane->unlisted, sizeof(uint64_t), &c->budget);
        pile_init(&lane->unwritten, sizeof(struct unwritten), &c->budget);
        pile_init(&lane->written, sizeof(struct range), &c->budget);
        for (unsigned level = 0; level < TREE_LEVELS_MAX; level++)
            pile_init(&lane->spans[level], sizeof(struct span), &c->budget);
        if (!lane->ledger || !lane->run || !lane->other)
            return fail(-ENOMEM, "check");
    }
    c->ledger = calloc(LEDGER_SLOTS, sizeof(*c->ledger));
    return c->ledger ? 0 : fail(-ENOMEM, "check");
}

static void check_init(struct check *c)
{
    uint64_t memory = c->options->memory ? c->options->memory : MEMORY_DEFAULT;

    c->super = vol_super(c->vol);
    c->limits = vol_limits(c->vol);
    c->nodesize = c->limits->nodesize;
    c->sectorsize = c->limits->sectorsize;
    c->no_holes = c->super->incompat_flags & INCOMPAT_NO_HOLES;
    c->budget.bytes = memory > MEMORY_FIXED + MEMORY_LEAST ? memory - MEMORY_FIXED : MEMORY_LEAST;
    env_random(c->env, &c->seed, sizeof(c->seed));
    pile_init(&c->roots, sizeof(struct tree_root), &c->budget);
    pile_init(&c->dead_nodes, sizeof(struct dead_node), &c->budget);
    pile_init(&c->blocks, sizeof(struct block), &c->budget);
    pile_init(&c->areas, sizeof(struct area), &c->budget);
    pile_init(&c->gaps, sizeof(struct range), &c->budget);
    pile_init(&c->csums, sizeof(struct range), &c->budget);
    pile_init(&c->suspects, sizeof(uint64_t), &c->budget);
}

static void check_free(struct check *c)
{
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &c->lanes[i];

        free(lane->ledger);
        free(lane->run);
        free(lane->other);
        pile_free(&lane->unlisted);
        pile_free(&lane->unwritten);
        pile_free(&lane->written);
        for (unsigned level = 0; level < TREE_LEVELS_MAX; level++)
            pile_free(&lane->spans[level]);
    }
    free(c->ledger);
    pile_free(&c->roots);
    pile_free(&c->dead_nodes);
    pile_free(&c->blocks);
    pile_free(&c->areas);
    pile_free(&c->gaps);
    pile_free(&c->csums);
    pile_free(&c->suspects);
}

/* Without chunks or the root tree nothing else can be found: then that is all there is to say. */
static int unreadable(struct check *c, int ret)
{
    if (ret != -EIO && ret != -EUCLEAN)
        return ret;
    report(c, CHECK_BLOCK_BAD, PLACE(0), "%s", fail_message());
    report(c, CHECK_UNFINISHED, PLACE(0), "without it nothing else can be found");
    return -ECANCELED;
}

static int look_at_all(struct check *c)
{
    check_supers(c, vol_device(c->vol, 0)->dev);
    TRY(unreadable(c, load_chunks(c)));
    TRY(unreadable(c, load_roots(c)));
    check_root_items(c);
    TRY(load_extents(c));
    TRY(check_groups(c));
    TRY(check_device_extents(c));
    TRY(check_free_space(c));
    TRY(load_csums(c));
    TRY(scan_blocks(c));
    TRY(check_unwritten(c));
    TRY(join_blocks(c));
    TRY(check_references(c));
    TRY(check_subvols(c));
    TRY(check_log(c));
    if (!c->extents_known)
        report(c, CHECK_EXTENT_TREE, PLACE(.tree = TREE_EXTENT),
               "the extent tree cannot be read: references and free space were not counted");
    if (c->options->data_csum)
        TRY(check_data(c));
    return c->error;
}

static int check_volume(struct check *c, struct copse_check_result *result)
{
    int ret;

    check_init(c);
    ret = lanes_init(c);
    if (ret == 0)
        ret = look_at_all(c);
    if (ret == 0 || ret == -ECANCELED) {
        report_all(c, result);
        ret = 0;
    }
    check_free(c);
    return ret;
}

/* What cannot be opened for damage. */
static int check_closed(struct check *c, int ret, struct copse_check_result *result)
{
    if (ret != -EIO && ret != -EUCLEAN)
        return ret;
    report(c, CHECK_SUPER_BAD, PLACE(0), "%s", fail_message());
    report_all(c, result);
    return 0;
}

int check_run_for(struct env *env, struct dev *dev, const struct copse_check_options *options,
                  const struct check_sink *sink, struct copse_check_result *result)
{
    const struct vol_open_options open_options = {.readonly = true};
    AUTO_FREE struct check *c = calloc(1, sizeof(*c));
    struct copse_check_result found = {0};
    int ret;

    if (!c) {
        dev_close(dev);
        return fail(-ENOMEM, "check");
    }
    c->env = env;
    c->options = options;
    c->sink = sink;
    lock_init(&c->lock, RANK_CHECK);
    ret = vol_open(env, &dev, 1, &open_options, &c->vol);
    ret = ret < 0 ? check_closed(c, ret, &found) : check_volume(c, &found);
    if (c->vol)
        vol_close(c->vol);
    report_free(c);
    lock_destroy(&c->lock);
    if (ret == 0)
        *result = found;
    return ret;
}

int check_run(struct env *env, struct dev *dev, const struct copse_check_options *options,
              struct copse_check_result *result)
{
    return check_run_for(env, dev, options, NULL, result);
}
