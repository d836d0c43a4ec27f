#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The longer tests through a mount, one after another, as one TAP stream: workloads.sh, postgres.sh,
# kernel-tree.sh. With names (workloads, ...), only those.

set -u
here=$(cd "$(dirname "$0")" && pwd)
all=(workloads postgres kernel-tree)
(($#)) && all=("$@")

# Each starts again in a namespace of its own, so nothing here but their lines, numbered anew.
for name in "${all[@]}"; do
    "$here/$name.sh" | awk -v name="$name" '
        /^1\.\.0 # SKIP/ {print "ok - " name " # SKIP " substr($0, 13); planned = 0; seen = 0; next}
        /^1\.\.[0-9]+/ {planned = substr($1, 4); next}
        /^(not )?ok / {seen++; sub(/ok [0-9]+ - /, "ok - " name ": "); print; next}
        END {if (planned == "" || planned + 0 != seen) print "not ok - " name ": ended early"}'
done | awk '{sub(/ok - /, "ok " ++n " - "); print; bad += /^not/} END {print "1.." n; exit bad > 0}'
