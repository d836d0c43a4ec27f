// SPDX-License-Identifier: GPL-2.0-or-later
#include "ops/stream/protocol.h"

const struct command_kind command_kinds[CMD_LAST + 1] = {
#define COMMAND_ROW(NAME, number, version, text, required) [number] = {text, version, required},
    STREAM_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

const struct attribute_info attribute_infos[ATTR_LAST + 1] = {
#define ATTRIBUTE_ROW(NAME, number, kind) [number] = {#NAME, kind},
    STREAM_ATTRIBUTES(ATTRIBUTE_ROW)
#undef ATTRIBUTE_ROW
};
