// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of features and profiles, as mkfs.btrfs takes them. */
#include <string.h>
#include <strings.h>

#include "ops/mkfs/mkfs.h"

const struct mkfs_feature mkfs_features[] = {
    {"mixed-bg", NULL, MKFS_MIXED_BG, "data and metadata in the same block groups"},
    {"extref", NULL, MKFS_EXTREF, "up to 65535 hard links of a file in one directory"},
    {"skinny-metadata", NULL, MKFS_SKINNY_METADATA, "smaller extent items of tree blocks"},
    {"no-holes", NULL, MKFS_NO_HOLES, "holes in files need no items"},
    {"free-space-tree", "fst", MKFS_FREE_SPACE_TREE, "free space in a tree of its own"},
    {"block-group-tree", "bgt", MKFS_BLOCK_GROUP_TREE,
     "block groups in a tree of their own: large file systems mount faster"},
    {"quota", NULL, MKFS_QUOTA, "counts what each subvolume takes"},
    {"squota", NULL, MKFS_SIMPLE_QUOTA, "the same by who wrote it first, which costs less"},
    {"raid56", NULL, 0, "not supported"},
    {"raid1c34", NULL, 0, "not supported"},
    {"zoned", NULL, 0, "not supported"},
    {"extent-tree-v2", NULL, 0, "not supported"},
    {"raid-stripe-tree", "rst", 0, "not supported"},
    {NULL, NULL, 0, NULL},
};

static bool same_name(const char *name, const char *given, size_t len)
{
    return name && strlen(name) == len && memcmp(name, given, len) == 0;
}

static int take_feature(const char *given, size_t len, struct mkfs_options *options)
{
    bool off = len > 0 && given[0] == '^';
    const struct mkfs_feature *feature = mkfs_features;

    given += off;
    len -= off;
    while (feature->name && !same_name(feature->name, given, len) &&
           !same_name(feature->alias, given, len))
        feature++;
    if (!feature->name)
        return fail(-EINVAL, "unrecognized filesystem feature '%.*s'", (int)len, given);
    if (!feature->bit && !off)
        return fail(-EOPNOTSUPP, "filesystem feature '%s' is not supported", feature->name);
    options->features_on &= ~feature->bit;
    options->features_off &= ~feature->bit;
    *(off ? &options->features_off : &options->features_on) |= feature->bit;
    return 0;
}

int mkfs_features_parse(const char *list, struct mkfs_options *options)
{
    struct mkfs_options changed = *options;

    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ",");

        TRY(take_feature(at, len, &changed));
        at += len + (at[len] == ',');
    }
    *options = changed;
    return 0;
}

int mkfs_profile_parse(const char *name, enum mkfs_profile *out)
{
    if (strcasecmp(name, "single") == 0)
        *out = MKFS_PROFILE_SINGLE;
    else if (strcasecmp(name, "dup") == 0)
        *out = MKFS_PROFILE_DUP;
    else if (strncasecmp(name, "raid", 4) == 0)
        return fail(-EOPNOTSUPP, "profile %s needs several devices, only one is supported", name);
    else
        return fail(-EINVAL, "unknown profile %s", name);
    return 0;
}
