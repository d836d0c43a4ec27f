// SPDX-License-Identifier: GPL-2.0-or-later
/* Words for what is in a stat: modes, types, times, uuids. And names as they are printed. */
#ifndef COPSE_CLI_TEXT_H
#define COPSE_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct json_object;

#define LLU(value) ((unsigned long long)(value))

/* "-rw-r--r--" */
const char *mode_text(uint32_t mode, char buf[11]);
/* "regular file" */
const char *type_text(uint32_t mode);
/* "2026-11-20 16:19:45 +0000", with nanoseconds when asked for; local time. */
#define TIME_TEXT_MAX 64
const char *time_text(const struct timespec *time, char buf[TIME_TEXT_MAX]);
const char *time_text_ns(const struct timespec *time, char buf[TIME_TEXT_MAX]);
#define UUID_TEXT_MAX 37
const char *uuid_text(const uint8_t uuid[16], char buf[UUID_TEXT_MAX]);
/* "-" for the zero uuid. */
const char *uuid_or_dash(const uint8_t uuid[16], char buf[UUID_TEXT_MAX]);

/* A name as it is; on a terminal with control characters as '?'. */
void print_name(const char *name, size_t len);

/* Permission bits that a new file gets, by the umask of the process. */
uint32_t mode_after_umask(uint32_t mode);

/* ---- JSON: every list in an object with btrfs's header --------------------------------------- */

struct json_object *json_uint(uint64_t value);
/* Bytes that are no UTF-8 have to be: each becomes the character of its number. */
struct json_object *json_bytes(const char *bytes, size_t len);
struct json_object *json_time(const struct timespec *time);
/* Prints {"__header": …, name: list} and takes list. */
void json_print(const char *name, struct json_object *list);

#endif
