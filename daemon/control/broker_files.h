/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_files - tells brokers that one of their files has changed: certificates, keys, authorities.
 *
 * Changes are seen by their folders and, at the latest, every 300 s. Every worker is told, and looks for itself.
 *
 * Threads: control, but for what runs on the workers (broker_ops.refresh).
 */
#ifndef HULSE_CONTROL_BROKER_FILES_H
#define HULSE_CONTROL_BROKER_FILES_H

#include "daemon/config/config.h"
#include "daemon/config/text_file.h"
#include "daemon/control/crew.h"
#include "daemon/control/folder_watch.h"
#include "daemon/flow/flow.h"

#define HULSE_BROKER_FILES_POLL_MS 300000U

struct broker_files;

struct broker_files_word {
    struct broker_files *files;
    struct worker *worker;
    struct inbox_node node;
    _Atomic(bool) posted;
};

struct broker_files {
    const struct flow *flow;
    const struct crew *crew;
    struct folder_watch watch;
    struct config_stamp seen[HULSE_FOLDER_WATCH_FILES_MAX];
    struct broker_files_word words[HULSE_PLANE_WORKERS_MAX];
};

/* What is borrowed outlives it. The texts of the configuration stay. */
void hulse_broker_files_init(struct broker_files *f,
                             struct loop *loop,
                             const struct config *config,
                             const struct flow *flow,
                             const struct crew *crew);
/* When the workers run. Without inotify it polls alone, and the log says so. */
void hulse_broker_files_open(struct broker_files *f);
/* Before they stop. The memory is needed as long as they run. */
void hulse_broker_files_close(struct broker_files *f);

#endif
