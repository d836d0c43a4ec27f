// SPDX-License-Identifier: GPL-2.0-or-later
/* Mount options: what they are called and what they set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define COMMIT_SECONDS_DEFAULT 30 /* as Linux */
#define CACHE_BYTES_MIN (4u << 20)

void copse_fuse_options_init(struct copse_fuse_options *options)
{
    *options = (struct copse_fuse_options){.commit_seconds = COMMIT_SECONDS_DEFAULT};
}

void copse_fuse_options_free(struct copse_fuse_options *options)
{
    free(options->subvol);
    free(options->fsname);
    free(options->compress);
    options->subvol = options->fsname = options->compress = NULL;
}

/* ---- flags ----------------------------------------------------------------------------------- */

#define FLAG(name, member, value)                                                                  \
    {                                                                                              \
        name, offsetof(struct copse_fuse_options, member), value                                   \
    }

/* Several rows may have one name. */
static const struct {
    const char *name;
    size_t offset;
    bool value;
} flags[] = {
    FLAG("ro", readonly, true),
    FLAG("rw", readonly, false),
    FLAG("allow_other", allow_other, true),
    FLAG("allow_root", allow_root, true),
    FLAG("default_permissions", default_permissions, true),
    FLAG("fakeroot", fakeroot, true),
    FLAG("user_subvol_rm_allowed", user_subvol_rm_allowed, true),
    FLAG("noatime", noatime, true),
    FLAG("noatime", strictatime, false),
    FLAG("relatime", noatime, false),
    FLAG("relatime", strictatime, false),
    FLAG("atime", noatime, false),
    FLAG("strictatime", strictatime, true),
    FLAG("strictatime", noatime, false),
    FLAG("nostrictatime", strictatime, false),
    FLAG("nodatacow", nodatacow, true),
    FLAG("datacow", nodatacow, false),
    FLAG("treelog", notreelog, false),
    FLAG("notreelog", notreelog, true),
    FLAG("discard", discard, true),
    FLAG("nodiscard", discard, false),
    FLAG("suid", suid, true),
    FLAG("suid", nosuid, false),
    FLAG("nosuid", nosuid, true),
    FLAG("nosuid", suid, false),
    FLAG("dev", dev, true),
    FLAG("dev", nodev, false),
    FLAG("nodev", nodev, true),
    FLAG("nodev", dev, false),
    FLAG("exec", noexec, false),
    FLAG("noexec", noexec, true),
    FLAG("async", sync, false),
    FLAG("sync", sync, true),
    FLAG("dirsync", dirsync, true),
};

/* Meant for mount(8) and fstab, or the only thing we do anyway. */
static const char *const without_effect[] = {
    "defaults", "auto",  "noauto", "user",       "nouser",     "users",
    "owner",    "group", "nofail", "_netdev",    "diratime",   "mand",
    "nomand",   "loud",  "silent", "norelatime", "noiversion", "nolazytime",
};

static bool set_flag(struct copse_fuse_options *options, const char *name)
{
    bool found = false;

    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        if (strcmp(flags[i].name, name) == 0) {
            *(bool *)((char *)options + flags[i].offset) = flags[i].value;
            found = true;
        }
    }
    for (size_t i = 0; !found && i < sizeof(without_effect) / sizeof(*without_effect); i++)
        found = strcmp(without_effect[i], name) == 0;
    return found || strncasecmp(name, "x-", 2) == 0 || strncmp(name, "comment=", 8) == 0;
}

/* ---- values ---------------------------------------------------------------------------------- */

static int parse_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (errno != 0 || *end != '\0' || value > max)
        return -EINVAL;
    *out = value;
    return 0;
}

/* A number with k, m, g or t in either case, powers of 1024. */
static int parse_size(const char *text, uint64_t *out)
{
    static const char units[] = "kmgt";
    char digits[32];
    size_t len = strlen(text);
    unsigned shift = 0;
    uint64_t value;

    if (len == 0 || len >= sizeof(digits))
        return -EINVAL;
    memcpy(digits, text, len + 1);
    const char *unit = strchr(units, digits[len - 1] | 0x20);
    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        digits[len - 1] = '\0';
    }
    if (parse_number(digits, UINT64_MAX >> shift, &value) < 0)
        return -EINVAL;
    *out = value << shift;
    return 0;
}

static int set_string(char **member, const char *value)
{
    char *copy = strdup(value);

    if (!copy)
        return -ENOMEM;
    free(*member);
    *member = copy;
    return 0;
}

static int set_subvol(struct copse_fuse_options *options, const char *value)
{
    return set_string(&options->subvol, value);
}

static int set_fsname(struct copse_fuse_options *options, const char *value)
{
    return *value ? set_string(&options->fsname, value) : -EINVAL;
}

static int set_subtype(struct copse_fuse_options *options, const char *value)
{
    (void)options;
    return strcmp(value, "copse") == 0 ? 0 : -EINVAL;
}

