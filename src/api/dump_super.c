// SPDX-License-Identifier: GPL-2.0-or-later
/* Superblocks as they lie on a device. */
#include "api/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/param.h>

static void say(const struct text_sink *sink, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(const struct text_sink *sink, const char *fmt, ...)
{
    char line[FAIL_MESSAGE_MAX];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (len > 0)
        sink->put(sink->arg, line, MIN((size_t)len, sizeof(line) - 1));
}

static int dump_copy(struct dev *dev, unsigned copy, bool full, bool force,
                     const struct text_sink *sink)
{
    uint8_t bytes[SUPER_SIZE];
    struct super super;

    if (super_offset(copy) + SUPER_SIZE > dev->size)
        return fail(-ENXIO, "%s: too small for superblock copy %u", dev_label(dev), copy);
    TRY(dev_read(dev, super_offset(copy), bytes, sizeof(bytes)));
    super_decode(&super, bytes);
    if (super.magic != SUPER_MAGIC && !force)
        return fail(-EINVAL, "%s: no superblock at %llu", dev_label(dev),
                    (unsigned long long)super_offset(copy));
    say(sink, "superblock: bytenr=%llu, device=%s\n", (unsigned long long)super_offset(copy),
        dev_label(dev));
    say(sink, "---------------------------------------------------------\n");
    print_super(&super, full, sink);
    say(sink, "\n");
    return 0;
}

/* All that fit. Copies that are none are left out, unless there is not even one. */
static int dump_all(struct dev *dev, bool full, bool force, const struct text_sink *sink)
{
    unsigned found = 0;
    int ret = 0;

    for (unsigned i = 0; i < SUPER_COPIES; i++) {
        if (super_offset(i) + SUPER_SIZE > dev->size)
            break;
        int one = dump_copy(dev, i, full, force, sink);
        found += one == 0;
        ret = one < 0 ? one : ret;
        if (one < 0 && one != -EINVAL)
            return one;
    }
    return found ? 0 : ret;
}

static int dump(const char *device, int copy, bool full, bool force,
                const struct copse_text_sink *given)
{
    const struct text_sink sink = {given->put, given->arg};
    struct dev *dev;
    int ret;

    API_REQUIRE(device && copy >= -1 && copy < SUPER_COPIES);
    TRY(dev_file_open(device, true, &dev));
    ret = copy < 0 ? dump_all(dev, full, force, &sink)
                   : dump_copy(dev, (unsigned)copy, full, force, &sink);
    dev_close(dev);
    return ret;
}

COPSE_EXPORT int copse_dump_super(const char *device, int copy, bool full, bool force,
                                  const struct copse_text_sink *sink)
{
    return API_CALL(dump(device, copy, full, force, sink));
}
