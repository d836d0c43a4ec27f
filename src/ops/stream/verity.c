// SPDX-License-Identifier: GPL-2.0-or-later
/* fs-verity: the descriptor of an inode says how a receiver seals the file. */
#include "base/cleanup.h"
#include "ops/stream/send.h"
#include "ops/stream/verity.h"

/* The descriptor, to be freed. 1: there is none. */
static int read_descriptor(struct send *send, uint64_t ino, uint8_t **out, uint32_t *size)
{
    struct key key = key_make(ino, KEY_VERITY_DESC_ITEM, 1);
    AUTO_PATH struct path path = PATH_INIT;

    int ret = tree_search(&send->new_side.tree->root, &key, &path);
    if (ret != 0)
        return ret;
    uint8_t *copy = malloc(path_size(&path) + 1U);
    if (!copy)
        return fail(-ENOMEM, "no memory for a verity descriptor");
    memcpy(copy, path_data(&path), path_size(&path));
    *size = path_size(&path);
    *out = copy;
    return 0;
}

int send_verity(struct send *send, uint64_t ino, const char *path)
{
    AUTO_FREE uint8_t *d = NULL;
    struct encoder *out = &send->out;
    uint32_t size = 0;
    le32 signature;

    send_lock(send);
    int ret = read_descriptor(send, ino, &d, &size);
    send_unlock(send);
    if (ret != 0)
        return ret < 0 ? ret : 0;
    if (size < VERITY_SIGNATURE || d[VERITY_SALT_SIZE] > VERITY_SALT_MAX ||
        d[VERITY_LOG_BLOCK_SIZE] > 16)
        return fail(-EUCLEAN, "inode %llu: a damaged verity descriptor", (unsigned long long)ino);
    memcpy(&signature, d + VERITY_SIGNATURE_SIZE, sizeof(signature));
    if (le32_get(signature) > size - VERITY_SIGNATURE || le32_get(signature) > STREAM_XATTR_MAX - 1)
        return fail(-EUCLEAN, "inode %llu: a damaged verity descriptor", (unsigned long long)ino);
    send_begin(send, CMD_ENABLE_VERITY, path);
    encode_number(out, ATTR_VERITY_ALGORITHM, d[VERITY_ALGORITHM]);
    encode_number(out, ATTR_VERITY_BLOCK_SIZE, 1U << d[VERITY_LOG_BLOCK_SIZE]);
    encode_bytes(out, ATTR_VERITY_SALT_DATA, d + VERITY_SALT, d[VERITY_SALT_SIZE]);
    encode_bytes(out, ATTR_VERITY_SIG_DATA, d + VERITY_SIGNATURE, le32_get(signature));
    return send_end(send);
}
