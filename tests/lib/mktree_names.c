// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mktree.h"
#include "name_hash.h"

enum { LONG_LINK_NAME = 220, MANY_LINKS = 400, NR_COLLISIONS = 8, PRODUCT = 4 };

/* More names than fit the one item of an inode's references in any node size. */
static void many_links(void)
{
    char name[NAME_MAX + 1], prefix[16];

    write_file("many", TEXT, 100);
    enter("names-of-many");
    for (int i = 0; i < MANY_LINKS; i++) {
        snprintf(prefix, sizeof(prefix), "%03d-", i);
        name_of_length(name, LONG_LINK_NAME, prefix);
        /* Without extended references there is an end to them. */
        if (!must_or(link("../many", name), EMLINK, "link", name))
            break;
    }
    for (int i = 0; i < MANY_LINKS; i += 7) {
        snprintf(prefix, sizeof(prefix), "%03d-", i);
        name_of_length(name, LONG_LINK_NAME, prefix);
        must_or(unlink(name), ENOENT, "unlink", name);
    }
    leave();
}

void make_links(void)
{
    char name[64];

    write_file("one", TEXT, 5000);
    must(link("one", "two"), "link", "two");
    must(link("one", "three"), "link", "three");
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "dir%02d", i);
        must(mkdir(name, 0755), "mkdir", name);
        snprintf(name, sizeof(name), "dir%02d/elsewhere", i);
        must(link("one", name), "link", name);
        if (i % 3 == 0)
            must(unlink(name), "unlink", name);
    }
    must(symlink("one", "symlink"), "symlink", "symlink");
    must(link("symlink", "symlink-again"), "link", "symlink-again");
    many_links();
}

/* Every byte that a name may hold, and the longest names. */
void make_names(void)
{
    static const char *const odd[] = {
        "...",
        " ",
        "-rf",
        "a b",
        "trailing ",
        "new\nline",
        "tab\tbed",
        "back\\slash",
        "quote\"'",
        "*?[x]",
        "comma,colon:",
        "img:",
        "\xff\xfe",
        "\xc3\xa4\xe2\x82\xac",
        "\xc3\x28",
        ".hidden",
        "%s%n",
        "#comment",
        "~",
        "\x01\x02\x7f",
    };
    char name[NAME_MAX + 1] = "";

    for (int c = 1; c < 256; c++) {
        name[0] = (char)c;
        if (c != '/' && c != '.')
            write_file(name, TEXT, (size_t)c);
    }
    enter("odd");
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        write_file(odd[i], TEXT, i);
    leave();
    enter("long");
    for (int i = 0; i < NAME_MAX; i++)
        name[i] = (char)((i + 1) % 256 == '/' || (i + 1) % 256 == 0 ? '_' : i + 1);
    write_file(name, TEXT, 255);
    name_of_length(name, NAME_MAX, "directory-");
    enter(name);
    write_file(name, TEXT, 1);
    leave();
    name_of_length(name, NAME_MAX - 1, "shorter-by-one-");
    write_file(name, TEXT, 254);
    leave();
}

void make_collisions(void)
{
    struct collision pairs[NR_COLLISIONS];
    size_t nr = find_collisions(pairs, NR_COLLISIONS);
    char name[PRODUCT * COLLIDE_LEN + 1];

    enter("pairs");
    for (size_t i = 0; i < nr; i++) {
        write_file(pairs[i].a, TEXT, i);
        write_file(pairs[i].b, TEXT, 2 * i);
    }
    must(unlink(pairs[0].a), "unlink", pairs[0].a);
    leave();
    enter("sixteen");
    for (unsigned i = 0; i < 1U << PRODUCT; i++) {
        collision_product(pairs, PRODUCT, i, name);
        if (i % 3 == 0)
            must(mkdir(name, 0755), "mkdir", name);
        else
            write_file(name, TEXT, i);
    }
    collision_product(pairs, PRODUCT, 7, name);
    must(unlink(name), "unlink", name);
    leave();
}

void make_deep(void)
{
    char here[32];
    int levels = 0;

    for (; levels < 60; levels++) {
        snprintf(here, sizeof(here), "level-%d", levels);
        enter(here);
        write_file("file", TEXT, (size_t)levels);
    }
    while (levels-- > 0)
        leave();
}

/* A path longer than PATH_MAX: only reached step by step. */
void make_path_max(void)
{
    char name[NAME_MAX + 1];
    int levels = 0;

    name_of_length(name, NAME_MAX, "long-");
    for (; levels < 18; levels++)
        enter(name);
    write_file("bottom", TEXT, 10);
    while (levels-- > 0)
        leave();
}

void make_many(void)
{
    char name[64];
    int nr = opt.quick ? 1500 : 5000;

    for (int i = 0; i < nr; i++) {
        snprintf(name, sizeof(name), "entry-%05d-%llx", i, (unsigned long long)random_u64() >> 40);
        if (i % 50 == 7)
            must(mkdir(name, 0755), "mkdir", name);
        else if (i % 50 == 8)
            must(symlink("entry", name), "symlink", name);
        else
            write_file(name, TEXT, i % 10 == 0 ? 40 : 0);
    }
}

/* Directory indexes with gaps, and names that moved. */
void make_gaps(void)
{
    char name[64], other[64];

    for (int i = 0; i < 90; i++) {
        snprintf(name, sizeof(name), "name-%02d", i);
        write_file(name, TEXT, (size_t)i);
    }
    for (int i = 0; i < 90; i++) {
        snprintf(name, sizeof(name), "name-%02d", i);
        snprintf(other, sizeof(other), "renamed-%02d", i);
        if (i % 3 == 0)
            must(unlink(name), "unlink", name);
        else if (i % 3 == 1)
            must(rename(name, other), "rename", name);
    }
    must(renameat2(AT_FDCWD, "name-02", AT_FDCWD, "name-05", 2 /* RENAME_EXCHANGE */), "exchange",
         "name-02");
}
