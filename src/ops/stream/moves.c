// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the names a receiver has to those it shall have.
 *
 * Files that are gone lose their names first, and directories that are empty by that. Then every
 * task puts one name where it belongs. It needs the directory to be there, the name to be free,
 * and, when a directory moves, a destination that does not lie below it. What stands in the way
 * has a task of its own, which goes first; where tasks wait for each other in a circle, one of
 * them is moved aside, to a name of ours in the root. Each is moved aside at most once, so this
 * ends, and at the end every name is where it belongs.
 */
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "ops/stream/names.h"

/* Deeper than that nobody is asked to go first; it is moved aside. */
#define WAIT_DEPTH 200
#define DIRS_DEPTH_MAX 65536

static const struct identity root_id = {.ino = INO_SUBVOL_ROOT};

static bool is_root(const struct identity *id)
{
    return id->ino == INO_SUBVOL_ROOT;
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
    return a->ino == b->ino && a->generation == b->generation;
}

/* ---- where things are now -------------------------------------------------------------------- */

/* The place of a directory in the current state; *out is owned by the caller. */
static int dir_place(struct names_diff *diff, const struct identity *dir, struct place **out)
{
    struct object *object = object_find(diff, dir);
    struct side *old = diff->send->old_side;
    struct identity parent;
    struct name_of name;

    if (object && object->at)
        return place_new(&object->at->dir, object->at->name, object->at->len, out);
    send_lock(diff->send);
    int ret = side_first_name(old, dir->ino, &name);
    if (ret == 0)
        ret = identity_of(old, name.parent, &parent);
    send_unlock(diff->send);
    if (ret < 0)
        return ret == -ENOENT
                   ? fail(-EUCLEAN, "directory %llu has no name", (unsigned long long)dir->ino)
                   : ret;
    return place_new(&parent, name.name, name.len, out);
}

static int prepend(struct text *path, const struct place *place)
{
    AUTO_TEXT struct text longer = {0};

    TRY(text_add(&longer, place->name, place->len));
    if (path->len > 0) {
        TRY(text_add(&longer, "/", 1));
        TRY(text_add(&longer, path->at, path->len));
    }
    struct text swap = *path;
    *path = longer;
    longer = swap;
    return 0;
}

/* The path of a name in the current state. */
static int place_path(struct names_diff *diff, const struct place *place, struct text *out)
{
    struct identity dir = place->dir;

    text_cut(out, 0);
    TRY(prepend(out, place));
    for (unsigned depth = 0; !is_root(&dir); depth++) {
        AUTO_FREE struct place *at = NULL;

        if (depth > DIRS_DEPTH_MAX)
            return fail(-EUCLEAN, "the directories above %llu form a loop",
                        (unsigned long long)place->dir.ino);
        TRY(dir_place(diff, &dir, &at));
        TRY(prepend(out, at));
        dir = at->dir;
    }
    return 0;
}

/* A directory is somewhere else now. */
static int move_object(struct object *object, const struct place *to)
{
    struct place *at;

    if (!object->is_dir)
        return 0;
    TRY(place_new(&to->dir, to->name, to->len, &at));
    free(object->at);
    object->at = at;
    object->moved = true;
    return 0;
}

/* ---- removing -------------------------------------------------------------------------------- */

static int put_path_command(struct names_diff *diff, enum stream_command_type type,
                            const struct place *place)
{
    AUTO_TEXT struct text path = {0};

    TRY(place_path(diff, place, &path));
    send_begin(diff->send, type, text_get(&path));
    return send_end(diff->send);
}

/* A name left its directory: removes the directory if it was the last one, and so on upwards. */
static int left_dir(struct names_diff *diff, const struct identity *from)
{
    struct identity dir = *from;

    for (;;) {
        struct object *object = object_find(diff, &dir);

        if (!object || object->in_new || !object->exists || --object->left > 0)
            return 0;
        AUTO_FREE struct place *place = NULL;
        TRY(dir_place(diff, &dir, &place));
        TRY(put_path_command(diff, CMD_RMDIR, place));
        object->exists = false;
        slot_drop(diff, place);
        dir = place->dir;
    }
}

static int unlink_name(struct names_diff *diff, struct place *place)
{
    TRY(put_path_command(diff, CMD_UNLINK, place));
    slot_drop(diff, place);
    return left_dir(diff, &place->dir);
}

/* ---- moving aside ---------------------------------------------------------------------------- */

