// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of a mount: open, mount, serve, unmount, close. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "internal.h"

/* Requests that wait for a disk occupy a thread each. */
#define THREADS_MAX 32
#define THREADS_IDLE_MAX 16

static int say(struct copse_fuse_options *options, int ret, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int say(struct copse_fuse_options *options, int ret, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(options->message, sizeof(options->message), format, args);
    va_end(args);
    return ret;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int check_options(struct copse_fuse_options *options)
{
    if (options->fakeroot && (options->allow_other || options->allow_root))
        return say(options, -EINVAL, "-o fakeroot: for the mounting user alone, not with %s",
                   options->allow_other ? "allow_other" : "allow_root");
    if (options->fakeroot && options->default_permissions)
        return say(options, -EINVAL, "-o fakeroot: not with default_permissions");
    if (options->subvol && options->subvolid)
        return say(options, -EINVAL, "-o subvol=%s: not together with subvolid", options->subvol);
    if (options->rescue && !options->readonly)
        return say(options, -EINVAL, "-o rescue=: only with ro");
    if (geteuid() != 0 && (options->suid || options->dev))
        return say(options, -EPERM, "-o %s: %s", options->suid ? "suid" : "dev", strerror(EPERM));
    if (options->allow_other)
        options->default_permissions = true;
    return 0;
}

static int check_mountpoint(struct copse_fuse_options *options)
{
    struct stat st;

    if (stat(options->mountpoint, &st) < 0) {
        int err = errno;
        return say(options, -err, "%s: %s", options->mountpoint, strerror(err));
    }
    return S_ISDIR(st.st_mode)
               ? 0
               : say(options, -ENOTDIR, "%s: %s", options->mountpoint, strerror(ENOTDIR));
}

static int open_fs(struct mounted *m, struct copse_fuse_options *options)
{
    struct copse_open_options open_options = COPSE_OPEN_OPTIONS_INIT;

    open_options.readonly = options->readonly;
    open_options.cache_bytes = options->cache_bytes;
    open_options.subvol = options->subvol;
    open_options.subvolid = options->subvolid;
    open_options.noatime = options->noatime;
    open_options.strictatime = options->strictatime;
    open_options.nodatacow = options->nodatacow;
    open_options.discard = options->discard;
    open_options.notreelog = options->notreelog;
    open_options.rescue = options->rescue;
    open_options.compress = options->compress;
    open_options.compress_force = options->compress_force;
    open_options.commit_seconds = options->commit_seconds;
    open_options.background = true;
    open_options.no_data_cache = true; /* the kernel has one */
    int ret = copse_open(options->devices, options->device_count, &open_options, &m->fs);
    if (ret < 0)
        return say(options, ret, "%s", copse_error());
    m->root = copse_root(m->fs);
    return 0;
}

/* ---- mounting -------------------------------------------------------------------------------- */

static int add_option(struct fuse_args *args, const char *option)
{
    return fuse_opt_add_arg(args, "-o") < 0 || fuse_opt_add_arg(args, option) < 0 ? -ENOMEM : 0;
}

/* A name may have commas in it, which separate options elsewhere. */
static int add_fsname(struct fuse_args *args, const struct copse_fuse_options *options)
{
    const char *name = options->fsname ? options->fsname : options->devices[0];
    char *text = NULL, *escaped = NULL;

    int ret = asprintf(&text, "fsname=%s", name) < 0 ? -ENOMEM : 0;
    if (ret == 0)
        ret = fuse_opt_add_opt_escaped(&escaped, text) < 0 ? -ENOMEM : add_option(args, escaped);
    free(escaped);
    free(text);
    return ret;
}

static int session_args(struct fuse_args *args, const struct mounted *m)
{
    const struct copse_fuse_options *options = m->options;
    /* libfuse mounts nosuid and nodev unless told otherwise. mount(8) takes the words "suid,dev"
     * away, so that for root its silence means them. */
    bool by_mount = options->mount_helper && geteuid() == 0;
    const struct {
        bool given;
        const char *name;
    } words[] = {
        {copse_readonly(m->fs), "ro"},
        {options->allow_other, "allow_other"},
        {options->allow_root, "allow_root"},
        {options->default_permissions, "default_permissions"},
        {options->suid || (by_mount && !options->nosuid), "suid"},
        {options->dev || (by_mount && !options->nodev), "dev"},
        {options->noexec, "noexec"},
        {options->noatime, "noatime"},
        {options->sync, "sync"},
        {options->dirsync, "dirsync"},
        {true, "subtype=copse"},
    };

    int ret = fuse_opt_add_arg(args, "copse") < 0 ? -ENOMEM : add_fsname(args, options);
    for (size_t i = 0; ret == 0 && i < sizeof(words) / sizeof(*words); i++) {
        if (words[i].given)
            ret = add_option(args, words[i].name);
    }
    return ret;
}

static int new_session(struct mounted *m, struct copse_fuse_options *options)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

    int ret = session_args(&args, m);
    if (ret == 0) {
        m->session = fuse_session_new(&args, &copse_ops, sizeof(copse_ops), m);
        ret = m->session ? 0 : -EINVAL;
    }
    fuse_opt_free_args(&args);
    return ret < 0
               ? say(options, ret, "%s: the FUSE library refuses its options", options->mountpoint)
               : 0;
}

static int mount_session(struct mounted *m, struct copse_fuse_options *options)
{
    char why[COPSE_FUSE_MESSAGE_MAX / 2];
    struct capture capture;

    capture_start(&capture);
    int ret = fuse_session_mount(m->session, options->mountpoint);
    capture_end(&capture, why, sizeof(why));
    if (ret < 0)
        return say(options, -EIO, "%s: cannot be mounted: %s", options->mountpoint,
                   why[0] ? why : "FUSE does not work here");
    return 0;
}

/* ---- serving --------------------------------------------------------------------------------- */

static void serve(struct mounted *m)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();

    fuse_loop_cfg_set_clone_fd(config, 1);
    fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
    fuse_loop_cfg_set_idle_threads(config, THREADS_IDLE_MAX);
    fuse_session_loop_mt(m->session, config);
    fuse_loop_cfg_destroy(config);
    atomic_store(&m->loop_ended, true);
}

