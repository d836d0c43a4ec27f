#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: memory is bounded by -o cache=, however large the file system: a file and a tree that
# are many times larger than the cache are written, read back and removed, and the process has not
# grown by much more than the cache.
#   MEMORY_MIB (160)    size of the file
#   MEMORY_FILES (4000)   files of 10,000 bytes
#   MEMORY_CACHE_MIB (4)

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
[[ -z ${COPSE_SANITIZED:-} ]] || skip_all "sanitizers need memory of their own"
in_own_world "$0" "$@"

cache=${MEMORY_CACHE_MIB:-4}
# KiB that it may grow by: twice the cache, and what up to ten threads hold of requests.
most=$(((2 * cache + 20) * 1024))

peak() { # KiB
    awk '/^VmHWM:/ {print $2}' "/proc/$server/status"
}

# grown NAME: what it grew by since it was mounted.
grown() {
    local now
    now=$(($(peak) - start))
    diag "$1: grew by $now KiB, $((now * 10 / cache / 1024)) tenths of the cache"
    if ((now <= most)); then
        ok "$1: within the bound"
    else
        not_ok "$1: within the bound"
    fi
}

in_python() {
    user "$python" -c "import os, sys; os.chdir(sys.argv[1]); $1" "$dir"
}

new_image 4G
served_by_pid -o "cache=${cache}m" || not_ok "mounted"
# What the threads of the mount need for themselves, they have after some work.
user sh -c "head -c 3000000 /dev/urandom >'$dir/first'; cat '$dir/first' >/dev/null; ls '$dir' >/dev/null"
start=$(peak)

try "a file of ${MEMORY_MIB:-160} MiB is written" in_python "
b = os.urandom(1 << 20)
f = open('large', 'wb')
for i in range(${MEMORY_MIB:-160}): f.write(i.to_bytes(8, 'big') + b[8:])
f.close()"
grown "a file larger than the cache"
try "and written to in many places" in_python "
f = os.open('large', os.O_RDWR)
for i in range(3000): os.pwrite(f, b'changed', (i * 7919 % (${MEMORY_MIB:-160} * 128)) * 8192 + 4000)"
grown "scattered writes"
try "${MEMORY_FILES:-4000} files are made" in_python "
for i in range(${MEMORY_FILES:-4000}):
    os.makedirs(f'd{i // 100}', exist_ok=True)
    open(f'd{i // 100}/f{i}', 'wb').write(b'%d' % i * 2500)"
grown "a tree larger than the cache"
user sh -c "echo 3 >/proc/sys/vm/drop_caches" 2>/dev/null
try "all of it is as it was written" in_python "
f = open('large', 'rb')
for i in range(${MEMORY_MIB:-160}):
    assert int.from_bytes(f.read(1 << 20)[:8], 'big') == i, i
for i in range(${MEMORY_FILES:-4000}):
    assert open(f'd{i // 100}/f{i}', 'rb').read() == b'%d' % i * 2500, i"
grown "reading it"
try "and it can be removed" user sh -c "rm -r '$dir'/d* '$dir/large'"
grown "removing it"
try "unmounted" unmounted
wait "$server"
judged "after that"
done_testing
