// SPDX-License-Identifier: GPL-2.0-or-later
/* Extended attributes. */
#include <stdlib.h>

#include "internal.h"

/* Attributes of copse_getxattr or copse_listxattr, answered as the kernel asked. */
static void reply_bytes(fuse_req_t req, int ret, const char *buf, size_t size, size_t len)
{
    if (ret < 0)
        reply_result(req, ret);
    else if (size == 0)
        fuse_reply_xattr(req, len);
    else if (len > size)
        fuse_reply_err(req, ERANGE);
    else
        fuse_reply_buf(req, buf, len);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    char *buf = size ? malloc(size) : NULL;
    size_t len = 0;

    int ret = size == 0 || buf
                  ? copse_getxattr(node_of(mounted_of(req), ino), name, buf, size, &len)
                  : -ENOMEM;
    reply_bytes(req, ret, buf, size, len);
    free(buf);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    char *buf = size ? malloc(size) : NULL;
    size_t len = 0;

    int ret = size == 0 || buf ? copse_listxattr(node_of(mounted_of(req), ino), buf, size, &len)
                               : -ENOMEM;
    reply_bytes(req, ret, buf, size, len);
    free(buf);
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                 int flags)
{
    reply_result(req, copse_setxattr(node_of(mounted_of(req), ino), name, value, size, flags));
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    reply_result(req, copse_removexattr(node_of(mounted_of(req), ino), name));
}