static int serve_mounted(struct mounted *m, struct copse_fuse_options *options)
{
    struct signals signals;

    int ret = new_session(m, options);
    if (ret < 0)
        return ret;
    ret = mount_session(m, options);
    if (ret == 0) {
        ret = signals_start(&signals, m);
        if (ret == 0) {
            if (jobs_start(m) < 0)
                note(LOG_WARNING, "%s: no socket: it can neither send nor receive",
                     options->mountpoint);
            serve(m);
            signals_stop(&signals);
            jobs_stop(m);
        } else {
            say(options, ret, "%s: %s", options->mountpoint, strerror(-ret));
        }
        /* Whoever waits for the kernel gets an answer when it knows that we are gone. */
        fuse_session_unmount(m->session);
        asides_wait(m);
    }
    fuse_session_destroy(m->session);
    return ret;
}

/* From opening to closing, in the process that stays. */
static int live(struct mounted *m, struct copse_fuse_options *options)
{
    int ret = open_fs(m, options);
    if (ret < 0)
        return ret;
    if (control_open(&m->control) < 0)
        note(LOG_WARNING, "%s: no socket: copse umount cannot wait for the last commit",
             options->mountpoint);
    ret = serve_mounted(m, options);
    files_release(m);
    nodes_release(m);
    int closed = copse_close(m->fs);
    if (ret == 0 && closed < 0)
        ret = say(options, closed, "the last commit failed: %s", copse_error());
    control_finish(&m->control, ret, options->message);
    return ret;
}

static int run_mount(struct copse_fuse_options *options, void (*ready)(struct mounted *m),
                     int *ready_fd)
{
    struct mounted m = {
        .options = options,
        .control = {.listener = -1},
        .jobs = {.listener = -1, .stop = -1},
        .nodes_lock = PTHREAD_MUTEX_INITIALIZER,
        .asides_lock = PTHREAD_MUTEX_INITIALIZER,
        .asides_gone = PTHREAD_COND_INITIALIZER,
        .ready = ready,
        .ready_fd = ready_fd,
        .main_thread = pthread_self(),
    };

    notes_start();
    signals_block();
    return live(&m, options);
}

/* ---- in the background ----------------------------------------------------------------------- */

