// SPDX-License-Identifier: GPL-2.0-or-later
/* Metadata dumps. */
#include "api/internal.h"

#include "ops/image/image.h"

static int dump(const char *const *devices, unsigned count, const struct copse_image_options *given,
                const struct copse_stream_sink *sink)
{
    struct copse_image_options options;
    struct dev *dev;

    API_REQUIRE(devices && sink);
    TRY(api_take_options(&options, sizeof(options), given));
    API_REQUIRE(options.compress <= 9 && options.sanitize <= 2);
    if (count != 1)
        return fail(-EOPNOTSUPP, "%u devices given, only one is supported", count);
    TRY(api_open_devices(devices, count, true, &dev));
    return image_dump(env_real(), dev, &options, sink);
}

COPSE_EXPORT int copse_image_dump(const char *const *devices, unsigned count,
                                  const struct copse_image_options *options,
                                  const struct copse_stream_sink *sink)
{
    return API_CALL(dump(devices, count, options, sink));
}

static int restore(const char *from, const char *device, bool force)
{
    struct dev *file;
    int ret;

    API_REQUIRE(from && device);
    TRY(api_open_devices(&from, 1, true, &file));
    ret = image_restore(env_real(), file, device, force);
    dev_close(file);
    return ret;
}

COPSE_EXPORT int copse_image_restore(const char *from, const char *device, bool force)
{
    return API_CALL(restore(from, device, force));
}