static int set_subvolid(struct copse_fuse_options *options, const char *value)
{
    /* As Linux reads it: 0 is the top level. */
    if (parse_number(value, UINT64_MAX, &options->subvolid) < 0)
        return -EINVAL;
    if (options->subvolid == 0)
        options->subvolid = 5;
    return 0;
}

static int set_commit(struct copse_fuse_options *options, const char *value)
{
    uint64_t seconds;

    if (parse_number(value, 86400, &seconds) < 0 || seconds == 0)
        return -EINVAL;
    options->commit_seconds = (unsigned)seconds;
    return 0;
}

static int set_cache(struct copse_fuse_options *options, const char *value)
{
    uint64_t bytes;

    if (parse_size(value, &bytes) < 0 || bytes < CACHE_BYTES_MIN)
        return -EINVAL;
    options->cache_bytes = bytes;
    return 0;
}

/* As in Linux the last of nodatacow and these wins. */
static int set_compression(struct copse_fuse_options *options, const char *value, bool force)
{
    bool none = strcmp(value, "no") == 0 || strcmp(value, "none") == 0;

    if (!none && copse_compression_check(value) < 0)
        return -EINVAL;
    free(options->compress);
    options->compress = NULL;
    options->compress_force = force && !none;
    if (none)
        return 0;
    options->nodatacow = false;
    return set_string(&options->compress, value);
}

static int set_rescue(struct copse_fuse_options *options, const char *value)
{
    unsigned more;

    if (*value == '\0' || copse_rescue_parse(value, &more) < 0)
        return -EINVAL;
    options->rescue |= more;
    return 0;
}

static int set_compress(struct copse_fuse_options *options, const char *value)
{
    return set_compression(options, value, false);
}

static int set_compress_force(struct copse_fuse_options *options, const char *value)
{
    return set_compression(options, value, true);
}

static int set_id(const char *value, bool *given, uint32_t *out)
{
    uint64_t id;

    if (parse_number(value, UINT32_MAX - 1, &id) < 0)
        return -EINVAL;
    *given = true;
    *out = (uint32_t)id;
    return 0;
}

static int set_uid(struct copse_fuse_options *options, const char *value)
{
    return set_id(value, &options->uid_given, &options->uid);
}

static int set_gid(struct copse_fuse_options *options, const char *value)
{
    return set_id(value, &options->gid_given, &options->gid);
}

static const struct {
    const char *name;
    int (*set)(struct copse_fuse_options *options, const char *value);
} values[] = {
    {"subvol", set_subvol},     {"subvolid", set_subvolid},
    {"commit", set_commit},     {"cache", set_cache},
    {"uid", set_uid},           {"gid", set_gid},
    {"fsname", set_fsname},     {"subtype", set_subtype},
    {"compress", set_compress}, {"compress-force", set_compress_force},
    {"rescue", set_rescue},
};

static int refuse(struct copse_fuse_options *options, const char *option, const char *why)
{
    snprintf(options->message, sizeof(options->message), "-o %s: %s", option, why);
    return -EINVAL;
}

static int set_value(struct copse_fuse_options *options, char *option, char *equals)
{
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        if (strlen(values[i].name) != (size_t)(equals - option) ||
            strncmp(values[i].name, option, (size_t)(equals - option)) != 0)
            continue;
        int ret = values[i].set(options, equals + 1);
        if (ret == -EINVAL)
            return refuse(options, option, "not a value that this option can have");
        return ret < 0 ? refuse(options, option, strerror(-ret)) : 0;
    }
    return refuse(options, option, "no such mount option");
}

static int set_option(struct copse_fuse_options *options, char *option)
{
    char *equals = strchr(option, '=');

    /* These have a value of their own when none is given. */
    if (strcmp(option, "compress") == 0 || strcmp(option, "compress-force") == 0)
        return set_compression(options, "zlib", option[8] == '-');
    if (strcmp(option, "nodatacow") == 0)
        set_compression(options, "no", false);
    if (*option == '\0' || set_flag(options, option))
        return 0;
    if (strcmp(option, "remount") == 0)
        return refuse(options, option, "a mount through FUSE cannot be remounted");
    for (size_t i = 0; !equals && i < sizeof(values) / sizeof(*values); i++) {
        if (strcmp(values[i].name, option) == 0)
            return refuse(options, option, "needs a value");
    }
    return equals ? set_value(options, option, equals)
                  : refuse(options, option, "no such mount option");
}

/* Splits at commas; a backslash takes the next byte as it is. */
int copse_fuse_parse_options(const char *text, struct copse_fuse_options *options)
{
    char *option = malloc(strlen(text) + 1), *to = option;
    int ret = 0;

    if (!option) {
        snprintf(options->message, sizeof(options->message), "-o: %s", strerror(ENOMEM));
        return -ENOMEM;
    }
    for (const char *at = text; ret == 0; at++) {
        if (*at == ',' || *at == '\0') {
            *to = '\0';
            ret = set_option(options, option);
            to = option;
            if (*at == '\0')
                break;
        } else {
            if (*at == '\\' && at[1] != '\0')
                at++;
            *to++ = *at;
        }
    }
    free(option);
    return ret;
}
