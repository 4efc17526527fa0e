/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder_watch - tells when something may have happened to one of a few files.
 *
 * Their folders are watched, not the files: editors and configuration maps put another file, or another
 * link to one, in its place. It says no more than "look again"; what has changed, if anything, is found
 * by who looks. A file behind a link to another folder may change unseen; that is what polling is for.
 *
 * Threads: control.
 */
#ifndef HULSE_CONTROL_FOLDER_WATCH_H
#define HULSE_CONTROL_FOLDER_WATCH_H

#include "daemon/core/error.h"
#include "daemon/worker/loop.h"

#include <stddef.h>
#include <stdint.h>

#define HULSE_FOLDER_WATCH_FILES_MAX 24U
/* From the first event to the look: whoever writes a file may need several steps. */
#define HULSE_FOLDER_WATCH_SETTLE_MS 200U
/* Until a folder that is not there is looked for again. */
#define HULSE_FOLDER_WATCH_AWAY_MS 1000U

struct folder_watch_params {
    struct loop *loop;
    uint32_t poll_ms; /* looks so often, whatever the folders say; 0: never */
    /* From the loop. */
    void (*look)(void *ctx);
    void *ctx;
};

struct folder_watch {
    struct folder_watch_params params;
    const char *paths[HULSE_FOLDER_WATCH_FILES_MAX];
    int folders[HULSE_FOLDER_WATCH_FILES_MAX]; /* of inotify; -1: not there */
    size_t count;
    struct watch watch; /* fd -1: closed, or polling alone */
    struct timer settle;
    struct timer poll;
};

/* Of no file yet, and not open. */
void hulse_folder_watch_init(struct folder_watch *w, const struct folder_watch_params *params);
/* Before it is opened. The path is borrowed as long as the watch is. At most HULSE_FOLDER_WATCH_FILES_MAX. */
void hulse_folder_watch_add(struct folder_watch *w, const char *path);
/* The first look comes soon. IO: no inotify; it polls nevertheless, if it was told to. */
hulse_status hulse_folder_watch_open(struct folder_watch *w, struct error *err);
/* Harmless on one that is not open. */
void hulse_folder_watch_close(struct folder_watch *w);

#endif
