// SPDX-License-Identifier: GPL-2.0-or-later
/* What the files of this module share. */
#ifndef COPSE_ENGINE_SPACE_INTERNAL_H
#define COPSE_ENGINE_SPACE_INTERNAL_H

#include <pthread.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/rbtree.h"
#include "engine/space/space.h"

/*
 * What device space is counted in when it is promised: a piece that every profile we create can
 * use whole (DUP: two stripes of 64 KiB). Chunks take whole units, so that nothing is lost between
 * what was counted and what can be created.
 */
#define CHUNK_UNIT (2 * STRIPE_LEN)

enum group_life {
    GROUP_NEW,      /* its items are not in the trees yet */
    GROUP_LIVE,     /* in the trees */
    GROUP_REMOVING, /* its items are to be deleted */
    GROUP_REMOVED,  /* its items are gone; it goes when that is durable */
};

/*
 * A block group and its chunk. Bytes in none of the range sets are used: free + allocated + pinned
 * + super + used = length.
 */
struct group {
    RB_ENTRY(group) link;
    uint64_t start;
    uint64_t length;
    uint64_t flags; /* BG_* */
    enum space_kind kind;
    enum group_life life;
    bool loaded;   /* free is known; until then all that is not used counts as free */
    bool readonly; /* nothing new goes here */
    uint64_t used;
    uint64_t used_on_disk; /* what the block group item says */
    struct rangeset free;
    struct rangeset allocated;
    struct rangeset pinned;
    struct rangeset super; /* under copies of the superblock: nobody's */
    /* What the free-space tree still has to learn; a byte is in at most one of the two. */
    struct rangeset tree_add;
    struct rangeset tree_remove;
    bool tree_rewrite; /* all its free-space items are to be written anew */
};

RB_HEAD(group_tree, group);
RB_PROTOTYPE(group_tree, group, link, group_compare)

/* Sums over the block groups of a kind. */
struct kind {
    uint64_t profile; /* BG_* profile bits of new chunks */
    uint64_t total;
    uint64_t used;
    uint64_t allocated;
    uint64_t pinned;
    uint64_t free;     /* where something new may go */
    uint64_t readonly; /* free where nothing new may go */
    uint64_t promised;
};

struct device {
    struct vol_device *vol_device;
    struct rangeset holes; /* bytes of the device that no chunk uses */
    bool dirty;            /* its device item is to be written */
};

struct space {
    struct engine *engine;
    struct group_tree groups;
    struct device *devices;
    unsigned device_count;
    /*
     * Protects kinds, raw_units and leaving_units, which promises read from any thread. The rest,
     * and with it every change of these sums, is under the metadata lock. Taken last, held for
     * moments, never during I/O.
     */
    pthread_mutex_t lock;
    struct kind kinds[SPACE_KINDS];
    uint64_t raw_units;           /* what chunks could still be made of */
    uint64_t leaving_units;       /* of removed chunks: there after the commit */
    uint64_t cursor[SPACE_KINDS]; /* where the next allocation looks first */
    uint64_t no_fit[SPACE_KINDS]; /* nothing this long is to be found; UINT64_MAX: unknown */
    bool mixed;
    bool tree_usable; /* the free-space tree on disk is there, and was valid at open */
    bool caches_cleared;
    bool discard;
    bool repairing; /* what stands in the trees is believed as far as it makes sense */
    space_drop_extent_fn *drop_extent;
    void *drop_extent_ctx;
};

/* ---- groups.c
 * ------------------------------------------------------------------------------------ */

/* The kind whose sums and groups serve `kind` (mixed block groups have one for two). */
enum space_kind space_kind_of(const struct space *space, enum space_kind kind);
/* -EUCLEAN for flags that no block group may have. */
int group_kind(const struct space *space, uint64_t flags, enum space_kind *out) MUST_USE;
/* Makes the group of a chunk, not loaded and nothing used, and puts it in. */
int group_add(struct space *space, const struct chunk_map *chunk, struct group **out) MUST_USE;
/* Forgets a group; frees it. */
void group_drop(struct space *space, struct group *group);
/* The group that holds addr, or NULL. */
struct group *group_at(const struct space *space, uint64_t addr);
/* The first group that starts at or after from, or NULL. */
struct group *group_from(const struct space *space, uint64_t from);
struct group *group_next(struct group *group);
/* Bytes not used by anything. */
uint64_t group_free_bytes(const struct group *group);
/* Whether something new may be allocated here. */
bool group_open_to_new(const struct group *group);
/* Something became free: look again for what was not to be found. */
void space_look_again(struct space *space);

