// SPDX-License-Identifier: GPL-2.0-or-later
#include "receive_out.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "commands.h"

/* What an image needs at least, and how much larger than the free space it may be: it is sparse,
 * and what is shared or compressed in it takes less room than it seems to. */
#define SCRATCH_MIN (1ULL << 30)
#define SCRATCH_FACTOR 4

static uint64_t scratch_size(const char *dir)
{
    struct statvfs st;
    uint64_t size = SCRATCH_MIN;

    if (statvfs(dir, &st) == 0 && st.f_bavail * (uint64_t)st.f_frsize * SCRATCH_FACTOR > size)
        size = st.f_bavail * (uint64_t)st.f_frsize * SCRATCH_FACTOR;
    return size & ~((1ULL << 20) - 1);
}

/* An empty file under an absolute name. */
static char *make_file(struct cli *cli, const char *beside)
{
    char *dir = realpath(beside, NULL), *path;
    int fd;

    cli_failed_in_library(false);
    if (!dir) {
        cli_fail(cli, beside, -errno);
        return NULL;
    }
    path = format_text("%s/.copse-receive-XXXXXX", dir);
    free(dir);
    fd = mkstemp(path);
    if (fd < 0) {
        cli_fail(cli, path, -errno);
        free(path);
        return NULL;
    }
    close(fd);
    return path;
}

int scratch_open(struct cli *cli, const char *beside, struct scratch *out)
{
    struct copse_mkfs_options options = COPSE_MKFS_OPTIONS_INIT;
    char *path = make_file(cli, beside);
    int ret, result;

    if (!path)
        return EXIT_FAILED;
    options.byte_count = scratch_size(beside);
    options.meta_profile = "single";
    ret = copse_mkfs(path, &options);
    cli_failed_in_library(true);
    result = ret < 0 ? cli_fail(cli, path, ret) : 0;
    if (result == 0) {
        struct target target = {.devices = &path, .count = 1};
        result = session_open(cli, &target, WANT_CHANGE, &out->session);
    }
    /* Whoever ends us now leaves nothing behind. */
    unlink(path);
    if (result != 0)
        free(path);
    else
        out->path = path;
    return result;
}

void scratch_free(struct scratch *scratch)
{
    free(scratch->path);
}

/* IMAGE:/NAME, as the command line would have it. */
static char *place_in(const struct scratch *scratch, const char *name)
{
    char *escaped = need_memory(malloc(2 * strlen(scratch->path) + 1)), *to = escaped, *whole;

    for (const char *from = scratch->path; *from; from++) {
        if (strchr(",:\\", *from))
            *to++ = '\\';
        *to++ = *from;
    }
    *to = '\0';
    whole = format_text("%s:/%s", escaped, name);
    free(escaped);
    return whole;
}

int restore_to_dir(struct cli *cli, struct scratch *scratch, const char *name, const char *dir)
{
    char *from = place_in(scratch, name);
    char cp[] = "cp", how[] = "-aq", end[] = "--", *to = need_string(strdup(dir));
    char *argv[] = {cp, how, end, from, to, NULL};
    int result = cmd_cp(cli, 5, argv);

    free(from);
    free(to);
    return result;
}
