// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of commands. copse help, the man page and dispatch read it; nothing else lists them. */
#include "commands.h"

#include <stddef.h>

#define TOP(id, takes, what, details)                                                              \
    {                                                                                              \
        NULL, #id, #id, cmd_##id, 0, takes, what, details                                          \
    }
#define OUTSIDE(id, takes, what, details)                                                          \
    {                                                                                              \
        NULL, #id, #id, cmd_##id, COMMAND_NOT_IN_SHELL, takes, what, details                       \
    }
#define IN(in, is, function, takes, what, details)                                                 \
    {                                                                                              \
        in, is, in " " is, cmd_##function, 0, takes, what, details                                 \
    }
#define ALIAS(in, is, function, takes, what)                                                       \
    {                                                                                              \
        in, is, in " " is, cmd_##function, COMMAND_ALIAS, takes, what, NULL                        \
    }

#define UNITS                                                                                      \
    "--raw -b bytes, --iec -h powers of 1024, --si -H powers of 1000, -k -m -g -t that unit"

const struct command commands[] = {
    OUTSIDE(mkfs, "[OPTION…] DEV", "make a file system",
            "-b SIZE  its size; makes a missing file, lets a smaller one grow\n"
            "-f  over whatever is there\n"
            "-L LABEL  -U UUID  --device-uuid UUID\n"
            "-n SIZE  of nodes (16k)   -s SIZE  of sectors (4k)\n"
            "-d PROFILE  -m PROFILE  single or dup, for data and metadata   -M  both mixed\n"
            "--csum TYPE  crc32c, xxhash, sha256, blake2\n"
            "-O LIST  -R LIST  features, ^NAME without; list-all prints them\n"
            "-K  leave old contents   -q  say nothing   -v  (as without)\n"
            "--seed NUMBER  uuids and times from it: the same bytes every time"),
    OUTSIDE(
        mount, "[-f] [-o OPT,…] DEV… DIR", "mount it with FUSE",
        "-f  stay in the foreground\n"
        "-o  ro, rw, allow_other, default_permissions, subvol=, subvolid=, noatime, relatime,\n"
        "    strictatime, commit=, cache=, nodatacow, discard, notreelog,\n"
        "    compress[=ALG[:LEVEL]], compress-force[=ALG[:LEVEL]], fakeroot, rescue=WHAT[:WHAT…],\n"
        "    user_subvol_rm_allowed, uid=, gid="),
    OUTSIDE(umount, "DIR", "unmount; returns when everything is durable", NULL),

    TOP(ls, "[-l] [-a] [-d] [-i] [-R] P…", "list directories",
        "-l  with attributes   -a  hidden names too   -d  a directory itself\n"
        "-i  with inode numbers   -R  and all below"),
    TOP(cat, "P…", "print files", NULL),
    TOP(stat, "[-L] P…", "print attributes", "-L  of what a symlink points at"),
    TOP(df, "[--reserved] [UNITS] T", "print space by kind",
        "--reserved  with what is promised, pinned and read-only\n" UNITS),
    TOP(du, "[-s | --exclusive] [UNITS] P…", "print space of files, and how much is shared",
        "-s  sums only   --exclusive  what deleting P, with all below it, would free\n" UNITS),
    TOP(cp, "[-a] [-r] [-q] [--owner UID:GID] SRC… DST", "copy in, out, across and within",
        "-a  with owners, modes, times, links, xattrs, ACLs, devices\n"
        "-r  directories with all in them   -q  no progress bar\n"
        "--owner UID:GID  the copies belong to them\n"
        "SRC may be -: standard input. Within one file system it reflinks."),
    TOP(mkdir, "[-p] [-m MODE] P…", "make directories", "-p  with parents, no complaint if there"),
    TOP(rm, "[-r] [-f] P…", "remove",
        "-r  directories with all in them   -f  no complaint if absent"),
    TOP(mv, "[-n] SRC… DST", "rename", "-n  never over something"),
    TOP(ln, "[-s] [-f] SRC… DST", "link", "-s  symbolic   -f  in place of what is there"),
    TOP(chmod, "[-R] MODE P…", "change permissions", "MODE  octal, or as u+rwX,go=r"),
    TOP(chown, "[-R] [-h] UID[:GID] P…", "change owners", "-h  of a symlink itself"),
    TOP(touch, "[-c] [-a] [-m] [-h] [-d TIME] P…", "make files or set their times",
        "-c  make none   -a -m  one of the times only   -h  of a symlink itself\n"
        "-d TIME  @SECONDS[.NANOSECONDS] or YYYY-MM-DD[ HH:MM[:SS]]"),
    TOP(truncate, "-s [+-]SIZE P…", "set sizes", NULL),
    TOP(mknod, "[-m MODE] P p|s|b MAJOR MINOR|c MAJOR MINOR", "make special files", NULL),
    TOP(chattr, "[+-=]FLAGS P…", "change inode flags",
        "FLAGS  of A a C c D d i m S (C: NOCOW, c: compress, m: do not)"),
    TOP(lsattr, "P…", "print inode flags", NULL),
    IN("xattr", "get", xattr_get, "[-x] P NAME", "print an extended attribute", "-x  as hex"),
    IN("xattr", "set", xattr_set, "P NAME VALUE", "set an extended attribute",
       "VALUE  text, or 0x… hex, or 0s… base64"),
    IN("xattr", "list", xattr_list, "P…", "list extended attributes", NULL),
    IN("xattr", "rm", xattr_rm, "P NAME", "remove an extended attribute", NULL),
    TOP(io, "[-f] [-r] [-d] [-t] [-a] P -c CMD [-c CMD]…", "xfs_io on one file",
        "-f  make it   -r  read-only   -d  direct   -t  truncate   -a  append\n"
        "pwrite [-q] [-S n] [-b n] [-i HOSTFILE] off len   pread [-q] [-v] [-b n] off len\n"
        "falloc [-k] off len   fpunch off len   fzero [-k] off len   truncate off\n"
        "fcollapse off len   finsert off len   dedupe SRC src_off dst_off len\n"
        "reflink SRC [src_off dst_off len]   copy_range [-s src_off] [-d dst_off] [-l len] SRC\n"
        "fsync   fdatasync   sync   fiemap [-v]   seek -d|-h off   stat   shutdown [-f]"),
    OUTSIDE(shell, "T [-f SCRIPT] [-k]", "run commands, one a line, on one open file system",
            "-f  commands from a file   -k  go on after a failure\n"
            "exit  commits and closes   crash  drops what is not durable and opens again"),
    TOP(defrag, "[-r] [-f] [-v] [-c[ALG]] [-L LEVEL] [--nocomp] [-s START] [-l LEN] [-t SIZE] P…",
        "rewrite small extents as large ones",
        "-r  of all files below   -f  durable after each file   -v  names\n"
        "-c  compress: zlib, lzo or zstd[:LEVEL]   -L  that level   --nocomp  decompress\n"
        "-s -l  that range only   -t  extents of that size are large enough (32m)\n"
        "What is shared is left alone."),
    TOP(sync, "P", "commit; durable when it returns", NULL),
    TOP(reclaim, "[UNITS] P", "give back space that no file reaches any more",
        "P  a file, a subvolume, or all: extents that are used in part only are split\n" UNITS),

    IN("subvolume", "create", subvolume_create, "[-i GROUP]… P…", "make subvolumes",
       "-i GROUP  a quota group that its own becomes a member of"),
    IN("subvolume", "snapshot", subvolume_snapshot, "[-r] SRC DST",
       "make a snapshot of a subvolume",
       "-r  read-only   -i GROUP  a quota group that its own becomes a member of\n"
       "DST  its path, or a directory for it"),
    IN("subvolume", "delete", subvolume_delete, "[-c | -C] [--keep] [-i ID] P…",
       "delete subvolumes",
       "-c --commit-after  commit at the end   -C --commit-each  commit after each\n"
       "-i --subvolid  that one, in the file system of P\n"
       "--keep  leave what is in them where it is for now: undelete brings it back"),
    IN("subvolume", "undelete", subvolume_undelete, "ID P",
       "bring back a deleted subvolume of which nothing is gone yet", NULL),
    IN("subvolume", "sync", subvolume_sync, "[-s N] P [ID…]",
       "wait until deleted subvolumes are gone and their space is free",
       "-s  taken, as btrfs has it: seconds between two looks; nothing is waited for in vain here"),
    IN("subvolume", "list", subvolume_list,
       "[-a|-o] [-p] [-c] [-g] [-u] [-q] [-R] [-t] [-s] [-r] [-d] [-G N] [-C N] [--sort=KEYS]\n"
       "    [--sizes] P",
       "list subvolumes",
       "-a  from the top level where not directly in P   -o  only those directly in P\n"
       "-p parent   -c creation   -g generation   -u -q -R uuids   -t  as a table\n"
       "-s  snapshots   -r  read-only ones only   -d  deleted ones\n"
       "-G, -C [+-]N  of that generation, or creation generation: at least with +, at most with -\n"
       "--sort  of gen, ogen, rootid, path, some with commas between, - before what goes down\n"
       "--sizes  and what each would free if it were deleted (--raw, --iec, --si)"),
    IN("subvolume", "show", subvolume_show, "[-r ID | -u UUID] [UNITS] P", "describe a subvolume",
       "-r --rootid, -u --uuid  that one, in the file system of P\n" UNITS),
    IN("subvolume", "get-default", subvolume_get_default, "P", "print the default subvolume", NULL),
    IN("subvolume", "set-default", subvolume_set_default, "[ID] P", "set the default subvolume",
       NULL),
    IN("property", "get", property_get, "P [NAME]", "print properties: ro, label, compression",
       NULL),
    IN("property", "list", property_list, "P", "list the properties that a place can have", NULL),
    IN("property", "set", property_set, "[-f] P NAME VALUE",
       "set a property: ro, label, compression",
       "-f  ro=false also for a subvolume that was received, which it forgets"),
    TOP(send, "[-p P] [-c P]… [-f FILE] [--proto N] [--compressed-data] [--no-data] P…",
        "send read-only subvolumes as a stream",
        "-p P  what differs from that snapshot   -c P  which may be cloned from\n"
        "-f FILE  to there, else to standard output   -e  one stream for several subvolumes\n"
        "--proto N  1, 2 or 3 (1)   --compressed-data  as it is on disk\n"
        "--no-data  only say where data differs   -q  say less   -v  say more\n"
        "--reparent UUID  receivers know the parent by that uuid\n"
        "--resume-from TOKEN  the rest of an interrupted stream, options as at first\n"
        "Without -p the nearest relative among the -c is the parent."),
    TOP(receive,
        "[-f FILE] [-e] [-E N] [--resume | --token] P  |  --dump | --to-dir DIR | --to-tar FILE "
        "[-f FILE] [-e]",
        "receive subvolumes from a send stream",
        "-f FILE  the stream, else standard input   -e  stop at the first end command\n"
        "-E N  --max-errors N  give up at so many failed commands, 0 never (1)\n"
        "-q  say less   -v  say more   -C  -m DIR  as without: nothing outside P is ever touched\n"
        "--resume  so that it can go on after an interruption, from where an earlier one ended;\n"
        "  with the same stream or what copse send --resume-from makes of the TOKEN it prints\n"
        "--token  only print that   --checkpoint SIZE  durable after so much of the stream (64m)\n"
        "--dump  print what the stream says; takes no P\n"
        "--to-dir DIR  into DIR of any file system, the last subvolume with all increments\n"
        "--to-tar FILE  the same as a tar archive, - to standard output"),
    OUTSIDE(check, "[--readonly] [--check-data-csum] [--memory SIZE] [-q] T",
            "look for damage, and say what it means",
            "--check-data-csum  read all data too   --memory SIZE  use no more of it (256m)\n"
            "--readonly  as without: nothing is changed   -q  no progress bar, silent when clean\n"
            "Exit status 1 when there is a problem."),
    OUTSIDE(restore,
            "[-r ID] [-s] [-D] [-i] [-o] [-v] [-t ADDRESS] [-u COPY] [--include GLOB]… [--exclude "
            "GLOB]…\n"
            "    [--path-regex REGEX [-c]] [--ignore-checksums] [--older] T DIR",
            "bring files out of a damaged file system, which is not changed",
            "-r ID  of that subvolume only   -s  snapshots too   -D  only print what there is\n"
            "-o  over files that are there   -i  go on when DIR is full   -v  print names\n"
            "-t ADDRESS  a block to be the root of the root tree; inspect find-roots prints some\n"
            "-u COPY  of the superblock, 0 to 2   --ignore-checksums  take data as it is\n"
            "--older  where a tree block is lost, also what older states of it tell\n"
            "GLOB  of names, or (with a slash in it) of paths   -c  in either case\n"
            "-m -x -S  as without: owners, attributes and symlinks are kept\n"
            "Exit status 1 when something was lost; each loss is one line."),
    OUTSIDE(
        image, "[-c LEVEL] [-s | -ss] T FILE | -r [-f] FILE T",
        "all metadata as one file for a bug report, and back",
        "-c LEVEL  of zlib, 1 to 9   -s  other names, with the same hashes; those of up to four\n"
        "  bytes stay   -ss  also those, and their hashes are wrong then   FILE -: standard "
        "output\n"
        "-r  make an image of FILE, which opens read-only   -f  over what is there\n"
        "-w -t N  as without"),
    IN("quota", "enable", quota_enable, "[-s] T", "switch quotas on, and count",
       "-s  simple quotas: an extent counts for the subvolume that wrote it, from now on"),
    IN("quota", "disable", quota_disable, "T", "switch quotas off, and forget all groups", NULL),
    IN("quota", "rescan", quota_rescan, "[-s | -w | -W] T", "count everything anew",
       "-s  print whether one is running   -w  all of it   -W  the rest of one that is running"),
    IN("quota", "status", quota_status, "T", "print whether quotas are on and consistent", NULL),
    IN("qgroup", "create", qgroup_create, "GROUP T", "make a quota group",
       "GROUP  LEVEL/NUMBER; those of level 0 are the subvolumes'"),
    IN("qgroup", "destroy", qgroup_destroy, "GROUP T", "remove a quota group", NULL),
    IN("qgroup", "assign", qgroup_assign, "[--rescan | --no-rescan] GROUP PARENT T",
       "put a group into one of a higher level", NULL),
    IN("qgroup", "remove", qgroup_remove, "[--rescan | --no-rescan] GROUP PARENT T",
       "take a group out of another", NULL),
    IN("qgroup", "limit", qgroup_limit, "[-c] [-e] SIZE|none [GROUP] P", "limit a quota group",
       "-e  what it has alone, else what it references   -c  as without\n"
       "without GROUP: that of the subvolume at P"),
    IN("qgroup", "clear-stale", qgroup_clear_stale, "T",
       "remove the groups of subvolumes that are gone", NULL),
    IN("qgroup", "show", qgroup_show,
       "[-p] [-c] [-r] [-e] [-F | -f] [--sort=COLUMN,…] [--sync] [UNITS] P", "print quota groups",
       "-p parents   -c members   -r -e  limits of what is referenced, of what is exclusive\n"
       "-F  those P is in   -f  that of P alone   --sync  commit first\n"
       "--sort  by qgroupid, rfer, excl, max_rfer, max_excl, path; -COLUMN  backwards\n" UNITS),
    IN("inspect", "dump-super", dump_super, "[-a] [-f] [-F] [-s COPY] DEV…", "print superblocks",
       "-a  all copies   -f  all of it   -F  also without magic   -s  that copy"),
    IN("inspect", "dump-tree", dump_tree, "[-t TREE] [-b BLOCK [--follow]] T", "print trees",
       "-t  a name or a number   -b  a block by its logical address"),
    IN("inspect", "find-roots", find_roots, "[-a] [-t TREE] T",
       "print blocks that may be roots of trees",
       "-a  of every age, not only the newest   -t  of that tree, a name or a number"),
    IN("inspect", "rootid", rootid, "P", "print the subvolume id of a file", NULL),
    IN("inspect", "inode-resolve", inode_resolve, "INO P", "print the paths of an inode", NULL),
    IN("inspect", "logical-resolve", logical_resolve, "[-P] [-o] [-s SIZE] ADDRESS T",
       "print the files at a logical address",
       "-P  inodes, not paths   -o  who has any part of the extent   -s SIZE  of the answer"),

    ALIAS("filesystem", "df", df, "[UNITS] T", "print space by kind"),
    IN("filesystem", "usage", usage, "[UNITS] T", "print space in detail", UNITS),
    ALIAS("filesystem", "du", du, "[-s] [UNITS] P…", "print space of files"),
    ALIAS("filesystem", "defragment", defrag, "[OPTION…] P…", "rewrite small extents"),
    ALIAS("filesystem", "sync", sync, "P", "commit"),
    IN("filesystem", "label", label, "T [LABEL]", "print or set the label", NULL),
    TOP(version, "", "print version and features", NULL),
    TOP(help, "[COMMAND]", "print help", NULL),
};

const unsigned command_count = sizeof(commands) / sizeof(*commands);