/*
 * Any change of a group happens between these: its share is taken out of the sums of its kind,
 * and put back as it then is. The lock is held in between.
 *     COUNTING(space, group);  // until the end of the scope
 */
struct counting {
    struct space *space;
    struct group *group;
};
struct counting counting_begin(struct space *space, struct group *group);
void counting_end(struct counting *counting);
#define COUNTING(space, group)                                                                     \
    struct counting SCOPED_CONCAT(counting_, __LINE__)                                             \
        __attribute__((cleanup(counting_end), unused)) = counting_begin(space, group)

/* ---- load.c
 * --------------------------------------------------------------------------------------- */

/*
 * Makes group->free known. For the case that the extent tree must be asked: `changing` (or NULL)
 * is a range whose extent item was inserted (to_used) or deleted just now, and which is to be
 * taken as it was before.
 */
int group_load(struct space *space, struct group *group, const struct range *changing,
               bool to_used) MUST_USE;

/* ---- repair.c
 * ------------------------------------------------------------------------------------- */

/* Makes a group for each chunk, whatever the block group items say. */
int repair_groups_load(struct space *space) MUST_USE;

/* ---- free_tree.c: the free-space tree on disk
 * ------------------------------------------------------ */

/* Whether we keep one. */
bool free_tree_kept(const struct space *space);
/* Reads a group's free ranges into an empty set. -EUCLEAN: they make no sense. */
int free_tree_read(struct space *space, const struct group *group, struct rangeset *out) MUST_USE;
/* Brings the tree up to date for one group. */
int free_tree_write(struct space *space, struct group *group, bool *changed) MUST_USE;
/* Deletes all items with start <= objectid < end. */
int free_tree_delete(struct space *space, uint64_t start, uint64_t end) MUST_USE;
/* Deletes items that belong to no block group. */
int free_tree_delete_strays(struct space *space) MUST_USE;

/* ---- device.c
 * -------------------------------------------------------------------------------------- */

/* Finds out what of the devices is in use. */
int devices_load(struct space *space) MUST_USE;
void devices_free(struct space *space);
/* A chunk takes its device space. */
int devices_take(struct space *space, const struct chunk_map *chunk) MUST_USE;
/* The items of a chunk are gone; others may have its device space only when that is durable ... */
void devices_leave(struct space *space, const struct chunk_map *chunk);
/* ... which is now. */
int devices_release(struct space *space, const struct chunk_map *chunk) MUST_USE;
/* Bytes of all devices. */
uint64_t devices_total(const struct space *space);

/* ---- chunk.c
 * --------------------------------------------------------------------------------------- */

uint64_t profile_copies(uint64_t flags);
/* Units of device space that this many bytes of chunks take. */
uint64_t units_for(uint64_t bytes, uint64_t profile);
/*
 * Creates a chunk of that kind, as large as is usual and what others are promised allows; needs
 * device space only, no tree is touched. *out: its logical addresses, may be NULL. -ENOSPC.
 */
int chunk_create_for(struct space *space, enum space_kind kind, struct range *out) MUST_USE;

/* ---- promise.c
 * ------------------------------------------------------------------------------------- */

/* Units that must stay for what the kinds other than `kind` are promised. Lock held. */
uint64_t promised_units_of_others(const struct space *space, enum space_kind kind);
/* Bytes of a kind that ordinary promises leave alone. Lock held. */
uint64_t kind_reserve(const struct space *space, enum space_kind kind);
/* For chunk tree changes. */
uint64_t system_reserve(const struct space *space);

#endif
