#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""measure.py OUT COMMAND...: runs it, adds a line "clock-s cpu-s max-KiB" to OUT, exits as it did.

The most memory that COMMAND itself had, not what it started; CPU time of both."""
import os
import sys
import time


def main(out, command):
    begin = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(pid, 0)
    clock = time.monotonic() - begin
    with open(out, "a", encoding="ascii") as file:
        file.write(f"{clock:.4f} {used.ru_utime + used.ru_stime:.4f} {used.ru_maxrss}\n")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
