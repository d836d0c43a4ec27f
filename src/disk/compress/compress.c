// SPDX-License-Identifier: GPL-2.0-or-later
#include "disk/compress/compress.h"

#include <pthread.h>
#include <stdio.h>
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

static enum compress_type type_of_name(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        if (codecs[i] && strlen(codecs[i]->name) == len && memcmp(codecs[i]->name, name, len) == 0)
            return (enum compress_type)i;
    return COMPRESS_NONE;
}

static bool is_none(const char *spec)
{
    return strcmp(spec, "none") == 0 || strcmp(spec, "no") == 0;
}

static int bad_level(const struct codec *codec, const char *text)
{
    if (codec->level_min == codec->level_max)
        return fail(-EINVAL, "compression level '%s': %s has no levels", text, codec->name);
    return fail(-EINVAL, "compression level '%s' is not one of %s (%d to %d)", text, codec->name,
                codec->level_min, codec->level_max);
}

/* The part after the colon. */
static int level_parse(const struct codec *codec, const char *text, long *level)
{
    char *end;

    errno = 0;
    *level = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0')
        return bad_level(codec, text);
    return 0;
}

/* Linux takes 0 for "the default", also where levels begin at 1. */
static bool has_level(const struct codec *codec, long level)
{
    return level == COMPRESS_LEVEL_DEFAULT ||
           (level >= codec->level_min && level <= codec->level_max);
}

static int parse(const char *spec, bool strict, enum compress_type *type, int *level)
{
    size_t name_len = strcspn(spec, ":");
    enum compress_type found = type_of_name(spec, name_len);
    const struct codec *codec = codec_of((uint8_t)found);
    long number = COMPRESS_LEVEL_DEFAULT;

    if (!codec && !is_none(spec))
        return fail(-EINVAL, "unknown compression '%s' (known: none, zlib, lzo, zstd)", spec);
    if (codec && spec[name_len] == ':') {
        bool levels = codec->level_min != codec->level_max;

        TRY(level_parse(codec, spec + name_len + 1, &number));
        if (strict && (!levels || !has_level(codec, number)))
            return bad_level(codec, spec + name_len + 1);
        if (!levels)
            number = COMPRESS_LEVEL_DEFAULT;
        else if (!has_level(codec, number))
            number = number < codec->level_min ? codec->level_min : codec->level_max;
    }
    *type = found;
    *level = (int)number;
    return 0;
}

int compress_by_name(const char *spec, enum compress_type *type, int *level)
{
    return parse(spec, true, type, level);
}

int compress_by_option(const char *spec, enum compress_type *type, int *level)
{
    return parse(spec, false, type, level);
}

bool compress_by_property(const char *value, size_t len, enum compress_type *type, int *level)
{
    char spec[32];

    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        size_t name_len = codecs[i] ? strlen(codecs[i]->name) : SIZE_MAX;

        if (len < name_len || memcmp(value, codecs[i]->name, name_len) != 0)
            continue;
        *type = (enum compress_type)i;
        *level = COMPRESS_LEVEL_DEFAULT;
        snprintf(spec, sizeof(spec), "%.*s", (int)MIN(len, sizeof(spec) - 1), value);
        if (compress_by_name(spec, type, level) < 0)
            fail_clear();
        return true;
    }
    return false;
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
