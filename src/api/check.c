// SPDX-License-Identifier: GPL-2.0-or-later
/* Checking. */
#include "api/internal.h"

#include "ops/check/check.h"

static int check(const char *const *devices, unsigned count,
                 const struct copse_check_options *given, struct copse_check_result *out)
{
    struct copse_check_options options;
    struct dev *dev;

    API_REQUIRE(devices && out);
    TRY(api_take_options(&options, sizeof(options), given));
    if (count != 1)
        return fail(-EOPNOTSUPP, "%u devices given, only one is supported", count);
    TRY(api_open_devices(devices, count, true, &dev));
    return check_run(env_real(), dev, &options, out);
}

COPSE_EXPORT int copse_check(const char *const *devices, unsigned count,
                             const struct copse_check_options *options,
                             struct copse_check_result *out)
{
    return API_CALL(check(devices, count, options, out));
}
