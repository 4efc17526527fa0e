/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker_files - see broker_files.h.
 */
#include "daemon/control/broker_files.h"

#include "daemon/core/assert.h"
#include "daemon/core/log.h"

#include <assert.h>
#include <string.h>

enum { FILES_OF_BROKER = 3 };

static_assert(HULSE_CONFIG_BROKERS_MAX * FILES_OF_BROKER <= HULSE_FOLDER_WATCH_FILES_MAX,
              "all of them can be watched");

/* On the worker. */
static void heard(struct inbox_node *node)
{
    struct broker_files_word *word = HULSE_CONTAINER(node, struct broker_files_word, node);
    const struct flow *flow = word->files->flow;

    /* SYNC(broker_files.word) release: the node is free again; a later change posts it anew. */
    atomic_store_explicit(&word->posted, false, memory_order_release);
    for (unsigned i = 0; i < flow->broker_count; i++) {
        struct broker *b = flow->brokers[i];
        if (b->ops->refresh != NULL) {
            b->ops->refresh(b, word->worker);
        }
    }
}

static void tell(struct broker_files *f)
{
    for (uint32_t i = 0; i < f->crew->count; i++) {
        struct broker_files_word *word = &f->words[i];
        /* SYNC(broker_files.word) acquire: the node has been run when it is free. */
        if (atomic_exchange_explicit(&word->posted, true, memory_order_acquire)) {
            continue; /* the worker has not looked yet, and will see this change, too */
        }
        word->files = f;
        word->worker = f->crew->workers[i];
        word->node.run = heard;
        /* One node a worker, so it needs no bound. */
        hulse_worker_answer(word->worker, &word->node);
    }
}

static void look(void *ctx)
{
    struct broker_files *f = ctx;
    bool news = false;

    for (size_t i = 0; i < f->watch.count; i++) {
        const struct config_stamp now = hulse_config_stamp(f->watch.paths[i]);
        news = news || !hulse_config_stamp_equal(&now, &f->seen[i]);
        f->seen[i] = now;
    }
    if (news) {
        tell(f);
    }
}

static void add(struct broker_files *f, const char *path)
{
    if (path[0] != '\0') {
        f->seen[f->watch.count] = hulse_config_stamp(path);
        hulse_folder_watch_add(&f->watch, path);
    }
}

void hulse_broker_files_init(struct broker_files *f,
                             struct loop *loop,
                             const struct config *config,
                             const struct flow *flow,
                             const struct crew *crew)
{
    const struct folder_watch_params watch = {
        .loop = loop, .poll_ms = HULSE_BROKER_FILES_POLL_MS, .look = look, .ctx = f};

    f->flow = flow;
    f->crew = crew;
    hulse_folder_watch_init(&f->watch, &watch);
    for (size_t i = 0; i < config->broker_count; i++) {
        const struct config_broker *b = &config->brokers[i];
        if (b->type == CONFIG_BROKER_PULSAR) {
            add(f, strcmp(b->tls.ca_file, "system") == 0 ? "" : b->tls.ca_file);
            add(f, b->auth.tls.cert_file);
            add(f, b->auth.tls.key_file);
        }
    }
}

void hulse_broker_files_open(struct broker_files *f)
{
    struct error err = {0};

    if (f->watch.count != 0 && hulse_folder_watch_open(&f->watch, &err) != HULSE_OK) {
        HULSE_LOG_WARNF("broker.files_polled", hulse_log_str("why", err.text));
    }
}

void hulse_broker_files_close(struct broker_files *f)
{
    hulse_folder_watch_close(&f->watch);
}
