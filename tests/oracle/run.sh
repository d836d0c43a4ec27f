#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# All tests against the kernel of this machine, as one TAP stream: big-tree.sh, write-back.sh,
# pairs.sh, mkfs-matrix.sh, golden-write.sh, inspect.sh, errno.sh, subvolumes.sh,
# compression.sh, split.sh, nocow.sh, log-write.sh, quota.sh, quota_errno.sh, bounded.sh, crash.sh,
# stream.sh, chain.sh, repair.sh, subvolume_options.sh,
# JOBS at a time. With names (pairs, ...), only those.

set -u
oracle=$(cd "$(dirname "$0")" && pwd)
jobs=${JOBS:-$(nproc)}
all=(big-tree write-back pairs mkfs-matrix golden-write inspect errno subvolumes subvolume_options compression split nocow log-write quota quota_errno bounded crash stream chain repair)
(($#)) && all=("$@")

# shellcheck source=../lib/images.sh
. "$oracle/../lib/images.sh"
# Once, so that those running side by side do not all do it.
for helper in manifest mktree collide unpack; do
    tool "$helper" >/dev/null
done
if [[ -x $COPSE && -z $(why_no_kernel) ]]; then
    find_new_progs
    [[ -z $btrfs_new ]] || export COPSE_BTRFS_PROGS=$btrfs_new
fi

out=$(mktemp -d "${TMPDIR:-/tmp}/copse-oracle.XXXXXX")
trap 'rm -rf "$out"' EXIT
printf '%s\n' "${all[@]}" | xargs -P "$jobs" -I{} sh -c '
    "$0/$1.sh" >"$2/$1.tap" 2>"$2/$1.err"
    echo "# exit $?" >>"$2/$1.tap"' "$oracle" {} "$out"

# One numbering; what a script that failed said stands behind its lines.
cd "$out" || exit 1
for name in "${all[@]}"; do
    awk -v name="$name" '
        /^1\.\.0 # SKIP/ {print "ok " name " # SKIP " substr($0, 13); planned = 0; next}
        /^1\.\.[0-9]+/ {planned = substr($1, 4); has_plan = 1; next}
        /^(not )?ok / {seen++; failed += /^not/; sub(/ok [0-9]+ - /, "ok " name ": "); print; next}
        /^# exit / {status = $3; next}
        END {
            if (has_plan && planned != seen || !has_plan && status)
                print "not ok " name ": ended early, exit status " status
        }' "$name.tap"
    grep -q '^not ok' "$name.tap" && sed 's/^[^#]/# &/' "$name.err" >&2
done | awk '{sub(/ok /, "ok " ++n " - "); print; bad += /^not/} END {print "1.." n; exit bad > 0}'
