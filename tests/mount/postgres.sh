#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The promise: PostgreSQL lives in a mount: initdb with data checksums, pgbench, a server that is
# killed and recovers, a dump that is the same before and after, and Linux finds nothing wrong.
#
#   postgres.sh [SCALE [SECONDS]]   of pgbench; 10 and 20 if not given

set -u
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
scale=${1:-10} seconds=${2:-20}
for bin in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
    PATH=$bin:$PATH
    break
done
why=$(why_missing initdb pg_ctl pgbench psql pg_dump pg_checksums)
[[ -z $why ]] || skip_all "$why (package postgresql)"
in_own_world "$0" "$@"

data=$dir/data
export PGHOST=$scratch/home PGDATABASE=postgres PGUSER=tester

server() {
    user pg_ctl -s -w -D "$data" -l "$scratch/home/log" \
        -o "-c unix_socket_directories='$PGHOST' -c listen_addresses=''" "$@"
}

dump() {
    # A newer pg_dump writes a random word around its output.
    user pg_dump "$PGDATABASE" | grep -v '^\\\(un\)\?restrict '
}

new_image 8G
try "mounted" mounted
try "initdb" user initdb -D "$data" -U tester --data-checksums -A trust
try "the server starts" server start
try "pgbench fills scale $scale" user pgbench -i -q -s "$scale"
try "pgbench for $seconds seconds" user pgbench -c 8 -j 2 -T "$seconds"
user psql -Atqc "select count(*), sum(abalance) from pgbench_accounts" >"$scratch/before"
try "the server dies at once" server -m immediate stop
try "and recovers" server start
user psql -Atqc "select count(*), sum(abalance) from pgbench_accounts" >"$scratch/after"
same "with every transaction it had confirmed" "$scratch/after" "$scratch/before"
dump >"$scratch/before.sql"
try "the server stops" server stop
try "its checksums are right" user pg_checksums --check -D "$data"
try "unmounted" unmounted
judged "with a database in it"
try "mounted again" mounted
try "the server starts again" server start
dump >"$scratch/after.sql"
same "the database is the same" "$scratch/after.sql" "$scratch/before.sql"
try "the server stops again" server stop
try "unmounted again" unmounted
done_testing
