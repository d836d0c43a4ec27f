#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Promise: no module includes a module that src/LAYERS does not allow it, nor another's private
# header; the programs include the public headers only.
set -u
cd "${COPSE_SOURCE:-$(dirname "$(readlink -f "$0")")/..}" || exit 1

edges() { # prints FILE:LINE HEADER for every quoted include that has a folder in it
    find "$1" -name '*.[ch]' -exec grep -nHE '^[ \t]*#[ \t]*include[ \t]*"[^"]*/' {} + |
        sed -E 's/^([^:]*):([0-9]+):[^"]*"([^"]*)".*/\1:\2 \3/'
}

check_modules() {
    edges src | awk '
    function module_of(path,   m) {
        for (m = path; m != ""; ) {
            if (m in allowed)
                return m
            if (!sub(/\/[^\/]*$/, "", m))
                return ""
        }
        return ""
    }
    FNR == NR {
        if ($0 ~ /^#/ || $0 ~ /^[ \t]*$/)
            next
        colon = index($0, ":")
        head = substr($0, 1, colon - 1)
        name = head
        sub(/[ \t]*\[.*/, "", name)
        extra = ""
        if (match(head, /\[.*\]/))
            extra = substr(head, RSTART + 1, RLENGTH - 2)
        allowed[name] = " " substr($0, colon + 1) " "
        public[name] = " " extra " "
        rank[name] = ++count
        next
    }
    {
        file = $1
        sub(/:[0-9]+$/, "", file)
        sub(/^src\//, "", file)
        from = module_of(file)
        to = module_of($2)
        if (to == "" && from != "")
            { print $1 ": \"" $2 "\" belongs to no module of src/LAYERS"; next }
        if (from == "")
            { print $1 ": is in no module of src/LAYERS"; next }
        if (from == to)
            next
        header = substr($2, length(to) + 2)
        last = to
        sub(/.*\//, "", last)
        test = file ~ /\/test\//
        if (test && to == "base" && header ~ /^test\//)
            next
        if (header != last ".h" && public[to] != " * " && !index(public[to], " " header " "))
            print $1 ": \"" $2 "\" is private to " to
        else if (header ~ /\//)
            print $1 ": \"" $2 "\" is private to " to
        if (test ? rank[to] > rank[from] : !index(allowed[from], " " to " "))
            print $1 ": " from " may not include " to
    }' src/LAYERS -
}

check_programs() {
    for dir in cli fuse examples; do
        [ -d $dir ] || continue
        edges $dir | while read -r where header; do
            [ -e "$(dirname "${where%:*}")/$header" ] || [ -e "$dir/$header" ] || [[ $header == $dir/* ]] ||
                echo "$where: \"$header\" is not <copse/*.h>"
        done
        find $dir -name '*.[ch]' -exec grep -nHE '#[ \t]*include[ \t]*<(base|disk|engine|fs|ops|api)/' {} +
    done
    [ ! -d include ] || find include -name '*.h' -exec grep -nHE '#[ \t]*include[ \t]*("|<(base|disk|engine|fs|ops|api)/)' {} +
}

check_order() { # an edge may only point upwards in the file: no circles
    awk '/^#/ || !NF { next } { split($0, part, ":"); name = part[1]; sub(/[ \t]*\[.*/, "", name)
        n = split(part[2], to, " "); for (i = 1; i <= n; i++) if (!(to[i] in seen))
            print "src/LAYERS: " name " names " to[i] ", which is not above it"; seen[name] }' src/LAYERS
}

number=0
report() { # TITLE FINDINGS
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# /' <<<"$2"
        failed=1
    fi
}

failed=0
echo 1..3
report "src/LAYERS has no circles" "$(check_order)"
report "modules include what src/LAYERS allows" "$(check_modules)"
report "programs include the public headers only" "$(check_programs)"
exit $failed
