// SPDX-License-Identifier: GPL-2.0-or-later
/* What happens to data that is there already: it is written over, shared, and made durable. */
#include <stdlib.h>

#include "work.h"

enum {
    REWRITE_MIB = 512, /* eight times what may be dirty in the library */
    SHARED_MIB = 64,
    OVERWRITES = 16384,
    RESERVED_GIB = 10,
    FSYNCS = 500,
    FSYNC_EACH = 32,
    TRANSACTIONS = 300,
    DATABASE_PAGES = 256,
};

/* Each block once, in an order that has none: an odd step in a power of two meets them all. */
static uint64_t scattered(uint64_t i, uint64_t blocks)
{
    return i * 40503 % blocks;
}

static handle *new_file(handle *dir, const char *name, const uint8_t *buf, uint64_t mib)
{
    handle *file = world->create_open(dir, name);

    write_through(file, buf, mib);
    world->sync();
    return file;
}

static void drop_file(handle *dir, const char *name, handle *file)
{
    world->put(file);
    world->unlink(dir, name);
}

void bench_rewrite(void)
{
    uint64_t blocks = (uint64_t)(REWRITE_MIB * MIB) / BLOCK;
    handle *dir = new_dir("rewrite");
    uint8_t *buf = new_buffer(PIECE);
    handle *file = new_file(dir, "file", buf, REWRITE_MIB);
    struct span start = now();

    for (uint64_t i = 0; i < blocks; i++)
        world->write(file, buf + i % 16 * BLOCK, BLOCK, scattered(i, blocks) * BLOCK);
    world->sync();
    report("rewrite 4 KiB+sync", start, (double)blocks);
    start = now();
    write_through(file, buf, REWRITE_MIB);
    world->sync();
    report("overwrite MiB+sync", start, REWRITE_MIB);
    drop_file(dir, "file", file);
    world->sync();
    remove_dir("rewrite", dir);
    free(buf);
}

/* Of a file with one extent for each block, and of a large one with few. */
void bench_reflink(void)
{
    uint64_t blocks = (uint64_t)(SHARED_MIB * MIB) / BLOCK;
    uint64_t reserved = (uint64_t)RESERVED_GIB << 30;
    handle *dir = new_dir("reflink");
    uint8_t *buf = new_buffer(PIECE);
    handle *file = new_file(dir, "file", buf, SHARED_MIB);
    handle *copy = world->create_open(dir, "copy"), *large = world->create_open(dir, "large");
    handle *second = world->create_open(dir, "second");

    /* Every other block: what lies between stays where it was. */
    for (uint64_t i = 0; i < blocks; i += 2)
        world->write(file, buf, BLOCK, i * BLOCK);
    world->sync();
    struct span start = now();
    world->clone(file, copy, blocks * BLOCK);
    report("reflink, an extent", start, (double)blocks);
    world->sync();
    report("reflink+sync, an extent", start, (double)blocks);
    start = now();
    for (uint64_t i = 0; i < OVERWRITES; i++)
        world->write(copy, buf, BLOCK, scattered(i, blocks) * BLOCK);
    world->sync();
    report("write shared 4 KiB+sync", start, OVERWRITES);
    world->reserve(large, reserved);
    world->sync();
    start = now();
    world->clone(large, second, reserved);
    report("reflink 10 GiB", start, 1);
    drop_file(dir, "file", file);
    drop_file(dir, "copy", copy);
    drop_file(dir, "large", large);
    drop_file(dir, "second", second);
    world->sync();
    remove_dir("reflink", dir);
    free(buf);
}

/* ---- what SQLite does for a transaction of one row, its journal being deleted (the default) -----
 */

static void journal_page(handle *journal, uint64_t n, const uint8_t *buf)
{
    uint64_t at = 512 + n * (4 + BLOCK + 4);

    world->write(journal, buf, 4, at); /* number, content as it was, checksum */
    world->write(journal, buf, BLOCK, at + 4);
    world->write(journal, buf, 4, at + 4 + BLOCK);
}

static void transaction(handle *dir, handle *database, uint64_t page, const uint8_t *buf)
{
    handle *journal = world->create_open(dir, "db-journal");

    world->write(journal, buf, 512, 0);
    journal_page(journal, 0, buf);
    journal_page(journal, 1, buf);
    world->fdatasync(journal);
    world->fdatasync(dir);
    world->write(journal, buf, 12, 0); /* how many pages */
    world->fdatasync(journal);
    world->write(database, buf, BLOCK, 0);
    world->write(database, buf + BLOCK, BLOCK, page * BLOCK);
    world->fdatasync(database);
    world->put(journal);
    world->unlink(dir, "db-journal");
}

static void bench_journal(const uint8_t *buf)
{
    handle *dir = new_dir("database");
    handle *database = new_file(dir, "db", buf, 1);
    struct span start = now();

    for (uint64_t i = 0; i < TRANSACTIONS; i++)
        transaction(dir, database, 1 + i / 30 % (DATABASE_PAGES - 1), buf);
    report("as SQLite, transaction", start, TRANSACTIONS);
    drop_file(dir, "db", database);
    world->sync();
    remove_dir("database", dir);
}

void bench_fsync(void)
{
    uint64_t blocks = (uint64_t)(SHARED_MIB * MIB) / BLOCK;
    handle *dir = new_dir("fsync");
    uint8_t *buf = new_buffer(PIECE);
    handle *file = new_file(dir, "file", buf, SHARED_MIB);
    handle *log = world->create_open(dir, "log");
    char name[NAME_SIZE];
    struct span start = now();

    for (uint64_t i = 0; i < FSYNCS; i++) {
        world->write(log, buf, BLOCK, i * BLOCK);
        world->fsync(log);
    }
    report("append 4 KiB+fsync", start, FSYNCS);
    start = now();
    for (uint64_t i = 0; i < FSYNCS * 4; i++) {
        world->write(file, buf, BLOCK, scattered(i, blocks) * BLOCK);
        if (i % FSYNC_EACH == FSYNC_EACH - 1)
            world->fsync(file);
    }
    report("32 random 4 KiB+fsync", start, FSYNCS * 4 / FSYNC_EACH);
    start = now();
    for (uint64_t i = 0; i < FSYNCS; i++) {
        file_name(name, i);
        handle *made = world->create_open(dir, name);
        world->fsync(made);
        world->put(made);
    }
    report("create+fsync", start, FSYNCS);
    for (uint64_t i = 0; i < FSYNCS; i++) {
        file_name(name, i);
        world->unlink(dir, name);
    }
    drop_file(dir, "file", file);
    drop_file(dir, "log", log);
    world->sync();
    remove_dir("fsync", dir);
    bench_journal(buf);
    free(buf);
}
