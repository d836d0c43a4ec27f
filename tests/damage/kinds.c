// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each kind of damage by itself. A damaged image is refused or read with a one-line error that
 * says what and where; what is not damaged is read as before; a read-only open changes no byte;
 * and whatever is done through a writable open ends in an error or a success (promise 7).
 */
#include "base/test/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exercise.h"
#include "kinds.h"
#include "ops/check/check.h"
#include "ops/repair/repair.h"
#include "walk.h"

#define TESTS_MAX 400
#define CHANGES 40

static struct image bases[BASE_ALL];
static struct walk sound[BASE_ALL];

/* ---- what rows use -----------------------------------------------------------------------------
 */

uint64_t kind_ino(enum base_kind base, const char *path)
{
    struct env *env = env_seeded_new(1);
    struct inode *at, *next;
    struct mount *m;

    assert_int_equal(base_open(env, &bases[base], true, &m), 0);
    at = inode_ref(m->root);
    for (const char *name = path; *name;) {
        size_t len = strcspn(++name, "/");

        assert_int_equal(mount_lookup(m, at, name, len, &next), 0);
        mount_put(m, at);
        at = next;
        name += len;
    }
    uint64_t ino = at->ino;
    mount_put(m, at);
    assert_int_equal(mount_close(m), 0);
    env_seeded_free(env);
    return ino;
}

