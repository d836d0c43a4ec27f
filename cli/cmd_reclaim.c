// SPDX-License-Identifier: GPL-2.0-or-later
/* reclaim: space that no file reaches any more. */
#include <json-c/json.h>
#include <stdio.h>

#include "commands.h"
#include "size.h"
#include "text.h"
#include "volume.h"

static void print_freed(const struct cli *cli, uint64_t freed, struct size_mode mode)
{
    char buf[SIZE_TEXT_MAX];

    if (cli->json) {
        struct json_object *json = json_object_new_object();

        json_object_object_add(json, "freed", json_object_new_uint64(freed));
        json_print("reclaim", json);
        return;
    }
    printf("Freed: %s\n", size_text(freed, mode, buf));
}

int cmd_reclaim(struct cli *cli, int argc, char **argv)
{
    static const struct option longs[] = {SIZE_OPTIONS_LONG, {0}};
    struct size_mode mode = SIZE_MODE_DEFAULT;
    bool started = false;
    struct place place;
    uint64_t freed;
    int option, result, ret;

    while ((option = cli_option(cli, argc, argv, SIZE_OPTIONS_SHORT, longs, &started)) >= 0) {
        if (!take_size_option(option, &mode))
            return EXIT_USAGE;
    }
    result = cli_count(cli, argc, cli->shell ? 0 : 1, 1);
    if (result == 0)
        result = place_volume(cli, argv[optind], WANT_CHANGE, &place);
    if (result != 0)
        return result;
    ret = volume_reclaim(&place, &freed);
    if (ret < 0)
        result = cli_fail(cli, place.shown, ret);
    else
        print_freed(cli, freed, mode);
    place_free(&place);
    return result;
}
