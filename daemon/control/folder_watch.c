/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder_watch - see folder_watch.h.
 */
#include "daemon/control/folder_watch.h"

#include "daemon/core/assert.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

static void start(struct folder_watch *w, struct timer *timer, uint64_t delay_ms)
{
    struct loop *loop = w->params.loop;

    hulse_timer_start(&loop->timers, timer, hulse_loop_now_ms(loop) + delay_ms);
}

/* The kernel gives the same number for the same folder. */
static int watch_folder(const struct folder_watch *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];

    if (slash == NULL) {
        (void)snprintf(folder, sizeof(folder), ".");
    } else {
        /* With the slash, which is all there is of the root. */
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
    }
    return inotify_add_watch(
        w->watch.fd, folder, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_MOVE_SELF | IN_ONLYDIR);
}

/* False: one of them is not there. */
static bool watch_all(struct folder_watch *w)
{
    bool all = true;

    for (size_t i = 0; i < w->count; i++) {
        if (w->folders[i] < 0) {
            w->folders[i] = watch_folder(w, w->paths[i]);
        }
        all = all && w->folders[i] >= 0;
    }
    return all;
}

static void settled(struct timer *timer)
{
    struct folder_watch *w = HULSE_CONTAINER(timer, struct folder_watch, settle);

    if (!watch_all(w)) {
        start(w, &w->settle, HULSE_FOLDER_WATCH_AWAY_MS);
    }
    w->params.look(w->params.ctx);
}

static void polled(struct timer *timer)
{
    struct folder_watch *w = HULSE_CONTAINER(timer, struct folder_watch, poll);

    start(w, timer, w->params.poll_ms);
    w->params.look(w->params.ctx);
}

static void take_event(struct folder_watch *w, const struct inotify_event *event)
{
    if ((event->mask & IN_IGNORED) != 0) {
        for (size_t i = 0; i < w->count; i++) {
            w->folders[i] = w->folders[i] == event->wd ? -1 : w->folders[i];
        }
    } else if ((event->mask & IN_MOVE_SELF) != 0) {
        /* Another one may come in its place; the kernel confirms with IN_IGNORED. */
        (void)inotify_rm_watch(w->watch.fd, event->wd);
    }
    if (!hulse_timer_pending(&w->settle)) {
        start(w, &w->settle, HULSE_FOLDER_WATCH_SETTLE_MS);
    }
}

static void fired(struct watch *watch, uint32_t events)
{
    struct folder_watch *w = HULSE_CONTAINER(watch, struct folder_watch, watch);
    _Alignas(struct inotify_event) char bytes[4096];

    (void)events;
    for (;;) {
        const ssize_t n = read(watch->fd, bytes, sizeof(bytes));
        if (n <= 0) {
            return;
        }
        for (ssize_t at = 0; at < n;) {
            struct inotify_event event;
            memcpy(&event, bytes + at, sizeof(event));
            take_event(w, &event);
            at += (ssize_t)(sizeof(event) + event.len);
        }
    }
}

void hulse_folder_watch_init(struct folder_watch *w, const struct folder_watch_params *params)
{
    *w = (struct folder_watch){
        .params = *params,
        .watch = {.fd = -1, .fire = fired},
        .settle = {.fire = settled},
        .poll = {.fire = polled},
    };
}

void hulse_folder_watch_add(struct folder_watch *w, const char *path)
{
    HULSE_ASSERT(w->count < HULSE_FOLDER_WATCH_FILES_MAX);
    w->paths[w->count] = path;
    w->folders[w->count] = -1;
    w->count++;
}

static void close_inotify(struct folder_watch *w)
{
    if (w->watch.fd >= 0) {
        (void)close(w->watch.fd);
        w->watch.fd = -1;
    }
}

hulse_status hulse_folder_watch_open(struct folder_watch *w, struct error *err)
{
    if (w->params.poll_ms != 0) {
        start(w, &w->poll, w->params.poll_ms);
    }
    w->watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->watch.fd < 0 || !hulse_loop_add(w->params.loop, &w->watch, EPOLLIN)) {
        const int error = errno;
        close_inotify(w);
        return hulse_fail(err, HULSE_IO, "inotify: %s", strerrordesc_np(error));
    }
    (void)watch_all(w);
    /* It may have changed since it was read. */
    start(w, &w->settle, HULSE_FOLDER_WATCH_SETTLE_MS);
    return HULSE_OK;
}

void hulse_folder_watch_close(struct folder_watch *w)
{
    if (w->params.loop == NULL) {
        return;
    }
    hulse_timer_stop(&w->params.loop->timers, &w->settle);
    hulse_timer_stop(&w->params.loop->timers, &w->poll);
    if (w->watch.fd >= 0) {
        hulse_loop_remove(w->params.loop, &w->watch);
        close_inotify(w);
    }
}
