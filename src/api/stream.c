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
