// SPDX-License-Identifier: GPL-2.0-or-later
/* Rescue: reading what nothing else opens. */
#include "api/internal.h"

#include "ops/rescue/rescue.h"

static const struct {
    const char *name;
    unsigned what;
} names[] = {
    {"usebackuproot", COPSE_RESCUE_BACKUP_ROOT},
    {"nologreplay", COPSE_RESCUE_NO_LOG},
    {"ignorebadroots", COPSE_RESCUE_BAD_ROOTS},
    {"ibadroots", COPSE_RESCUE_BAD_ROOTS},
    {"ignoredatacsums", COPSE_RESCUE_NO_CHECKSUMS},
    {"idatacsums", COPSE_RESCUE_NO_CHECKSUMS},
    {"all", COPSE_RESCUE_NO_LOG | COPSE_RESCUE_BAD_ROOTS | COPSE_RESCUE_NO_CHECKSUMS},
};

static int parse(const char *text, unsigned *out)
{
    unsigned all = 0;

    API_REQUIRE(text && out);
    for (const char *end; *text; text = *end ? end + 1 : end) {
        unsigned what = 0;

        end = strchrnul(text, ':');
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (strlen(names[i].name) == (size_t)(end - text) &&
                memcmp(names[i].name, text, (size_t)(end - text)) == 0)
                what = names[i].what;
        if (!what)
            return fail(-EINVAL, "rescue=%.*s: unknown", (int)(end - text), text);
        all |= what;
    }
    *out = all;
    return 0;
}

COPSE_EXPORT int copse_rescue_parse(const char *text, unsigned *rescue)
{
    return API_CALL(parse(text, rescue));
}

static struct rescue *rescue_of(copse_rescue *rescue)
{
    return (struct rescue *)rescue;
}

static int open_rescue(const char *const *devices, unsigned count,
                       const struct copse_rescue_options *given, struct rescue **out)
{
    struct copse_rescue_options options;
    struct dev *dev;

    API_REQUIRE(devices && out);
    TRY(api_take_options(&options, sizeof(options), given));
    API_REQUIRE(options.super_copy <= 2);
    if (count != 1)
        return fail(-EOPNOTSUPP, "%u devices given, only one is supported", count);
    TRY(api_open_devices(devices, count, true, &dev));
    return rescue_open(env_real(), dev, &options, out);
}

COPSE_EXPORT int copse_rescue_open(const char *const *devices, unsigned count,
                                   const struct copse_rescue_options *options, copse_rescue **out)
{
    struct rescue *rescue = NULL;
    int ret = API_CALL(open_rescue(devices, count, options, &rescue));

    if (ret == 0)
        *out = (copse_rescue *)rescue;
    return ret;
}

COPSE_EXPORT void copse_rescue_close(copse_rescue *rescue)
{
    rescue_close(rescue_of(rescue));
}

COPSE_EXPORT int
copse_rescue_subvols(copse_rescue *rescue,
                     int (*fn)(void *arg, const struct copse_rescue_subvol *subvol), void *arg)
{
    return API_CALL(rescue_subvols(rescue_of(rescue), fn, arg));
}

COPSE_EXPORT int copse_rescue_survey(copse_rescue *rescue, uint64_t subvol,
                                     struct copse_rescue_survey *out)
{
    return API_CALL(rescue_survey(rescue_of(rescue), subvol, out));
}

COPSE_EXPORT int copse_rescue_stat(copse_rescue *rescue, uint64_t subvol, uint64_t ino,
                                   struct copse_stat *out, bool *whole)
{
    return API_CALL(rescue_stat(rescue_of(rescue), subvol, ino, out, whole));
}

COPSE_EXPORT int copse_rescue_list(copse_rescue *rescue, uint64_t subvol, uint64_t ino,
                                   int (*fn)(void *arg, const struct copse_rescue_name *name),
                                   void *arg)
{
    return API_CALL(rescue_list(rescue_of(rescue), subvol, ino, fn, arg));
}

COPSE_EXPORT int copse_rescue_parent(copse_rescue *rescue, uint64_t subvol, uint64_t ino,
                                     uint64_t *parent)
{
    return API_CALL(rescue_parent(rescue_of(rescue), subvol, ino, parent));
}

COPSE_EXPORT int copse_rescue_next_inode(copse_rescue *rescue, uint64_t subvol, uint64_t from,
                                         uint64_t *ino)
{
    return API_CALL(rescue_next_inode(rescue_of(rescue), subvol, from, ino));
}

COPSE_EXPORT int copse_rescue_xattrs(copse_rescue *rescue, uint64_t subvol, uint64_t ino,
                                     int (*fn)(void *arg, const char *name, size_t name_len,
                                               const void *value, size_t len),
                                     void *arg)
{
    return API_CALL(rescue_xattrs(rescue_of(rescue), subvol, ino, fn, arg));
}

COPSE_EXPORT int copse_rescue_read(copse_rescue *rescue, uint64_t subvol, uint64_t ino,
                                   int (*fn)(void *arg, const struct copse_rescue_piece *piece),
                                   void *arg, uint64_t *lost)
{
    return API_CALL(rescue_read(rescue_of(rescue), subvol, ino, fn, arg, lost));
}

COPSE_EXPORT int copse_rescue_find_roots(copse_rescue *rescue,
                                         int (*fn)(void *arg, const struct copse_rescue_root *root),
                                         void *arg)
{
    return API_CALL(rescue_find_roots(rescue_of(rescue), fn, arg));
}
