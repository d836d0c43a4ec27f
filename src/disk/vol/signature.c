// SPDX-License-Identifier: GPL-2.0-or-later
/* Where others keep their magic bytes: from their format descriptions. */
#include "disk/vol/signature.h"

#include <string.h>

#include "base/bits.h"

#define MAGIC_MAX 16

#define SIGNATURE(what, where, bytes)                                                              \
    {                                                                                              \
        .name = (what), .offset = (where), .len = sizeof(bytes) - 1, .magic = (bytes)              \
    }

static const struct signature signatures[] = {
    SIGNATURE("ext2, ext3 or ext4", 1080, "\x53\xef"),
    SIGNATURE("xfs", 0, "XFSB"),
    SIGNATURE("f2fs", 1024, "\x10\x20\xf5\xf2"),
    SIGNATURE("bcachefs", 4120, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
    SIGNATURE("bcache", 4120, "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"),
    SIGNATURE("ntfs", 3, "NTFS    "),
    SIGNATURE("exfat", 3, "EXFAT   "),
    SIGNATURE("vfat", 82, "FAT32   "),
    SIGNATURE("vfat", 54, "FAT16   "),
    SIGNATURE("vfat", 54, "FAT12   "),
    SIGNATURE("iso9660", 32769, "CD001"),
    SIGNATURE("udf", 32769, "BEA01"),
    SIGNATURE("squashfs", 0, "hsqs"),
    SIGNATURE("erofs", 1024, "\xe2\xe1\xf5\xe0"),
    SIGNATURE("reiserfs", 65588, "ReIsEr"),
    SIGNATURE("jfs", 32768, "JFS1"),
    SIGNATURE("crypto_LUKS", 0, "LUKS\xba\xbe"),
    SIGNATURE("LVM2_member", 536, "LVM2 001"),
    SIGNATURE("swap", 4086, "SWAPSPACE2"),
    SIGNATURE("linux_raid_member", 4096, "\xfc\x4e\x2b\xa9"),
    SIGNATURE("linux_raid_member", 0, "\xfc\x4e\x2b\xa9"),
    SIGNATURE("gpt partition table", 512, "EFI PART"),
    SIGNATURE("qcow2 image", 0, "QFI\xfb"),
};

int signature_find(struct dev *dev, unsigned *row, const struct signature **out)
{
    for (unsigned i = *row; i < ARRAY_LEN(signatures); i++) {
        const struct signature *s = &signatures[i];
        uint8_t found[MAGIC_MAX];

        if (s->offset + s->len > dev->size)
            continue;
        TRY(dev_read(dev, s->offset, found, s->len));
        if (memcmp(found, s->magic, s->len) == 0) {
            *row = i + 1;
            *out = s;
            return 0;
        }
    }
    *row = ARRAY_LEN(signatures);
    *out = NULL;
    return 0;
}
