#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sqlite.py DIRECTORY: transactions of one row each in a database there, SQLite's own settings.

Prints a line as bench_posix does."""
import os
import sqlite3
import sys
import time

TRANSACTIONS = 300


def main(directory):
    path = os.path.join(directory, "sqlite.db")
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB)")
    clock, cpu = time.monotonic(), time.process_time()
    for _ in range(TRANSACTIONS):
        database.execute("INSERT INTO t (v) VALUES (?)", (b"x" * 100,))
    clock, cpu = time.monotonic() - clock, time.process_time() - cpu
    database.close()
    os.unlink(path)
    each = 1e6 / TRANSACTIONS
    print(f"{'SQLite, transaction':<24}{clock * each:11.3f} {cpu * each:10.3f} {TRANSACTIONS:9}")


if __name__ == "__main__":
    main(sys.argv[1])
