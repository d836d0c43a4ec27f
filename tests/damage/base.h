// SPDX-License-Identifier: GPL-2.0-or-later
/* Sound file systems to be damaged: made here, or by Linux (the golden images). */
#ifndef COPSE_TESTS_DAMAGE_BASE_H
#define COPSE_TESTS_DAMAGE_BASE_H

#include "fs/mount/mount.h"
#include "image.h"

enum base_kind {
    BASE_DEFAULT, /* what mkfs makes today, 4 KiB nodes so that trees have levels */
    BASE_OLD,     /* hole items, full metadata items, no free-space tree, single metadata */
    BASE_MIXED,
    BASE_ORPHANS, /* as the default, left behind while files without names were open */
    BASE_KINDS,
    /* Only for damage of one kind, with its own rows: */
    BASE_SNAPSHOTS = BASE_KINDS, /* with a subvolume (/subvol) and a snapshot of all (/snap) */
    BASE_HALF_DELETED,           /* a golden image */
    BASE_ALL,
};

/*
 * A file system with a bit of everything in it:
 *   /plain     400,000 bytes of noise in more than one extent      /link   a second name of it
 *   /inline    100 bytes          /sparse   data at 0 and at 1 MiB, and a hole at the end
 *   /zlib /lzo /zstd   300,000 bytes of text, compressed           /zinline  compressed inline
 *   /prealloc  half written       /clone    shares with /plain     /nocow
 *   /xattrs    small and large    /symlink /fifo /device
 *   /dir/file000..  with a hundred inline files, /dir/sub/deep
 */
void base_make(enum base_kind kind, struct image *out);
/* A golden image by name ("everything"); false: it cannot be read. */
bool base_golden(const char *name, struct image *out);

/* Opens it; background work off, a small cache. */
int base_open(struct env *env, const struct image *image, bool readonly, struct mount **out);

#endif
