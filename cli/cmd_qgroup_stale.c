// SPDX-License-Identifier: GPL-2.0-or-later
/* qgroup clear-stale: away with the groups of subvolumes that are gone. */
#include "commands.h"
#include "qgroups.h"

static bool is_stale(const struct copse_qgroup *group, const struct subvols *subvols,
                     enum copse_quota_mode mode)
{
    /* With simple quotas others may use what a subvolume made. */
    bool in_use = group->referenced > 0 || group->exclusive > 0;

    return qgroup_level(group->id) == 0 && !subvols_find(subvols, group->id) &&
           !(mode == COPSE_QUOTA_SIMPLE && in_use);
}

static int clear(struct cli *cli, const struct place *place)
{
    struct copse_quota_status status;
    struct subvols subvols = {0};
    struct qgroups qgroups = {0};
    char id[QGROUP_TEXT_MAX];
    int ret = volume_quota_status(place, &status);
    int result = ret < 0 ? cli_fail(cli, place->shown, ret) : qgroups_load(cli, place, &qgroups);

    if (result == 0)
        result = subvols_load(cli, place, &subvols);
    for (size_t i = 0; result == 0 && i < qgroups.count; i++) {
        if (!is_stale(&qgroups.list[i], &subvols, status.mode))
            continue;
        ret = volume_qgroup_destroy(place, qgroups.list[i].id);
        if (ret < 0)
            result = cli_fail(cli, qgroup_text(qgroups.list[i].id, id), ret);
    }
    subvols_free(&subvols);
    qgroups_free(&qgroups);
    return result;
}

int cmd_qgroup_clear_stale(struct cli *cli, int argc, char **argv)
{
    struct place place;
    bool started = false;

    if (cli_option(cli, argc, argv, "", NULL, &started) >= 0 ||
        cli_count(cli, argc, cli->shell ? 0 : 1, 1) != 0)
        return EXIT_USAGE;
    int result = place_volume(cli, argv[optind], WANT_CHANGE, &place);
    if (result != 0)
        return result;
    result = volume_sync(&place) < 0 ? cli_fail(cli, place.shown, -EIO) : clear(cli, &place);
    place_free(&place);
    return result;
}
