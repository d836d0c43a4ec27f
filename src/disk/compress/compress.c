// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/compress/compress.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "disk/compress/codec.h"

static const struct codec *const codecs[] = {
    [COMPRESS_NONE] = NULL,
    [COMPRESS_ZLIB] = &codec_zlib,
    [COMPRESS_LZO] = &codec_lzo,
    [COMPRESS_ZSTD] = &codec_zstd,
};

const struct codec *codec_of(uint8_t type)
{
    return type < ARRAY_LEN(codecs) ? codecs[type] : NULL;
}

static pthread_key_t workspace_key;
static pthread_once_t workspace_once = PTHREAD_ONCE_INIT;
static bool workspace_key_made;

static void workspace_free(void *pointer)
{
    for (uint8_t type = 0; type < ARRAY_LEN(codecs); type++)
        if (codecs[type])
            codecs[type]->workspace_free(pointer);
    free(pointer);
}

static void workspace_key_make(void)
{
    workspace_key_made = pthread_key_create(&workspace_key, workspace_free) == 0;
}

struct workspace *workspace_get(void)
{
    pthread_once(&workspace_once, workspace_key_make);
    if (!workspace_key_made)
        return NULL;
    struct workspace *ws = pthread_getspecific(workspace_key);
    if (ws)
        return ws;
    ws = calloc(1, sizeof(*ws));
    if (ws && pthread_setspecific(workspace_key, ws) != 0) {
        free(ws);
        return NULL;
    }
    return ws;
}

bool compress_type_known(uint8_t type)
{
    return type < ARRAY_LEN(codecs);
}

const char *compress_name(enum compress_type type)
{
    INVARIANT(compress_type_known((uint8_t)type), "compression was checked where it was read");
    return codecs[type] ? codecs[type]->name : "none";
}

/* The part after the colon. */
static int level_parse(const struct codec *codec, const char *text, int *level)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 10);
    bool in_range = value >= codec->level_min && value <= codec->level_max;
    /* Linux takes 0 for "the default", also where levels begin at 1. */
    if (errno != 0 || end == text || *end != '\0' || !(in_range || value == COMPRESS_LEVEL_DEFAULT))
        return fail(-EINVAL, "compression level '%s' is not one of %s (%d to %d)", text,
                    codec->name, codec->level_min, codec->level_max);
    *level = (int)value;
    return 0;
}

int compress_by_name(const char *spec, enum compress_type *type, int *level)
{
    size_t name_len = strcspn(spec, ":");

    if (strcmp(spec, "none") == 0 || strcmp(spec, "no") == 0) {
        *type = COMPRESS_NONE;
        *level = COMPRESS_LEVEL_DEFAULT;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        const struct codec *codec = codecs[i];
        int found = COMPRESS_LEVEL_DEFAULT;

        if (!codec || strlen(codec->name) != name_len || memcmp(codec->name, spec, name_len) != 0)
            continue;
        if (spec[name_len] == ':') {
            if (codec->level_min == codec->level_max)
                return fail(-EINVAL, "compression '%s': %s has no levels", spec, codec->name);
            TRY(level_parse(codec, spec + name_len + 1, &found));
        }
        *type = (enum compress_type)i;
        *level = found;
        return 0;
    }
    return fail(-EINVAL, "unknown compression '%s' (known: none, zlib, lzo, zstd)", spec);
}

int compress_extent(enum compress_type type, int level, uint32_t sectorsize, const void *src,
                    size_t len, void *dst, size_t dst_cap, size_t *out_len)
{
    const struct codec *codec = codec_of((uint8_t)type);

    if (!codec)
        return fail(-EINVAL, "compression type %u cannot compress", (unsigned)type);
    if (level == COMPRESS_LEVEL_DEFAULT)
        level = codec->level_default;
    if (level < codec->level_min || level > codec->level_max)
        return fail(-EINVAL, "%s has no level %d", codec->name, level);
    struct workspace *ws = workspace_get();
    if (!ws)
        return fail(-ENOMEM, "out of memory for compression");
    return codec->compress(ws, level, sectorsize, src, len, dst, dst_cap, out_len);
}

int decompress_extent(enum compress_type type, uint32_t sectorsize, const void *src, size_t len,
                      void *dst, size_t dst_len, size_t *out_len)
{
    const struct codec *codec = codec_of((uint8_t)type);

    if (!codec)
        return fail(-EIO, "unknown compression type %u", (unsigned)type);
    struct workspace *ws = workspace_get();
    if (!ws)
        return fail(-ENOMEM, "out of memory for decompression");
    return codec->decompress(ws, sectorsize, src, len, dst, dst_len, out_len);
}
