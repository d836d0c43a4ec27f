// SPDX-License-Identifier: GPL-2.0-or-later
/* What several calls need on their way in: options structs of any age, and devices. */
#include "api/internal.h"

int api_take_options(void *out, size_t out_size, const void *given)
{
    size_t size;

    memset(out, 0, out_size);
    if (!given)
        return 0;
    memcpy(&size, given, sizeof(size));
    if (size < sizeof(size))
        return fail(-EINVAL, "options were not initialised with their _INIT macro");
    memcpy(out, given, size < out_size ? size : out_size);
    return 0;
}

COPSE_EXPORT int copse_compression_check(const char *compress)
{
    uint8_t type;
    int level;

    return API_CALL(mount_parse_compression(compress, &type, &level));
}

int api_open_devices(const char *const *paths, unsigned count, bool readonly, struct dev **out)
{
    for (unsigned i = 0; i < count; i++) {
        int ret = dev_file_open(paths[i], readonly, &out[i]);
        if (ret < 0) {
            while (i > 0)
                dev_close(out[--i]);
            return ret;
        }
    }
    return 0;
}
