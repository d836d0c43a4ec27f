// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading and writing logical ranges: cut at chunks and stripes, done mirror by mirror. */
#include "disk/vol/vol_internal.h"

/* The run that begins at addr, for at most len bytes. */
static int map_run(struct vol *vol, uint64_t addr, uint64_t len, struct geometry *out)
{
    struct chunk_map chunk;

    TRY(vol_find_chunk(vol, addr, &chunk));
    geometry_map(&chunk, addr, len, out);
    return 0;
}

static struct dev *run_dev(const struct vol *vol, const struct geometry *run, unsigned mirror)
{
    const struct vol_device *device = vol_device_by_id(vol, run->at[mirror].devid);

    INVARIANT(device, "a chunk in the map lies on devices that are there");
    return device->dev;
}

static int check_mirror(const struct geometry *run, uint64_t addr, unsigned mirror)
{
    if (mirror < run->mirrors)
        return 0;
    return fail(-EINVAL, "address %llu has no mirror %u", LLU(addr), mirror);
}

int vol_read(struct vol *vol, laddr addr, void *buf, uint64_t len, unsigned mirror)
{
    for (uint64_t done = 0; done < len;) {
        struct geometry run;

        TRY(map_run(vol, addr.v + done, len - done, &run));
        TRY(check_mirror(&run, addr.v + done, mirror));
        TRY(dev_read(run_dev(vol, &run, mirror), run.at[mirror].physical, (char *)buf + done,
                     run.len));
        done += run.len;
    }
    return 0;
}

/* Not before it is: a flush that begins meanwhile may miss it. */
static void written(struct vol *vol)
{
    atomic_store(&vol->unflushed, true);
}

int vol_write_mirror(struct vol *vol, laddr addr, const void *buf, uint64_t len, unsigned mirror)
{
    for (uint64_t done = 0; done < len;) {
        struct geometry run;

        TRY(map_run(vol, addr.v + done, len - done, &run));
        TRY(check_mirror(&run, addr.v + done, mirror));
        TRY(dev_write(run_dev(vol, &run, mirror), run.at[mirror].physical, (const char *)buf + done,
                      run.len));
        done += run.len;
    }
    written(vol);
    return 0;
}

int vol_write(struct vol *vol, laddr addr, const void *buf, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        struct geometry run;

        TRY(map_run(vol, addr.v + done, len - done, &run));
        for (unsigned mirror = 0; mirror < run.mirrors; mirror++)
            TRY(dev_write(run_dev(vol, &run, mirror), run.at[mirror].physical,
                          (const char *)buf + done, run.len));
        done += run.len;
    }
    written(vol);
    return 0;
}

int vol_discard(struct vol *vol, laddr addr, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        struct geometry run;

        TRY(map_run(vol, addr.v + done, len - done, &run));
        for (unsigned mirror = 0; mirror < run.mirrors; mirror++)
            TRY(dev_discard(run_dev(vol, &run, mirror), run.at[mirror].physical, run.len));
        done += run.len;
    }
    return 0;
}

static int flush_devices(struct vol *vol)
{
    for (unsigned i = 0; i < vol->device_count; i++)
        TRY(dev_flush(vol->devices[i].dev));
    return 0;
}

int vol_flush(struct vol *vol)
{
    atomic_store(&vol->unflushed, false);
    int ret = flush_devices(vol);
    if (ret < 0)
        atomic_store(&vol->unflushed, true);
    return ret;
}

bool vol_is_flushed(const struct vol *vol)
{
    return !atomic_load(&vol->unflushed);
}
