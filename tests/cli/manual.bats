#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Promise: the manual page and `copse help` name the same commands and the same options.
load common

manual=$COPSE_SOURCE/man/copse.1.scd

# Every command as help shows it.
commands() {
    "$copse" help | sed -n 's/^  \([a-z-]*\( [a-z-]*\)\?\)  *[^ ].*/\1/p' | sed 's/ *$//'
}

# The part of the manual about a command: from the line that shows it to the next of that kind.
about() {
    awk -v shown="*$1*" '/^\*/ {inside = index($0, shown) > 0} /^#/ {inside = 0} inside' "$manual"
}

# Its words for options, one a line: from its usage, and from where it explains them.
options_of() {
    "$copse" help $1 | sed "1s/^usage: copse $1//" |
        grep -oE -- '(^|[][ |(])--?[A-Za-z][A-Za-z-]*' | grep -oE -- '--?[A-Za-z][A-Za-z-]*' |
        grep -vxE -- '-[A-Z]{2,}' | sort -u
}

@test "every command is in the manual" {
    local missing=
    while read -r command; do
        [ -n "$(about "$command")" ] || missing+=" [$command]"
    done < <(commands)
    echo "missing:$missing"
    [ -z "$missing" ]
}

@test "every option is in the manual" {
    local missing= command option text units
    units=$(sed -n '/^# UNITS/,/^# /p' "$manual")
    while read -r command; do
        text=$(about "$command")
        while read -r option; do
            grep -qE -- "(^|[^-A-Za-z])$option([^-A-Za-z]|\$)" <<<"${text//\\/}" ||
                grep -qF -- "*$option*" <<<"$units" ||
                missing+=" [$command $option]"
        done < <(options_of "$command")
    done < <(commands)
    echo "missing:$missing"
    [ -z "$missing" ]
}

@test "the manual names no command that is not there" {
    local shown
    while read -r shown; do
        "$copse" help $shown >/dev/null || { echo "$shown"; return 1; }
    done < <(sed -n '/^# COMMANDS/,/^# UNITS/p' "$manual" | grep '^\*' |
        grep -oE '(^|, )\*[a-z][a-z -]*\*' | tr -d ',*')
}

@test "help of each command begins with its usage" {
    while read -r command; do
        "$copse" help $command | head -n 1 | grep -q "^usage: copse $command " || [ "$command" = version ]
        "$copse" $command --help | diff - <("$copse" help $command)
    done < <(commands)
}
