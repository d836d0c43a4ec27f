#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Promise: every source file says its licence in its first lines.
cd "${COPSE_SOURCE:-$(dirname "$(readlink -f "$0")")/..}" || exit 1

echo 1..1
bare=$(find src include cli fuse examples tests scripts man .ci Makefile meson.build meson_options.txt -type f \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.bats' -o -name '*.scd' -o -name '*.map' -o -name run \
    -o -name meson.build -o -name '*.txt' -o -name Makefile -o -name LAYERS \) -print0 2>/dev/null |
    xargs -0 awk 'FNR == 1 { if (NR > 1 && !found) print last; found = 0; last = FILENAME }
        FNR <= 3 && /SPDX-License-Identifier: GPL-2.0-or-later/ { found = 1 }
        END { if (!found) print last }')
if [ -z "$bare" ]; then
    echo "ok 1 - every file has its SPDX line"
else
    echo "not ok 1 - every file has its SPDX line"
    sed 's/^/# without: /' <<<"$bare"
    exit 1
fi
