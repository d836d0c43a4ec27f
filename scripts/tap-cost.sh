#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tap-cost.sh DIR...: seconds of processor time that the programs kept there by tap-run.sh took, the
# dearest first, and all of them together. Beside the clock, as machines are shared.
find "$@" -name '*.tap' -print0 2>/dev/null | xargs -0r grep -h '^## cpu ' | sort -k3,3 -rn | awk -v top="${TOP:-12}" '
    {
        sum += $3
        if (NR <= top) {
            seconds = $3
            sub(/^## cpu [^ ]+ /, "")
            printf "%8.1f s  %s\n", seconds, $0
        }
    }
    END {printf "%8.1f s  all %d\n", sum, NR}'
