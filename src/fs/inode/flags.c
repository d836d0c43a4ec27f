// SPDX-License-Identifier: GPL-2.0-or-later
/* Between what the format stores and what programs see: flags, device numbers, times. */
#include "fs/inode/internal.h"

#include <linux/fs.h>

static const struct {
    uint32_t disk;
    uint32_t fs;
} flag_table[] = {
    {INODE_SYNC, FS_SYNC_FL},         {INODE_IMMUTABLE, FS_IMMUTABLE_FL},
    {INODE_APPEND, FS_APPEND_FL},     {INODE_NODUMP, FS_NODUMP_FL},
    {INODE_NOATIME, FS_NOATIME_FL},   {INODE_DIRSYNC, FS_DIRSYNC_FL},
    {INODE_NODATACOW, FS_NOCOW_FL},   {INODE_COMPRESS, FS_COMPR_FL},
    {INODE_NOCOMPRESS, FS_NOCOMP_FL},
};

uint32_t inode_flags_to_fs(uint64_t flags)
{
    uint32_t out = 0;

    for (size_t i = 0; i < ARRAY_LEN(flag_table); i++)
        if (flags & flag_table[i].disk)
            out |= flag_table[i].fs;
    if (flags & INODE_RO_VERITY)
        out |= FS_VERITY_FL;
    return out;
}

uint64_t inode_flags_from_fs(uint32_t fs_flags, uint64_t old_flags)
{
    uint64_t out = old_flags;

    for (size_t i = 0; i < ARRAY_LEN(flag_table); i++) {
        out &= ~(uint64_t)flag_table[i].disk;
        if (fs_flags & flag_table[i].fs)
            out |= flag_table[i].disk;
    }
    return out;
}

struct timestamp timestamp_now(struct fs *fs)
{
    struct timespec now = env_now(fs->env);

    return (struct timestamp){.sec = (uint64_t)now.tv_sec, .nsec = (uint32_t)now.tv_nsec};
}
