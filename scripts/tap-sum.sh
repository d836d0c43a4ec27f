#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tap-sum.sh DIR...: adds up what tap-run.sh kept there. Lists what failed and what was skipped and
# why, and ends with the one line `N passed, N failed, N skipped`. Exit 1 when anything failed or
# nothing ran.
#
# A program that prints TAP counts by its cases; a case that its plan promised and that never came,
# and a bad end without a failed case, count as failed. Any other program counts as one case by its
# exit status (77: skipped).
find "$@" -name '*.tap' -print0 2>/dev/null | sort -z | xargs -0r cat | awk '
function fail(what) { failed++; failures = failures "  " what "\n" }
function skip(what) { skipped++; skips = skips "  " what "\n" }
function reset() { plan = -1; seen = bad = 0; why = ""; n = 0 }
BEGIN { passed = failed = skipped = 0; reset() }

/^1\.\.[0-9]+/ {
    plan = substr($1, 4) + 0
    if (plan == 0) {
        sub(/^1\.\.0[ \t]*#?[ \t]*/, "")
        sub(/^[Ss][Kk][Ii][Pp][A-Za-z]*:?[ \t]*/, "")
        why = $0
    }
    next
}
/^(not )?ok([^A-Za-z0-9_]|$)/ {
    line[n++] = $0
    next
}
/^Bail out!/ { line[n++] = "not ok - " $0; next }
/^## exit / {
    status = $3
    name = $0
    sub(/^## exit [0-9]+ /, "", name)
    for (i = 0; i < n; i++) {
        text = line[i]
        seen++
        if (text ~ /^not ok/) {
            bad++
            sub(/^not ok[ \t]*[0-9]*[ \t]*-?[ \t]*/, "", text)
            fail(name ": " text)
        } else if (tolower(text) ~ /# *skip/) {
            sub(/^ok[ \t]*[0-9]*[ \t]*-?[ \t]*/, "", text)
            skip(name ": " text)
        } else {
            passed++
        }
    }
    if (plan == 0 && n == 0 && status == 0)
        skip(name ": " (why == "" ? "no reason given" : why))
    else if (plan < 0 && n == 0) {
        if (status == 0)
            passed++
        else if (status == 77)
            skip(name)
        else
            fail(name ": exit status " status)
    } else {
        for (i = seen; i < plan; i++)
            fail(name ": case " i + 1 " never ran (exit status " status ")")
        if (status != 0 && bad == 0 && seen >= plan)
            fail(name ": all cases fine, but exit status " status)
    }
    reset()
}
END {
    if (skipped)
        printf "\nSKIPPED, not tested here:\n%s", skips
    if (failed)
        printf "\nFAILED:\n%s", failures
    if (passed + failed + skipped == 0)
        print "no test ran"
    printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
    exit failed > 0 || passed + failed + skipped == 0
}'
