// SPDX-License-Identifier: GPL-2.0-or-later
/* Which files are wanted: globs against names or paths, or a regular expression as btrfs takes it.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "restore.h"

void filter_add(char ***list, size_t *count, char *glob)
{
    *list = need_memory(realloc(*list, (*count + 1) * sizeof(**list)));
    (*list)[(*count)++] = glob;
}

/* A glob with a slash in it is about the whole path, any other about the last name. */
static bool matches(const char *glob, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (strchr(glob, '/'))
        return fnmatch(*glob == '/' ? glob + 1 : glob, path, 0) == 0;
    return fnmatch(glob, slash ? slash + 1 : path, 0) == 0;
}

static bool any_matches(char *const *list, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (matches(list[i], path))
            return true;
    return false;
}

/* A regular expression has to take every directory on the way too. */
static bool regex_wants(const struct filter *filter, const char *path)
{
    char *whole = format_text("/%s", path);
    bool takes = regexec(&filter->regex, whole, 0, NULL, 0) == 0;

    free(whole);
    return takes;
}

bool filter_wants(const struct filter *filter, const char *path, bool is_dir)
{
    if (any_matches(filter->exclude, filter->exclude_count, path))
        return false;
    if (filter->has_regex && !regex_wants(filter, path))
        return false;
    return is_dir || filter->include_count == 0 ||
           any_matches(filter->include, filter->include_count, path);
}

bool filter_is_picky(const struct filter *filter)
{
    return filter->include_count > 0;
}

void filter_free(struct filter *filter)
{
    free(filter->include);
    free(filter->exclude);
    if (filter->has_regex)
        regfree(&filter->regex);
}
