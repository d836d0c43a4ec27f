// SPDX-License-Identifier: GPL-2.0-or-later
/* What can be wrong: one row a problem, in the order in which they are reported. */
#ifndef COPSE_OPS_CHECK_PROBLEMS_H
#define COPSE_OPS_CHECK_PROBLEMS_H

/*
 * P(CODE, "name", severity, "what it means for the user's files", "how it is repaired")
 *
 * ERROR: data is lost, or the next change may lose some. WARNING: wrong, and harmless so far. NOTE:
 * worth knowing, and nothing is wrong.
 */
#define CHECK_PROBLEMS(P)                                                                          \
    P(SUPER_BAD, "super-bad", ERROR, "the file system cannot be opened",                           \
      "written again from a copy that is good")                                                    \
    P(SUPER_COPY_BAD, "super-copy-bad", ERROR,                                                     \
      "files are safe; a spare for the superblock is missing", "written again from the primary")   \
    P(SUPER_COPY_STALE, "super-copy-stale", NOTE,                                                  \
      "files are safe; the spare superblock leads to an older state",                              \
      "written again from the primary")                                                            \
    P(BACKUP_ROOT, "backup-root", WARNING,                                                         \
      "files are safe; a way back after damage leads nowhere", "written at the next commit")       \
    P(SUPER_USED, "super-used", ERROR, "files are safe; free space is shown wrong",                \
      "counted anew")                                                                              \
    P(SYSTEM_ARRAY, "system-array", ERROR, "the file system may fail to open",                     \
      "filled again from the chunk tree")                                                          \
    P(TREE_MISSING, "tree-missing", ERROR, "a tree that every file system has is gone", "")        \
    P(BLOCK_BAD, "block-bad", ERROR, "what this tree block holds is lost or unreachable",          \
      "of a leaf that is whole, an item that cannot be is taken out")                              \
    P(BLOCK_COPY_BAD, "block-copy-bad", ERROR,                                                     \
      "files are safe; one copy of this tree block is damaged",                                    \
      "written again from the good copy")                                                          \
    P(BLOCK_UNEXPECTED, "block-unexpected", ERROR,                                                 \
      "a tree leads to a block that is not the one it wants; what is below is wrong or old", "")   \
    P(BLOCK_OWNER, "block-owner", ERROR, "a tree leads to a block of another tree", "")            \
    P(BLOCK_KEYS, "block-keys", ERROR, "items of this tree block cannot be found", "")             \
    P(CHUNK_BAD, "chunk-bad", ERROR, "what lies in this chunk cannot be read",                     \
      "made again from the extents of the device")                                                 \
    P(CHUNK_NO_DEVICE_EXTENT, "chunk-no-device-extent", ERROR,                                     \
      "space in use may be given away again", "made from the chunk")                               \
    P(DEVICE_EXTENT_NO_CHUNK, "device-extent-no-chunk", ERROR,                                     \
      "files are safe; space on the device is lost", "removed")                                    \
    P(DEVICE_EXTENT_OVERLAP, "device-extent-overlap", ERROR,                                       \
      "two chunks lie on the same bytes; one has overwritten the other", "")                       \
    P(DEVICE_USED, "device-used", ERROR, "files are safe; free space is shown wrong",              \
      "counted anew")                                                                              \
    P(CHUNK_NO_GROUP, "chunk-no-group", ERROR, "nothing can be written into this chunk",           \
      "made from the chunk and its extents")                                                       \
    P(GROUP_NO_CHUNK, "group-no-chunk", ERROR, "new files may be written to nowhere", "removed")   \
    P(GROUP_MISMATCH, "group-mismatch", ERROR, "new files may be written to the wrong place",      \
      "made equal to the chunk")                                                                   \
    P(GROUP_USED, "group-used", ERROR,                                                             \
      "files are safe; space runs out too early, or writing fails", "counted anew")                \
    P(EXTENT_TREE, "extent-tree", ERROR,                                                           \
      "nobody knows which space is in use; writing would overwrite files", "")                     \
    P(EXTENT_OVERLAP, "extent-overlap", ERROR, "two owners have the same bytes", "")               \
    P(EXTENT_OUTSIDE, "extent-outside", ERROR,                                                     \
      "a file or tree block lies where there is no space", "")                                     \
    P(EXTENT_KIND, "extent-kind", ERROR, "tree blocks and file data are mixed up", "")             \
    P(EXTENT_REFS, "extent-refs", ERROR, "the extent may be freed while files use it, or never",   \
      "counted anew")                                                                              \
    P(REF_KEY, "ref-key", ERROR, "a reference cannot be found when its file goes",                 \
      "written again")                                                                             \
    P(REF_MISSING, "ref-missing", ERROR, "bytes in use may be given away and overwritten",         \
      "the reference is added")                                                                    \
    P(REF_EXTRA, "ref-extra", ERROR, "files are safe; the space is never given back",              \
      "the reference is removed")                                                                  \
    P(REF_COUNT, "ref-count", ERROR, "the extent may be freed while files use it, or never",       \
      "counted anew")                                                                              \
    P(FREE_MISSING, "free-missing", ERROR, "files are safe; free space is lost",                   \
      "the free-space tree is made anew")                                                          \
    P(FREE_EXTRA, "free-extra", ERROR, "space in use counts as free and may be overwritten",       \
      "the free-space tree is made anew")                                                          \
    P(FREE_STALE, "free-stale", NOTE,                                                              \
      "files are safe; the free-space tree still lists block groups that are gone", "removed")     \
    P(FREE_COUNT, "free-count", ERROR, "files are safe; the free-space tree contradicts itself",   \
      "the free-space tree is made anew")                                                          \
    P(CSUM_OVERLAP, "csum-overlap", ERROR, "reading may fail for checksums that are not its own",  \
      "")                                                                                          \
    P(CSUM_NO_DATA, "csum-no-data", ERROR, "what is written there next may be unreadable",         \
      "removed")                                                                                   \
    P(CSUM_MISSING, "csum-missing", ERROR, "these bytes cannot be verified; reading may fail",     \
      "computed from the data")                                                                    \
    P(CSUM_UNWRITTEN, "csum-unwritten", ERROR,                                                     \
      "checksums of bytes that nobody has written: what is written there may be unreadable",       \
      "removed")                                                                                   \
    P(CSUM_UNWANTED, "csum-unwanted", ERROR,                                                       \
      "checksums under a file that has none: writing in place makes it unreadable", "removed")     \
    P(DATA_BAD, "data-bad", ERROR, "these bytes of the file are damaged", "")                      \
    P(DATA_COPY_BAD, "data-copy-bad", ERROR, "files are safe; one copy of these bytes is damaged", \
      "")                                                                                          \
    P(INODE_MISSING, "inode-missing", ERROR, "a file without attributes cannot be opened",         \
      "made up from what is left of it")                                                           \
    P(INODE_GENERATION, "inode-generation", WARNING,                                               \
      "a file from the future: send and log replay may go wrong", "set right")                     \
    P(INODE_NLINK, "inode-nlink", ERROR, "the file may vanish while it has names, or never",       \
      "counted anew")                                                                              \
    P(INODE_NBYTES, "inode-nbytes", ERROR, "the file is whole; the space it takes is shown wrong", \
      "counted anew")                                                                              \
    P(INODE_SIZE, "inode-size", ERROR, "the file cannot be read", "set to the end of its data")    \
    P(DIR_SIZE, "dir-size", ERROR, "the directory may refuse to be removed", "counted anew")       \
    P(HOLE_MISSING, "hole-missing", ERROR, "reading the file may fail at that place",              \
      "a hole is put there")                                                                       \
    P(FILE_EXTENT_OVERLAP, "file-extent-overlap", ERROR,                                           \
      "two pieces of the file claim the same place", "")                                           \
    P(FILE_EXTENT_RAM, "file-extent-ram", ERROR,                                                   \
      "the file reads right today; reflinks and relocation may go wrong", "set right")             \
    P(FILE_EXTENT_INLINE, "file-extent-inline", ERROR, "the file may read wrong", "")              \
    P(FILE_EXTENT_COMPRESSED, "file-extent-compressed", ERROR,                                     \
      "compressed bytes in a file that is written in place", "")                                   \
    P(EXTREF_KEY, "extref-key", ERROR, "the file cannot be removed", "")                           \
    P(NAME_NO_INODE, "name-no-inode", ERROR, "a name leads to no file", "the name is removed")     \
    P(NAME_TYPE, "name-type", ERROR, "a directory shows the file as something else", "set right")  \
    P(NAME_NO_REF, "name-no-ref", ERROR, "the name may be impossible to remove", "set right")      \
    P(REF_NO_NAME, "ref-no-name", ERROR, "the file is missing in its directory",                   \
      "the name is put back")                                                                      \
    P(DIR_ENTRIES, "dir-entries", ERROR,                                                           \
      "a name is listed and cannot be opened, or the other way", "set right")                      \
    P(ORPHAN_MISSING, "orphan-missing", ERROR, "files are safe; a deleted file keeps its space",   \
      "it is deleted at the next mount")                                                           \
    P(ORPHAN_NO_INODE, "orphan-no-inode", WARNING, "files are safe", "removed")                    \
    P(ROOT_NO_NAME, "root-no-name", ERROR, "the subvolume cannot be reached by a path",            \
      "put back, or into lost+found")                                                              \
    P(ROOT_REF, "root-ref", ERROR, "the subvolume may be impossible to remove", "set right")       \
    P(ROOT_NO_ORPHAN, "root-no-orphan", WARNING,                                                   \
      "files are safe; what was deleted keeps its space", "it is dropped at the next mount")       \
    P(ROOT_GENERATION, "root-generation", WARNING, "snapshots may go wrong", "set right")          \
    P(ROOT_BYTES, "root-bytes", WARNING,                                                           \
      "files are safe; Linux may take a small file system for a full one", "set right")            \
    P(UUID_MISSING, "uuid-missing", WARNING, "send and receive do not find the subvolume",         \
      "the uuid tree is made anew")                                                                \
    P(UUID_EXTRA, "uuid-extra", WARNING, "send and receive may pick the wrong subvolume",          \
      "the uuid tree is made anew")                                                                \
    P(LOG_BAD, "log-bad", ERROR,                                                                   \
      "what was fsynced last cannot be brought back, and the file system does not open",           \
      "the log is dropped")                                                                        \
    P(UNFINISHED, "unfinished", ERROR, "not everything could be looked at", "")

enum check_code {
#define CHECK_CODE(code, name, severity, means, repair) CHECK_##code,
    CHECK_PROBLEMS(CHECK_CODE)
#undef CHECK_CODE
        CHECK_CODES
};

#endif
