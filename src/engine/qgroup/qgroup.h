// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * qgroup: quota groups. Counts what subvolumes, and groups of them, reference and hold alone;
 * checks limits.
 *
 * Counting happens at commit. Every extent that gained or lost a reference is looked up twice: who
 * reached it in the last durable commit, and who does now; what differs moves bytes between groups.
 * Between commits the counters are those of the last commit, to which reservations are added.
 *
 * Simple quotas count an extent for the subvolume it was made for, from when they were switched on.
 *
 * Unless said otherwise the metadata lock is held, alone by what changes something.
 */
#ifndef COPSE_ENGINE_QGROUP_QGROUP_H
#define COPSE_ENGINE_QGROUP_QGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/extent/extent.h"
#include "engine/root/root.h"

struct qgroups;

enum qgroup_mode { QGROUPS_OFF, QGROUPS_FULL, QGROUPS_SIMPLE };

/* Reads the quota tree, if there is one. extents NULL: opened read-only, only to look. */
int qgroups_open(struct engine *engine, struct extents *extents, struct roots *roots,
                 struct qgroups **out) MUST_USE;
void qgroups_close(struct qgroups *q);

/* ---- looking --------------------------------------------------------------------------------- */

struct qgroups_state {
    enum qgroup_mode mode;
    bool inconsistent;
    bool rescanning;
    uint64_t rescan_progress; /* logical address that a rescan has reached */
    uint64_t enable_gen;      /* simple quotas: what is older is not counted */
};
void qgroups_state(const struct qgroups *q, struct qgroups_state *out);

struct qgroup_view {
    uint64_t id;
    uint64_t rfer, excl;
    uint64_t reserved; /* bytes promised and not counted yet */
    struct qgroup_limit limit;
    const uint64_t *parents, *members;
    size_t parent_count, member_count;
};
/* In order of id, until fn returns non-zero (passed on). */
int qgroups_each(struct qgroups *q, int (*fn)(void *arg, const struct qgroup_view *view),
                 void *arg) MUST_USE;
/* Bytes promised to all groups of the lowest level. */
uint64_t qgroups_reserved(struct qgroups *q);

/* ---- changing, within store_begin ------------------------------------------------------------ */

/* Items that one of these changes at most, for store_begin. */
#define QGROUP_UNITS 16

/* Makes groups for all subvolumes, counted by the next commit; simple: from the next transaction
 * on. Already on, in either way: 0. */
int qgroups_enable(struct qgroups *q, bool simple) MUST_USE;
/* Not on: 0. */
int qgroups_disable(struct qgroups *q) MUST_USE;
/* Counts everything anew, in steps (qgroups_rescan_step). -ENOTCONN: off; -EINVAL: simple quotas;
 * -EINPROGRESS: one is running. */
int qgroups_rescan(struct qgroups *q) MUST_USE;

/* -ENOTCONN where quotas are off, in all of these. */
int qgroup_create(struct qgroups *q, uint64_t id) MUST_USE;  /* -EEXIST, -EINVAL */
int qgroup_destroy(struct qgroups *q, uint64_t id) MUST_USE; /* -ENOENT, -EBUSY: has members */
/* -EINVAL: the levels do not allow it; -ENOENT; -EEXIST. */
int qgroup_assign(struct qgroups *q, uint64_t member, uint64_t parent) MUST_USE;
int qgroup_remove(struct qgroups *q, uint64_t member, uint64_t parent) MUST_USE;

#define QGROUP_LIMIT_MAX_RFER (1ULL << 0)
#define QGROUP_LIMIT_MAX_EXCL (1ULL << 1)
#define QGROUP_LIMIT_RFER_CMPR (1ULL << 4)
#define QGROUP_LIMIT_EXCL_CMPR (1ULL << 5)
#define QGROUP_LIMIT_CLEAR UINT64_MAX /* as a value: no such limit any more */
/* Sets what limit->flags names; the rest stays as it is. -ENOENT. */
int qgroup_limit(struct qgroups *q, uint64_t id, const struct qgroup_limit *limit) MUST_USE;

/* ---- reservations; no lock needed ------------------------------------------------------------ */

/*
 * Asks for that many bytes, data or tree blocks, for a subvolume: -EDQUOT where a limit of its
 * group, or of any above, would be passed. To be given back with qgroups_leave once they are
 * pending, allocated, or not needed.
 */
int qgroups_enter(struct qgroups *q, uint64_t tree, uint64_t bytes) MUST_USE;
void qgroups_leave(struct qgroups *q, uint64_t tree, uint64_t bytes);
/* Bytes of dirty data were added (or, below zero, written back or dropped). */
void qgroups_pending(struct qgroups *q, uint64_t tree, int64_t bytes);
/* Subvolumes known to reference an extent; a few are enough. */
#define QGROUP_SHARERS_MAX 32
struct qgroup_sharers {
    uint64_t trees[QGROUP_SHARERS_MAX];
    size_t count;
};
/*
 * The subvolume is about to be given references to an extent that these have: -EDQUOT. Reserved
 * until the next commit. (What is allocated for it is noticed without being told.)
 */
int qgroups_share(struct qgroups *q, uint64_t tree, const struct qgroup_sharers *have,
                  uint64_t bytes) MUST_USE;

/* ---- subvolumes, within store_begin ---------------------------------------------------------- */

/* Which groups a new subvolume joins. */
struct qgroup_inherit {
    const uint64_t *groups;
    size_t count;
    const struct qgroup_limit *limit; /* of the new group; NULL: none, or the source's */
};
/* Whether a subvolume could be made with that: -ENOENT a group, -EINVAL a level 0. */
int qgroups_check_inherit(struct qgroups *q, const struct qgroup_inherit *inherit) MUST_USE;
/*
 * A subvolume was made: src 0, or the one it is a snapshot of. inside: the subvolume it hangs in,
 * whose groups it joins under simple quotas. inherit: NULL for none.
 */
int qgroups_subvol_made(struct qgroups *q, uint64_t id, uint64_t src, uint64_t inside,
                        const struct qgroup_inherit *inherit) MUST_USE;
/* The last of a subvolume, its root item too, is gone: so is its group. */
int qgroups_subvol_gone(struct qgroups *q, uint64_t id) MUST_USE;

/* ---- the commit ------------------------------------------------------------------------------ */

/* Every reference has been run; counts, and writes what changed. */
int qgroups_commit(struct qgroups *q) MUST_USE;
/* Whether a rescan has more to do in the next commit. */
bool qgroups_rescan_pending(const struct qgroups *q);
/* The transaction is durable. Returns whether nodes of the last commit were brought into the cache,
 * where they must not stay when their addresses are used again. */
bool qgroups_committed(struct qgroups *q);

#endif