struct start_result {
    int32_t result;
    char message[COPSE_FUSE_MESSAGE_MAX];
};

static void tell_parent(int fd, int result, const char *message)
{
    struct start_result start = {.result = result};

    snprintf(start.message, sizeof(start.message), "%s", message);
    /* Less than PIPE_BUF, so all of it or nothing; a parent that is gone does not matter. */
    ssize_t sent = write(fd, &start, sizeof(start));
    (void)sent;
    close(fd);
}

static void leave_terminal(struct mounted *m)
{
    int null = open("/dev/null", O_RDWR);

    notes_to_syslog();
    if (null >= 0) {
        for (int fd = 0; fd <= 2; fd++)
            dup2(null, fd);
        if (null > 2)
            close(null);
    }
    tell_parent(*m->ready_fd, 0, "");
    *m->ready_fd = -1;
}

static void stay(struct mounted *m)
{
    (void)m;
}

static void run_child(struct copse_fuse_options *options, int fd)
{
    setsid();
    int ret = run_mount(options, leave_terminal, &fd);
    if (fd >= 0 && ret == 0)
        ret = say(options, -EIO, "%s: unmounted before it worked", options->mountpoint);
    if (fd >= 0)
        tell_parent(fd, ret, options->message);
    else if (ret < 0)
        note(LOG_ERR, "%s: %s", options->mountpoint, options->message);
    _exit(ret < 0);
}

static int wait_for_child(struct copse_fuse_options *options, pid_t pid, int fd)
{
    struct start_result start;
    ssize_t got;

    do {
        got = read(fd, &start, sizeof(start));
    } while (got < 0 && errno == EINTR);
    close(fd);
    if (got != (ssize_t)sizeof(start)) {
        waitpid(pid, NULL, 0);
        return say(options, -EIO, "%s: the process that should serve it died", options->mountpoint);
    }
    start.message[sizeof(start.message) - 1] = '\0';
    return start.result < 0 ? say(options, start.result, "%s", start.message) : 0;
}

static int run_in_background(struct copse_fuse_options *options)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return say(options, -errno, "%s: %s", options->mountpoint, strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return say(options, -errno, "%s: %s", options->mountpoint, strerror(errno));
    if (pid == 0) {
        close(fds[0]);
        run_child(options, fds[1]);
    }
    close(fds[1]);
    return wait_for_child(options, pid, fds[0]);
}

/* ---- entry ----------------------------------------------------------------------------------- */

/* Absolute, because a process in the background stands on no directory. */
static int absolute_paths(struct copse_fuse_options *options, char mountpoint[PATH_MAX],
                          const char **devices)
{
    if (!realpath(options->mountpoint, mountpoint)) {
        int err = errno;
        return say(options, -err, "%s: %s", options->mountpoint, strerror(err));
    }
    for (unsigned i = 0; i < options->device_count; i++) {
        /* What is no path is left to the library to understand or refuse. */
        char *path = realpath(options->devices[i], NULL);

        devices[i] = path ? path : strdup(options->devices[i]);
        if (!devices[i])
            return say(options, -ENOMEM, "%s: %s", options->devices[i], strerror(ENOMEM));
    }
    return 0;
}

static int run_absolute(struct copse_fuse_options *options)
{
    if (options->foreground)
        return run_mount(options, stay, NULL);
    return run_in_background(options);
}

int copse_fuse_run(struct copse_fuse_options *options)
{
    const char *const *given_devices = options->devices;
    const char *given_point = options->mountpoint;
    const char **devices = calloc(options->device_count, sizeof(*devices));
    char mountpoint[PATH_MAX];

    int ret = devices ? check_options(options) : say(options, -ENOMEM, "%s", strerror(ENOMEM));
    if (ret == 0)
        ret = check_mountpoint(options);
    if (ret == 0)
        ret = absolute_paths(options, mountpoint, devices);
    if (ret == 0) {
        options->devices = devices;
        options->mountpoint = mountpoint;
        ret = run_absolute(options);
        options->devices = given_devices;
        options->mountpoint = given_point;
    }
    for (unsigned i = 0; devices && i < options->device_count; i++)
        free((char *)devices[i]);
    free(devices);
    return ret;
}
