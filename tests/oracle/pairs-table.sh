#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Prints a table in which every two values of two different parameters of an image stand together
# in some row: a greedy choice among all rows, the same every time. pairs.txt is its output.
# With -c FILE: says which pairs a table leaves out; exit 1 if there are any.

set -u
exec awk -v check="$([[ ${1:-} == -c ]] && echo "$2")" '
function possible(row,    v) {
    split(row, v, " ")
    return v[4] == 0 || v[2] == "4k"    # mixed block groups: a node is a sector
}
function each_pair(row,    v, i, j) {
    split(row, v, " ")
    nr_pairs = 0
    for (i = 1; i <= nr_params; i++)
        for (j = i + 1; j <= nr_params; j++)
            pair[++nr_pairs] = i "=" v[i] " " j "=" v[j]
}
function gain(row,    n, k) {
    each_pair(row)
    for (k = 1; k <= nr_pairs; k++)
        n += pair[k] in missing
    return n
}
function take(row,    k) {
    each_pair(row)
    for (k = 1; k <= nr_pairs; k++)
        delete missing[pair[k]]
}
function all_rows(at, prefix,    v, n, k) {
    if (at > nr_params) {
        if (possible(prefix)) {
            rows[++nr_rows] = prefix
            each_pair(prefix)
            for (k = 1; k <= nr_pairs; k++)
                missing[pair[k]]
        }
        return
    }
    n = split(values[at], v, " ")
    for (k = 1; k <= n; k++)
        all_rows(at + 1, prefix (at > 1 ? " " : "") v[k])
}
BEGIN {
    names = "csum nodesize compress mixed no-holes space"
    nr_params = split(names, name, " ")
    values[1] = "crc32c xxhash sha256 blake2"
    values[2] = "16k 4k 64k 8k 32k"
    values[3] = "none zstd lzo zlib"
    values[4] = "0 1"
    values[5] = "1 0"
    values[6] = "fst v1 none"
    all_rows(1, "")
    if (check) {
        while ((getline line < check) > 0)
            if (line !~ /^#/)
                take(line)
        for (k in missing) {
            print "no row has " k
            bad = 1
        }
        exit bad
    }
    print "# SPDX-License-Identifier: GPL-2.0-or-later"
    print "# " names
    for (;;) {
        best = 0
        for (r = 1; r <= nr_rows; r++)
            if ((n = gain(rows[r])) > best) {
                best = n
                choice = rows[r]
            }
        if (!best)
            exit 0
        print choice
        take(choice)
    }
}'