static int name_is_taken(struct names_diff *diff, const char *name, bool *taken)
{
    uint16_t len = (uint16_t)strlen(name);
    struct side *sides[] = {diff->send->old_side, &diff->send->new_side};
    int ret = 0;

    *taken = false;
    send_lock(diff->send);
    for (unsigned i = 0; ret == 0 && !*taken && i < 2; i++) {
        struct dir_entry entry;
        struct inode *root;

        ret = inode_get_locked(sides[i]->fs, sides[i]->tree, INO_SUBVOL_ROOT, &root);
        if (ret < 0)
            break;
        ret = dir_lookup(root, name, len, &entry);
        *taken = ret == 0;
        if (ret == -ENOENT)
            ret = 0;
        inode_put(root);
    }
    send_unlock(diff->send);
    fail_clear();
    return ret;
}

static int orphan_place(struct names_diff *diff, const struct object *object, struct place **out)
{
    bool taken = true;
    char name[80];

    while (taken) {
        snprintf(name, sizeof(name), "o%llu-%llu-%u", (unsigned long long)object->id.ino,
                 (unsigned long long)object->id.generation, diff->orphans++);
        TRY(name_is_taken(diff, name, &taken));
    }
    return place_new(&root_id, name, strlen(name), out);
}

static int put_rename(struct names_diff *diff, const struct place *from, const struct place *to)
{
    AUTO_TEXT struct text from_path = {0};
    AUTO_TEXT struct text to_path = {0};

    TRY(place_path(diff, from, &from_path));
    TRY(place_path(diff, to, &to_path));
    send_begin(diff->send, CMD_RENAME, text_get(&from_path));
    encode_text(&diff->send->out, ATTR_PATH_TO, text_get(&to_path));
    return send_end(diff->send);
}