struct image_item kind_item(const struct image *image, uint64_t tree, uint64_t objectid,
                            uint8_t type, uint64_t offset)
{
    const struct key key = key_make(objectid, type, offset);
    struct image_item item;

    assert_true(image_find(image, tree, &key, &item));
    return item;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static bool is_harmed(const struct kind *kind, const char *path)
{
    for (unsigned i = 0; i < KIND_PATHS && kind->harmed[i]; i++) {
        size_t len = strlen(kind->harmed[i]);

        if (strcmp(kind->harmed[i], ".") == 0) {
            if (*path == '\0')
                return true;
            continue;
        }
        if (len == 1 ||
            (strncmp(kind->harmed[i], path, len) == 0 &&
             (path[len] == '\0' || path[len] == '/' || kind->harmed[i][len - 1] == '*')))
            return true;
        /* "/dir/file*" */
        if (kind->harmed[i][len - 1] == '*' && strncmp(kind->harmed[i], path, len - 1) == 0)
            return true;
    }
    return false;
}

static void check_says(const struct kind *kind, const char *message)
{
    for (unsigned i = 0; i < KIND_WORDS && kind->says[i]; i++) {
        if (!strstr(message, kind->says[i])) {
            print_error("expected '%s' in: %s\n", kind->says[i], message);
            assert_non_null(strstr(message, kind->says[i]));
        }
    }
}

/* All that is not harmed looks as it did. */
static void check_rest(const struct kind *kind, const struct walk *walk)
{
    const struct walk *before = &sound[kind->base];

    for (size_t i = 0; i < before->count; i++) {
        const struct walk_entry *then = &before->entries[i];
        const struct walk_entry *now = walk_find(walk, then->path);

        if (is_harmed(kind, then->path))
            continue;
        if (!now || now->error || now->hash != then->hash)
            print_error("%s: %s\n", then->path[0] ? then->path : "/",
                        !now         ? "gone"
                        : now->error ? walk->first_error.message
                                     : "looks different");
        assert_true(now && now->error == 0 && now->hash == then->hash);
    }
}

static void look(const struct kind *kind, struct mount *m, struct env *env)
{
    struct walk walk;

    walk_everything(m, &walk);
    if (walk.bad_error[0])
        print_error("%s\n", walk.bad_error);
    assert_string_equal(walk.bad_error, "");
    if (walk.first_error.err != kind->walk_err)
        print_error("%s: %d: %s\n", walk.first_error.where, walk.first_error.err,
                    walk.first_error.message);
    assert_int_equal(walk.first_error.err, kind->walk_err);
    check_says(kind, kind->walk_err ? walk.first_error.message : env_seeded_last_note(env));
    check_rest(kind, &walk);
    walk_free(&walk);
    assert_int_equal(mount_close(m), 0);
}

static void read_only(const struct kind *kind, const struct image *image)
{
    const struct copse_open_options options = {
        .size = sizeof(options), .readonly = true, .cache_bytes = 4 * MIB};
    struct dev *record = dev_record_new(image_dev(image));
    struct dev *dev = dev_borrow(record);
    struct env *env = env_seeded_new(1);
    struct mount *m;

    int ret = mount_open(env, &dev, 1, &options, &m);
    if (ret != kind->open_err)
        print_error("%d: %s\n", ret, fail_message());
    assert_int_equal(ret, kind->open_err);
    if (ret == 0) {
        look(kind, m, env);
    } else {
        assert_null(strchr(fail_message(), '\n'));
        check_says(kind, fail_message());
    }
    assert_int_equal(dev_record_count(record), 0);
    dev_close(record);
    env_seeded_free(env);
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static void poke_inode(struct mount *m, struct inode *inode)
{
    static uint8_t buf[128 * KIB];
    struct copse_stat st = {.size = 5000, .mode = 0600};
    size_t done;

    (void)!mount_pread(m, inode, buf, sizeof(buf), 4096, &done);
    (void)!mount_pwrite(m, inode, buf, 10000, 1234, &done);
    (void)!mount_fsync(m, inode, false);
    (void)!mount_setattr(m, inode, COPSE_SET_MODE, &st);
    (void)!mount_setattr(m, inode, COPSE_SET_SIZE, &st);
    (void)!mount_setxattr(m, inode, "user.small", "new", 3, 0);
    (void)!mount_removexattr(m, inode, "user.large");
}

/* The place itself first, whatever it is, then its names. */
static void poke(struct mount *m, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct inode *dir = inode_ref(m->root), *inode;
    struct copse_cred cred = {0};

    if (slash != path) {
        mount_put(m, dir);
        if (mount_lookup(m, m->root, path + 1, (size_t)(slash - path - 1), &dir) < 0)
            return;
    }
    const char *name = slash + 1;
    if (mount_lookup(m, dir, name, strlen(name), &inode) == 0) {
        poke_inode(m, inode);
        if (inode_is_dir(inode)) {
            struct inode *made = NULL;

            (void)!mount_mkdir(m, inode, "made", 4, 0755, &cred, &made);
            mount_put(m, made);
        }
        mount_put(m, inode);
    }
    (void)!mount_rename(m, dir, name, strlen(name), m->root, "renamed", 7, 0);
    (void)!mount_unlink(m, dir, name, strlen(name));
    (void)!mount_unlink(m, m->root, "renamed", 7);
    (void)!mount_rmdir(m, m->root, "renamed", 7);
    mount_put(m, dir);
}

static void writable(const struct kind *kind, const struct image *image)
{
    struct choices choices = {0};
    struct env *env = env_seeded_new(2);
    struct mount *m;
    struct walk walk;

    rng_seed(&choices.rng, 1);
    int ret = base_open(env, image, false, &m);
    if ((kind->write_open == 1 && ret != 0) || (kind->write_open < 0 && ret != kind->write_open))
        print_error("writable: %d: %s\n", ret, fail_message());
    if (kind->write_open)
        assert_int_equal(ret, kind->write_open < 0 ? kind->write_open : 0);
    if (ret == 0) {
        if (kind->poke)
            poke(m, kind->poke);
        exercise(m, &choices, CHANGES);
        int synced = mount_sync(m);
        int closed = mount_close(m);
        int opened = base_open(env, image, true, &m);
        if (opened == 0) {
            walk_everything(m, &walk);
            assert_string_equal(walk.bad_error, "");
            if (kind->mended)
                assert_string_equal(walk.first_error.message, "");
            walk_free(&walk);
            assert_int_equal(mount_close(m), 0);
        }
        if (kind->mended)
            assert_true(synced == 0 && closed == 0 && opened == 0);
    }
    env_seeded_free(env);
}

/* ---- checking ---------------------------------------------------------------------------------
 */

struct codes {
    char text[2000]; /* of all problems, once each, a space behind each */
};

static void add_code(void *arg, const struct copse_check_problem *problem)
{
    struct codes *codes = arg;
    char code[64];

    assert_null(strchr(problem->text, '\n'));
    assert_true(*problem->means);
    snprintf(code, sizeof(code), " %s ", problem->code);
    if (problem->severity == COPSE_CHECK_NOTE || strstr(codes->text, code))
        return;
    assert_true(strlen(codes->text) + strlen(code) < sizeof(codes->text));
    strcat(codes->text, code + (codes->text[0] ? 1 : 0));
}

/* `copse check` names the damage, and changes no byte. */
static void checked(const struct kind *kind, const struct image *image)
{
    struct copse_check_options options = COPSE_CHECK_OPTIONS_INIT;
    struct copse_check_result result = {0};
    struct dev *record = dev_record_new(image_dev(image));
    struct env *env = env_seeded_new(1);
    const char *wanted = kind_code(kind->name);
    struct codes codes = {0};
    char code[64];
    int ret;

    options.data_csum = true;
    options.problem = add_code;
    options.arg = &codes;
    ret = check_run(env, dev_borrow(record), &options, &result);
    snprintf(code, sizeof(code), " %s ", wanted ? wanted : "");
    if (getenv("COPSE_CODES"))
        print_message("CODES\t%s\t%s\t%d%s\n", kind->name, wanted ? wanted : "-", ret, codes.text);
    else if (wanted && ret == 0 && !strstr(codes.text, code))
        print_error("expected%sin:%s\n", code, codes.text);
    if (wanted && !getenv("COPSE_CODES"))
        assert_true(strcmp(wanted, "-") == 0 ? ret < 0 : ret == 0 && strstr(codes.text, code));
    assert_int_equal(dev_record_count(record), 0);
    dev_close(record);
    env_seeded_free(env);
}

static bool is_zero(const uint8_t *buf, size_t len)
{
    return buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0;
}

static void dump_to(const struct image *image, const char *path)
{
    static uint8_t buf[MIB];
    struct dev *out;

    assert_int_equal(dev_file_create(path, image->size, &out), 0);
    for (uint64_t at = 0; at < image->size; at += sizeof(buf)) {
        size_t n = MIN(image->size - at, (uint64_t)sizeof(buf));

        image_read_raw(image, at, buf, n);
        if (!is_zero(buf, n))
            assert_int_equal(dev_write(out, at, buf, n), 0);
    }
    dev_close(out);
}

/* Where COPSE_DUMP names a file the damaged image is left there, for other judges. */
static void dump(const struct image *image)
{
    const char *path = getenv("COPSE_DUMP");

    if (path)
        dump_to(image, path);
}

/* The same for repaired ones: COPSE_DUMP_REPAIRED is a directory, each has its own file. */
static void dump_repaired(const struct kind *kind, const struct image *image)
{
    const char *folder = getenv("COPSE_DUMP_REPAIRED");
    char path[500];

    if (!folder)
        return;
    snprintf(path, sizeof(path), "%s/%s.img", folder, kind->name);
    dump_to(image, path);
}

/* ---- repairing --------------------------------------------------------------------------------
 */

static bool same_bytes(const struct image *a, const struct image *b)
{
    static uint8_t x[MIB], y[MIB];

    for (uint64_t at = 0; at < a->size; at += sizeof(x)) {
        size_t n = MIN(a->size - at, (uint64_t)sizeof(x));

        image_read_raw(a, at, x, n);
        image_read_raw(b, at, y, n);
        if (memcmp(x, y, n) != 0)
            return false;
    }
    return true;
}

static void forget_repaired(void *arg, const struct copse_check_problem *problem)
{
    assert_int_not_equal(problem->repaired, COPSE_CHECK_ONLY_LOOKED);
    if (problem->repaired == COPSE_CHECK_NOT_REPAIRED)
        add_code(arg, problem);
}

/* What was not harmed is as before; what was, at least reads without being called damaged. */
static void look_at_repaired(const struct kind *kind, const struct image *image, struct env *env)
{
    struct mount *m;
    struct walk walk;

    assert_int_equal(base_open(env, image, true, &m), 0);
    walk_everything(m, &walk);
    check_rest(kind, &walk);
    walk_free(&walk);
    assert_int_equal(mount_close(m), 0);
}

/* What is repaired stays so, and the undo file takes all of it back. */
static void repaired(const struct kind *kind, const struct image *damaged)
{
    struct copse_check_options options = COPSE_CHECK_OPTIONS_INIT;
    struct copse_check_result result = {0};
    struct env *env = env_seeded_new(1);
    struct codes left = {0}, second = {0};
    char undo[64];
    struct image image;
    int ret;

    /* In memory where that can be had: this is no test of fsync. */
    snprintf(undo, sizeof(undo), "%s/copse-undo-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
             (int)getpid());
    unlink(undo);
    image_clone(damaged, &image);
    options.data_csum = true;
    options.problem = forget_repaired;
    options.arg = &left;
    options.repair = true;
    options.undo_file = undo;
    ret = repair_run(env, image_dev(&image), &options, &result);
    if (getenv("COPSE_CODES"))
        print_message("REPAIR\t%s\t%d\t%llu repaired\tleft: %s\n", kind->name, ret,
                      (unsigned long long)result.repaired, left.text);
    if (ret == 0) {
        bool clean = result.repaired > 0 && result.errors + result.warnings == 0;

        options.repair = false;
        options.problem = add_code;
        options.arg = &second;
        assert_int_equal(check_run(env, image_dev(&image), &options, &result), 0);
        if (!getenv("COPSE_CODES")) {
            assert_int_equal(clean, kind_is_repaired(kind->name));
            assert_true(!clean || (*left.text == '\0' && *second.text == '\0'));
        }
        if (clean)
            look_at_repaired(kind, &image, env);
    }
    dump_repaired(kind, &image);
    if (access(undo, F_OK) == 0) {
        assert_false(same_bytes(damaged, &image));
        assert_int_equal(repair_undo(image_dev(&image), undo), 0);
        unlink(undo);
    }
    assert_true(same_bytes(damaged, &image));
    image_free(&image);
    env_seeded_free(env);
}

/*
 * A device that fails at the nth write, for good: as a crash leaves it. What was overwritten by
 * then comes back.
 */
static void test_cut_short(void **state)
{
    const struct kind *kind = *state;
    struct copse_check_options options = COPSE_CHECK_OPTIONS_INIT;
    struct copse_check_result result;
    struct env *env = env_seeded_new(1);
    struct image damaged;
    uint64_t hits = 1;
    char undo[64];

    snprintf(undo, sizeof(undo), "%s/copse-undo-%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
             (int)getpid());
    unlink(undo);
    image_clone(&bases[kind->base], &damaged);
    kind->damage(&damaged);
    options.repair = true;
    options.undo_file = undo;
    for (uint64_t nth = 1; hits > 0; nth += 1 + nth / 2) {
        const struct dev_fault plan = {
            .ops = DEV_OP_WRITE, .nth = nth, .permanent = true, .torn = true, .err = -EIO};
        struct image image;

        image_clone(&damaged, &image);
        struct dev *fault = dev_fault_new(image_dev(&image));
        dev_fault_arm(fault, &plan);
        (void)!repair_run(env, dev_borrow(fault), &options, &result);
        hits = dev_fault_hits(fault);
        dev_close(fault);
        assert_int_equal(repair_undo(image_dev(&image), undo), 0);
        unlink(undo);
        assert_true(same_bytes(&damaged, &image));
        image_free(&image);
    }
    image_free(&damaged);
    env_seeded_free(env);
}

/* ---- running -----------------------------------------------------------------------------------
 */

static void test_kind(void **state)
{
    const struct kind *kind = *state;
    struct image image;

    image_clone(&bases[kind->base], &image);
    kind->damage(&image);
    dump(&image);
    checked(kind, &image);
    repaired(kind, &image);
    if (!kind->repair_only) {
        read_only(kind, &image);
        writable(kind, &image);
    }
    image_free(&image);
}

/* What the rows are compared with shows no error itself, and has all that was put into it. */
static void test_sound(void **state)
{
    const enum base_kind kind = *(const enum base_kind *)*state;

    if (sound[kind].error_count)
        print_error("%s\n", sound[kind].first_error.message);
    assert_int_equal(sound[kind].error_count, 0);
    assert_true(sound[kind].count > 110);
    assert_non_null(walk_find(&sound[kind], "/dir/sub/deep"));
}

static void make_bases(void)
{
    struct env *env = env_seeded_new(1);

    for (enum base_kind kind = BASE_DEFAULT; kind < BASE_ALL; kind++) {
        struct mount *m;

        base_make(kind, &bases[kind]);
        int ret = base_open(env, &bases[kind], true, &m);
        INVARIANT(ret == 0, "a sound image opens");
        walk_everything(m, &sound[kind]);
        ret = mount_close(m);
        INVARIANT(ret == 0, "a read-only file system closes");
    }
    env_seeded_free(env);
}

/* Without words all; else those whose names contain one of them. */
static bool is_wanted(const char *name, char *const *words)
{
    if (!*words)
        return true;
    for (; *words; words++)
        if (strstr(name, *words))
            return true;
    return false;
}

static size_t add_rows(struct CMUnitTest *tests, size_t count, const struct kind *kinds,
                       char *const *words)
{
    for (; kinds->name; kinds++) {
        if (!is_wanted(kinds->name, words))
            continue;
        INVARIANT(count < TESTS_MAX, "there is room for all rows");
        tests[count++] = (struct CMUnitTest){kinds->name, test_kind, NULL, NULL, (void *)kinds};
    }
    return count;
}

int main(int argc, char **argv)
{
    static const struct kind *const tables[] = {kinds_super, kinds_blocks, kinds_chunks,
                                                kinds_files, kinds_names,  kinds_space,
                                                kinds_repair};
    static const enum base_kind all[] = {BASE_DEFAULT, BASE_OLD, BASE_MIXED, BASE_ORPHANS};
    static struct CMUnitTest tests[TESTS_MAX];
    const bool only = argc > 1;
    size_t count = 0;

    make_bases();
    for (enum base_kind kind = BASE_DEFAULT; kind < BASE_KINDS && !only; kind++)
        tests[count++] =
            (struct CMUnitTest){"a sound image", test_sound, NULL, NULL, (void *)&all[kind]};
    for (const struct kind *kind = kinds_space; kind->name && !only; kind++)
        if (strcmp(kind->name, "blocks of another tree") == 0)
            tests[count++] = (struct CMUnitTest){"a repair that is cut short", test_cut_short, NULL,
                                                 NULL, (void *)kind};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        count = add_rows(tests, count, tables[i], argv + 1);
    int failed = _cmocka_run_group_tests("damage", tests, count, NULL, NULL);
    for (enum base_kind kind = BASE_DEFAULT; kind < BASE_ALL; kind++) {
        walk_free(&sound[kind]);
        image_free(&bases[kind]);
    }
    return failed;
}
