// SPDX-License-Identifier: GPL-2.0-or-later
/* Send streams. */
#include "api/internal.h"

#include "ops/stream/stream.h"

static int dump(const struct copse_stream_source *source,
                const struct copse_stream_dump_options *given, const struct copse_text_sink *sink)
{
    struct copse_stream_dump_options options;

    API_REQUIRE(source && source->read && given && sink && sink->put);
    TRY(api_take_options(&options, sizeof(options), given));
    return stream_dump(source, &options, sink);
}

COPSE_EXPORT int copse_stream_dump(const struct copse_stream_source *source,
                                   const struct copse_stream_dump_options *options,
                                   const struct copse_text_sink *sink)
{
    return API_CALL(dump(source, options, sink));
}

static int send_subvol(copse_node *subvol, const struct copse_send_options *given,
                       const struct copse_stream_sink *sink)
{
    struct copse_send_options options;

    API_REQUIRE(subvol && given && sink && sink->write);
    TRY(api_take_options(&options, sizeof(options), given));
    API_REQUIRE(options.clones || options.clone_count == 0);
    return stream_send(mount_of_node(subvol), inode_of(subvol), &options, sink);
}

COPSE_EXPORT int copse_send(copse_node *subvol, const struct copse_send_options *options,
                            const struct copse_stream_sink *sink)
{
    return API_CALL(send_subvol(subvol, options, sink));
}

static int receive(copse_node *dir, const struct copse_stream_source *source,
                   const struct copse_receive_options *given)
{
    struct copse_receive_options options;

    API_REQUIRE(dir && source && source->read && given);
    TRY(api_take_options(&options, sizeof(options), given));
    return stream_receive(mount_of_node(dir), inode_of(dir), source, &options);
}

COPSE_EXPORT int copse_receive(copse_node *dir, const struct copse_stream_source *source,
                               const struct copse_receive_options *options)
{
    return API_CALL(receive(dir, source, options));
}

static int tokens(copse_node *dir, int (*fn)(void *arg, const char *token), void *arg)
{
    API_REQUIRE(dir && fn);
    return stream_tokens(mount_of_node(dir), inode_of(dir), fn, arg);
}

COPSE_EXPORT int copse_receive_tokens(copse_node *dir, int (*fn)(void *arg, const char *token),
                                      void *arg)
{
    return API_CALL(tokens(dir, fn, arg));
}