/* The name that a move begins with, or a directory that will be removed. */
static int move_aside(struct names_diff *diff, struct object *object, struct task *task)
{
    AUTO_FREE struct place *from = NULL;
    struct place *aside;

    if (task)
        from = STEAL(task->from);
    else
        TRY(dir_place(diff, &object->id, &from));
    TRY(orphan_place(diff, object, &aside));
    int ret = put_rename(diff, from, aside);
    if (ret == 0)
        ret = move_object(object, aside);
    if (task) {
        task->from = aside;
        task->orphaned = true;
    } else {
        free(aside);
    }
    TRY(ret);
    diff->send->root_touched = true;
    slot_drop(diff, from);
    return left_dir(diff, &from->dir);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

/* Returned, without a message, by a task that waits for one that waits for it. */
#define BLOCKED 1

static int run_task(struct names_diff *diff, struct task *task, unsigned depth);

static int make_first(struct names_diff *diff, const struct identity *dir, unsigned depth)
{
    struct object *object = object_find(diff, dir);

    if (!object || object->exists)
        return 0;
    INVARIANT(object->task_count > 0, "what is not there is to be made");
    return object->tasks[0].state == TASK_BUSY ? BLOCKED
                                               : run_task(diff, &object->tasks[0], depth + 1);
}

/* The pending move of an object that stands in the way. */
static int go_first(struct names_diff *diff, struct task *task, unsigned depth)
{
    if (task->state == TASK_TODO && depth < WAIT_DEPTH) {
        int ret = run_task(diff, task, depth + 1);
        if (ret != BLOCKED)
            return ret;
    }
    return task->orphaned ? 0 : move_aside(diff, task->object, task);
}

/*
 * The lowest directory above (or at) `dir`, and below `object`, that has still to move; *found
 * NULL: dir is not below the object.
 */
static int find_mover(struct names_diff *diff, const struct identity *start,
                      const struct object *object, struct task **found)
{
    struct identity dir = *start;
    struct task *mover = NULL;

    *found = NULL;
    for (unsigned depth = 0; !is_root(&dir); depth++) {
        AUTO_FREE struct place *at = NULL;

        if (same_identity(&dir, &object->id)) {
            if (!mover)
                return fail(-EUCLEAN, "directory %llu is below itself",
                            (unsigned long long)dir.ino);
            *found = mover;
            return 0;
        }
        if (depth > DIRS_DEPTH_MAX)
            return fail(-EUCLEAN, "the directories above %llu form a loop",
                        (unsigned long long)start->ino);
        struct object *step = object_find(diff, &dir);
        if (!mover && step && step->task_count > 0 && step->tasks[0].what == TASK_MOVE &&
            step->tasks[0].state != TASK_DONE)
            mover = &step->tasks[0];
        TRY(dir_place(diff, &dir, &at));
        dir = at->dir;
    }
    return 0;
}

/* Makes one thing less stand in the way. *ready: nothing does. */
static int clear_way(struct names_diff *diff, struct task *task, unsigned depth, bool *ready)
{
    struct task *mover = NULL;

    *ready = false;
    int ret = make_first(diff, &task->to->dir, depth);
    if (ret != 0)
        return ret;
    if (task->what == TASK_MOVE && task->object->is_dir)
        TRY(find_mover(diff, &task->to->dir, task->object, &mover));
    if (mover)
        return go_first(diff, mover, depth);
    struct slot *slot = slot_find(diff, task->to);
    if (slot)
        return slot->task ? go_first(diff, slot->task, depth)
                          : move_aside(diff, slot->object, NULL);
    *ready = true;
    return 0;
}

/* Any name that the object has now. */
static int name_now(struct names_diff *diff, struct object *object, struct text *out)
{
    struct side *old = diff->send->old_side;
    struct place *place = NULL;

    for (unsigned i = 0; !place && i < object->task_count; i++) {
        const struct task *task = &object->tasks[i];

        if (task->state == TASK_DONE)
            place = task->to;
        else if (task->what == TASK_MOVE)
            place = task->from;
    }
    if (place)
        return place_path(diff, place, out);
    /* None of its names has changed: the first one will do. */
    struct name_of name;
    struct identity parent;
    send_lock(diff->send);
    int ret = side_first_name(old, object->id.ino, &name);
    if (ret == 0)
        ret = identity_of(old, name.parent, &parent);
    send_unlock(diff->send);
    if (ret < 0)
        return fail(-EUCLEAN, "inode %llu has no name", (unsigned long long)object->id.ino);
    AUTO_FREE struct place *owned = NULL;
    TRY(place_new(&parent, name.name, name.len, &owned));
    return place_path(diff, owned, out);
}

static int do_make(struct names_diff *diff, struct task *task, const char *path)
{
    struct send *send = diff->send;
    struct inode_item item;

    send_lock(send);
    int ret = side_inode(&send->new_side, task->object->id.ino, &item);
    send_unlock(send);
    TRY(ret);
    TRY(send_make(send, task->object->id.ino, &item, path));
    task->object->exists = true;
    return move_object(task->object, task->to);
}

static int do_move(struct names_diff *diff, struct task *task)
{
    TRY(put_rename(diff, task->from, task->to));
    TRY(move_object(task->object, task->to));
    if (task->orphaned)
        return 0;
    slot_drop(diff, task->from);
    return left_dir(diff, &task->from->dir);
}

static int do_task(struct names_diff *diff, struct task *task)
{
    AUTO_TEXT struct text existing = {0};
    AUTO_TEXT struct text path = {0};

    if (task->what == TASK_MOVE)
        return do_move(diff, task);
    TRY(place_path(diff, task->to, &path));
    if (task->what == TASK_MAKE)
        return do_make(diff, task, text_get(&path));
    TRY(name_now(diff, task->object, &existing));
    return send_link(diff->send, text_get(&path), text_get(&existing));
}

static int run_task(struct names_diff *diff, struct task *task, unsigned depth)
{
    bool ready = false;

    if (task->state == TASK_DONE)
        return 0;
    task->state = TASK_BUSY;
    if (task->what == TASK_LINK && !task->object->exists) {
        int ret = run_task(diff, &task->object->tasks[0], depth + 1);
        if (ret != 0) {
            task->state = TASK_TODO;
            return ret;
        }
    }
    while (!ready) {
        int ret = clear_way(diff, task, depth, &ready);
        if (ret != 0) {
            task->state = TASK_TODO;
            return ret;
        }
    }
    TRY(do_task(diff, task));
    task->state = TASK_DONE;
    return 0;
}

/* ---- what is to be done ---------------------------------------------------------------------- */

/* Names that are gone and names that came, in pairs: moves. What is over is made or linked. */
static int plan_object(struct names_diff *diff, struct object *object)
{
    if (object->come_count == 0)
        return 0;
    object->tasks = calloc(object->come_count, sizeof(*object->tasks));
    if (!object->tasks)
        return fail(-ENOMEM, "no memory for names");
    for (unsigned i = 0; i < object->come_count; i++) {
        struct task *task = &object->tasks[object->task_count++];

        task->object = object;
        task->to = STEAL(object->come[i]);
        task->what = i > 0 || object->in_old ? TASK_LINK : TASK_MAKE;
        if (!object->in_old || i >= object->gone_count)
            continue;
        task->what = TASK_MOVE;
        task->from = STEAL(object->gone[i]);
        TRY(slot_add(diff, task->from, object, task));
    }
    return 0;
}

static struct object *deleted_dir(struct names_diff *diff, const struct identity *id)
{
    struct object *dir = object_find(diff, id);

    return dir && dir->in_old && !dir->in_new && dir->gone_count == 1 ? dir : NULL;
}

/* Entries of deleted directories, so that it is known when one is empty, and all that is below. */
static int count_entries(struct names_diff *diff, const struct object *object)
{
    for (unsigned i = 0; i < object->gone_count; i++) {
        struct object *dir = deleted_dir(diff, &object->gone[i]->dir);
        unsigned depth = 0;

        if (dir)
            dir->left++;
        for (; dir && depth < DIRS_DEPTH_MAX; depth++) {
            dir->below++;
            dir = deleted_dir(diff, &dir->gone[0]->dir);
        }
        if (depth == DIRS_DEPTH_MAX)
            return fail(-EUCLEAN, "the directories above %llu form a loop",
                        (unsigned long long)object->id.ino);
    }
    return 0;
}

/* What a move aside costs beside the two paths, and how long a name of ours is, about. */
#define MOVE_BYTES 18
#define ORPHAN_BYTES 12

/*
 * Every name that is removed costs its path. Where much is removed deep down, a directory goes to
 * the root first; the highest ones before those in them.
 */
static int shorten_path(struct names_diff *diff, struct object *dir)
{
    AUTO_FREE struct place *place = NULL;
    AUTO_TEXT struct text path = {0};

    if (dir->short_path)
        return 0;
    dir->short_path = true;
    struct object *above = deleted_dir(diff, &dir->gone[0]->dir);
    if (above)
        TRY(shorten_path(diff, above));
    TRY(dir_place(diff, &dir->id, &place));
    TRY(place_path(diff, place, &path));
    if (path.len <= ORPHAN_BYTES ||
        dir->below * (path.len - ORPHAN_BYTES) <= path.len + ORPHAN_BYTES + MOVE_BYTES)
        return 0;
    return move_aside(diff, dir, NULL);
}

static int shorten_paths(struct names_diff *diff)
{
    struct object *object, *next;

    HASH_ITER (hh, diff->objects, object, next)
        if (object->is_dir && deleted_dir(diff, &object->id))
            TRY(shorten_path(diff, object));
    return 0;
}

static int plan_all(struct names_diff *diff)
{
    struct object *object, *next;

    HASH_ITER (hh, diff->objects, object, next)
        TRY(count_entries(diff, object));
    HASH_ITER (hh, diff->objects, object, next) {
        if (object->is_dir && object->in_old && !object->in_new) {
            if (object->gone_count != 1)
                return fail(-EUCLEAN, "directory %llu has %u names",
                            (unsigned long long)object->id.ino, object->gone_count);
            TRY(slot_add(diff, object->gone[0], object, NULL));
        }
        TRY(plan_object(diff, object));
    }
    return 0;
}

/* Names that no move takes along. */
static int unlink_gone(struct names_diff *diff)
{
    struct object *object, *next;

    HASH_ITER (hh, diff->objects, object, next)
        for (unsigned i = 0; !object->is_dir && i < object->gone_count; i++)
            if (object->gone[i])
                TRY(unlink_name(diff, object->gone[i]));
    return 0;
}

/* Directories that were empty before. */
static int remove_empty(struct names_diff *diff)
{
    struct object *object, *next;

    HASH_ITER (hh, diff->objects, object, next) {
        if (!object->is_dir || object->in_new || !object->exists || object->left > 0)
            continue;
        object->left = 1;
        TRY(left_dir(diff, &object->id));
    }
    return 0;
}

int send_changed_names(struct send *send)
{
    struct names_diff diff = {.send = send};
    struct object *object, *next;

    int ret = names_collect(&diff);
    if (ret == 0)
        ret = plan_all(&diff);
    if (ret == 0)
        ret = shorten_paths(&diff);
    if (ret == 0)
        ret = unlink_gone(&diff);
    if (ret == 0)
        ret = remove_empty(&diff);
    HASH_ITER (hh, diff.objects, object, next)
        for (unsigned i = 0; ret == 0 && i < object->task_count; i++)
            ret = run_task(&diff, &object->tasks[i], 0);
    INVARIANT(ret <= 0, "nothing waits for a task that nobody waits for");
    names_free_all(&diff);
    return ret;
}
