#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# See seeds.py, which this runs with the program of the build.

set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../lib/tap.sh
. "$here/../lib/tap.sh"

copse=${COPSE:-$(cd "$here/../.." && pwd)/build/copse}
python=$(command -v python3) || skip_all "no python3"
[ -x "$copse" ] || skip_all "$copse is not built"
exec "$python" "$here/seeds.py" "$copse"
