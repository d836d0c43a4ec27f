#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Promise: each public header compiles alone, as C and as C++, without a warning; and of copse's own
# ioctls no two have one number.
cd "${COPSE_SOURCE:-$(dirname "$(readlink -f "$0")")/..}" || exit 1

shopt -s nullglob
headers=(include/copse/*.h)
warnings=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude)
number=0 failed=0

compile() { # LANGUAGE STANDARD COMPILER HEADER
    number=$((number + 1))
    local title="${4#include/} compiles alone as $1"
    if ! command -v "$3" >/dev/null; then
        echo "ok $number - $title # SKIP no $3"
    elif said=$("$3" -x "$1" -std="$2" "${warnings[@]}" - <<<"#include <${4#include/}>" 2>&1); then
        echo "ok $number - $title"
    else
        echo "not ok $number - $title"
        sed 's/^/# /' <<<"$said"
        failed=1
    fi
}

if [ ${#headers[@]} -eq 0 ]; then
    echo "1..0 # SKIP there is no public header"
    exit 0
fi
echo "1..$((${#headers[@]} * 2 + 1))"
for header in "${headers[@]}"; do
    compile c c11 "${CC:-cc}" "$header"
    compile c++ c++11 "${CXX:-c++}" "$header"
done
number=$((number + 1))
twice=$(sed -n 's/^#define COPSE_IOC_.*(COPSE_IOC_MAGIC, \([0-9]*\).*/\1/p' fuse/fuse_ioctl.h | sort -n | uniq -d)
if [ -z "$twice" ]; then
    echo "ok $number - each ioctl has a number of its own"
else
    echo "not ok $number - each ioctl has a number of its own"
    echo "# given twice: $twice"
    failed=1
fi
exit $failed
