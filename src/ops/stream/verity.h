// SPDX-License-Identifier: GPL-2.0-or-later
/* struct fsverity_descriptor of the kernel, as it stands in VERITY_DESC_ITEM from offset 1 on. */
#ifndef COPSE_OPS_STREAM_VERITY_H
#define COPSE_OPS_STREAM_VERITY_H

enum {
    VERITY_VERSION = 0,
    VERITY_ALGORITHM = 1,
    VERITY_LOG_BLOCK_SIZE = 2,
    VERITY_SALT_SIZE = 3,
    VERITY_SIGNATURE_SIZE = 4,
    VERITY_DATA_SIZE = 8,
    VERITY_ROOT_HASH = 16,
    VERITY_SALT = 80,
    VERITY_SALT_MAX = 32,
    VERITY_SIGNATURE = 256,
};

#endif
