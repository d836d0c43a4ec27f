// SPDX-License-Identifier: GPL-2.0-or-later
#include "qgroups.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define LEVEL_MAX 65535

const char *qgroup_text(uint64_t id, char buf[QGROUP_TEXT_MAX])
{
    snprintf(buf, QGROUP_TEXT_MAX, "%u/%llu", qgroup_level(id), LLU(qgroup_number(id)));
    return buf;
}

/* Decimal digits up to `end`, and no others. */
static bool take_number(const char **text, char end, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    const char *at = *text;

    for (; isdigit((unsigned char)*at); at++) {
        if (value > (max - (unsigned)(*at - '0')) / 10)
            return false;
        value = 10 * value + (unsigned)(*at - '0');
    }
    if (at == *text || *at != end)
        return false;
    *out = value;
    *text = at + 1;
    return true;
}

bool qgroup_parse(struct cli *cli, const char *text, uint64_t *out)
{
    uint64_t number_max = (1ULL << COPSE_QGROUP_LEVEL_SHIFT) - 1;
    uint64_t level = 0, number;
    const char *at = text;

    if ((strchr(text, '/') && !take_number(&at, '/', LEVEL_MAX, &level)) ||
        !take_number(&at, '\0', number_max, &number)) {
        cli_usage(cli, "%s: not a quota group, which is written LEVEL/NUMBER", text);
        return false;
    }
    *out = level << COPSE_QGROUP_LEVEL_SHIFT | number;
    return true;
}

static uint64_t *copy_ids(const uint64_t *ids, size_t count)
{
    uint64_t *copy = need_memory(calloc(count + 1, sizeof(*copy)));

    if (count > 0)
        memcpy(copy, ids, count * sizeof(*copy));
    return copy;
}

static int keep(void *arg, const struct copse_qgroup *group)
{
    struct qgroups *qgroups = arg;

    if (qgroups->count == qgroups->room) {
        qgroups->room = 2 * qgroups->room + 16;
        qgroups->list = need_memory(realloc(qgroups->list, qgroups->room * sizeof(*qgroups->list)));
    }
    struct copse_qgroup *kept = &qgroups->list[qgroups->count++];
    *kept = *group;
    kept->parents = copy_ids(group->parents, group->parent_count);
    kept->members = copy_ids(group->members, group->member_count);
    return 0;
}

int qgroups_load(struct cli *cli, const struct place *place, struct qgroups *out)
{
    struct qgroups qgroups = {0};
    int ret = volume_qgroups(place, keep, &qgroups);

    if (ret < 0) {
        qgroups_free(&qgroups);
        return cli_fail(cli, place->shown, ret);
    }
    *out = qgroups;
    return 0;
}

void qgroups_free(struct qgroups *qgroups)
{
    for (size_t i = 0; i < qgroups->count; i++) {
        free((void *)qgroups->list[i].parents);
        free((void *)qgroups->list[i].members);
    }
    free(qgroups->list);
    *qgroups = (struct qgroups){0};
}
