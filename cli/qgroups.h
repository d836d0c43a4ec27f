// SPDX-License-Identifier: GPL-2.0-or-later
/* qgroups: the quota groups of a file system, kept while a command prints them. */
#ifndef COPSE_CLI_QGROUPS_H
#define COPSE_CLI_QGROUPS_H

#include "subvols.h"

struct qgroups {
    struct copse_qgroup *list; /* their ids are owned */
    size_t count, room;
};

/* Complains. */
int qgroups_load(struct cli *cli, const struct place *place, struct qgroups *out);
void qgroups_free(struct qgroups *qgroups);

static inline unsigned qgroup_level(uint64_t id)
{
    return (unsigned)(id >> COPSE_QGROUP_LEVEL_SHIFT);
}
static inline uint64_t qgroup_number(uint64_t id)
{
    return id & ((1ULL << COPSE_QGROUP_LEVEL_SHIFT) - 1);
}

#define QGROUP_TEXT_MAX 32
/* "1/100" */
const char *qgroup_text(uint64_t id, char buf[QGROUP_TEXT_MAX]);
/* "1/100", or the number of a subvolume; complains and returns false. */
bool qgroup_parse(struct cli *cli, const char *text, uint64_t *out);

/* ---- volume_quota.c: as the functions of <copse/copse.h> ------------------------------------- */

int volume_quota_status(const struct place *place, struct copse_quota_status *out);
int volume_quota_enable(const struct place *place, bool simple);
int volume_quota_disable(const struct place *place);
int volume_quota_rescan(const struct place *place, bool wait);
int volume_quota_rescan_wait(const struct place *place);
/* The ids of a group are valid during the call of fn. */
int volume_qgroups(const struct place *place,
                   int (*fn)(void *arg, const struct copse_qgroup *group), void *arg);
int volume_qgroup_create(const struct place *place, uint64_t id);
int volume_qgroup_destroy(const struct place *place, uint64_t id);
int volume_qgroup_assign(const struct place *place, uint64_t member, uint64_t parent);
int volume_qgroup_remove(const struct place *place, uint64_t member, uint64_t parent);
int volume_qgroup_limit(const struct place *place, uint64_t id, unsigned which, uint64_t bytes);
int volume_sync(const struct place *place);

#endif
