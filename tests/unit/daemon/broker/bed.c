/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bed - see the header.
 */
#include "tests/unit/daemon/broker/bed.h"

#include "daemon/broker/local/internal.h"
#include "tests/support/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAP_NS 200000

/* ---- workers ---- */

uint32_t hulse_bed_owner(const char *topic, uint32_t workers)
{
    return (uint32_t)(hulse_topic_hash(topic) % workers);
}

static void expect_broker(const struct bed *bed, const struct error *err)
{
    if (bed->broker == NULL) {
        fail_msg("no broker: %s", err->text);
    }
}

static const struct bed_house local_house = {
    .destroy = hulse_local_destroy, .owner = hulse_bed_owner, .ordered = true};

static void start_workers(struct bed *bed, uint32_t workers)
{
    struct error err = {0};
    const struct bed_house *house = bed->house;
    assert_true(bed->broker->ops->healthy(bed->broker));
    assert_true(hulse_inbox_init(&bed->control, 16));
    bed->count = workers;
    for (uint32_t i = 0; i < workers; i++) {
        struct worker_params wp = {
            .index = i, .worker_count = workers, .cpu = -1, .cpu_count = 2, .module_count = 1};
        wp.modules[0] = bed->broker->ops->module;
        wp.shared[0] = house->shared == NULL ? bed->broker : house->shared(bed->broker);
        assert_int_equal(
            hulse_worker_start(&bed->workers[i], &wp, bed->peers, &bed->runnable, &err), HULSE_OK);
    }
}

void hulse_bed_start(struct bed *bed, uint32_t workers, const struct local_params *params)
{
    struct error err = {0};
    memset(bed, 0, sizeof(*bed));
    bed->house = &local_house;
    if (params != NULL) {
        bed->params = *params;
    } else {
        hulse_local_params_default(&bed->params);
    }
    bed->broker = hulse_local_create("local", &bed->params, &err);
    expect_broker(bed, &err);
    start_workers(bed, workers);
}

void hulse_bed_start_house(struct bed *bed, const struct bed_house *house)
{
    struct error err = {0};
    memset(bed, 0, sizeof(*bed));
    bed->house = house;
    bed->broker = house->create(&err);
    expect_broker(bed, &err);
    start_workers(bed, house->workers);
}

void hulse_bed_stop_one(struct bed *bed, uint32_t worker)
{
    hulse_worker_stop(&bed->workers[worker]);
}

static void stop_workers(struct bed *bed)
{
    for (uint32_t i = 0; i < bed->count; i++) {
        hulse_bed_stop_one(bed, i);
    }
    hulse_inbox_fini(&bed->control);
}

void hulse_bed_restart(struct bed *bed)
{
    struct error err = {0};
    stop_workers(bed);
    bed->broker = bed->house->reopen(&bed->broker, &err);
    expect_broker(bed, &err);
    start_workers(bed, bed->count);
}

void hulse_bed_stop(struct bed *bed)
{
    stop_workers(bed);
    bed->house->destroy(&bed->broker);
    assert_int_equal(hulse_mem_used(HULSE_MEM_MESSAGE), 0);
    assert_int_equal(hulse_mem_used(HULSE_MEM_TOPIC), 0);
}

void hulse_bed_directory(char out[BED_DIRECTORY_BYTES])
{
    const char *told = getenv("HULSE_BED_DIRECTORY"); /* NOLINT(concurrency-mt-unsafe) */

    if (told == NULL) {
        assert_true(hulse_test_folder_in_memory(out, BED_DIRECTORY_BYTES, "hulse-bed"));
        return;
    }
    (void)snprintf(out, BED_DIRECTORY_BYTES, "%s/hulse-bed-XXXXXX", told);
    assert_non_null(mkdtemp(out));
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) != 0) {
    }
}

struct bed_errand {
    struct inbox_node node;
    void (*call)(void *arg);
    void *arg;
    sem_t done;
};

static void run_errand(struct inbox_node *node)
{
    struct bed_errand *e = HULSE_CONTAINER(node, struct bed_errand, node);
    e->call(e->arg);
    sem_post(&e->done);
}

void hulse_bed_on(struct bed *bed, uint32_t worker, void (*call)(void *arg), void *arg)
{
    struct bed_errand e = {.node = {.run = run_errand}, .call = call, .arg = arg};
    sem_init(&e.done, 0, 0);
    hulse_worker_answer(bed->workers[worker], &e.node); /* cannot be refused */
    wait_for(&e.done);
    sem_destroy(&e.done);
}

static void run_blocker(struct inbox_node *node)
{
    struct bed_blocker *blocker = HULSE_CONTAINER(node, struct bed_blocker, node);
    sem_post(&blocker->standing);
    wait_for(&blocker->gate);
    sem_post(&blocker->standing);
}

void hulse_bed_block(struct bed *bed, uint32_t worker, struct bed_blocker *blocker)
{
    *blocker = (struct bed_blocker){.node = {.run = run_blocker}};
    sem_init(&blocker->standing, 0, 0);
    sem_init(&blocker->gate, 0, 0);
    hulse_worker_answer(bed->workers[worker], &blocker->node);
    wait_for(&blocker->standing);
}

void hulse_bed_release(struct bed_blocker *blocker)
{
    sem_post(&blocker->gate);
    wait_for(&blocker->standing);
    sem_destroy(&blocker->standing);
    sem_destroy(&blocker->gate);
}

struct question {
    bool (*done)(void *arg);
    void *arg;
    bool answer;
};

static void ask(void *arg)
{
    struct question *q = arg;
    q->answer = q->done(q->arg);
}

void hulse_bed_until(struct bed *bed, uint32_t worker, bool (*done)(void *arg), void *arg)
{
    struct question q = {.done = done, .arg = arg};
    for (;;) {
        hulse_bed_on(bed, worker, ask, &q);
        if (q.answer) {
            return;
        }
        const struct timespec nap = {.tv_nsec = NAP_NS};
        nanosleep(&nap, NULL);
    }
}

void hulse_bed_topic(
    const struct bed *bed, uint32_t owner, const char *stem, char *out, size_t bytes)
{
    static unsigned names;
    const char *scheme = bed->house->scheme == NULL ? "non-persistent" : bed->house->scheme;
    const char *space =
        bed->house->namespace_name == NULL ? "public/default" : bed->house->namespace_name;
    unsigned i = 0;
    if (bed->house->elsewhere) {
        (void)snprintf(out, bytes, "%s://%s/%s-%d-%u", scheme, space, stem, getpid(), names++);
        return;
    }
    do {
        (void)snprintf(out, bytes, "%s://%s/%s-%u", scheme, space, stem, i++);
    } while (bed->house->owner != NULL && bed->house->owner(out, bed->count) != owner);
}

int hulse_bed_compare(const struct broker_id *a, const struct broker_id *b)
{
    if (a->ledger != b->ledger) {
        return a->ledger < b->ledger ? -1 : 1;
    }
    if (a->entry != b->entry) {
        return a->entry < b->entry ? -1 : 1;
    }
    return (a->batch > b->batch) - (a->batch < b->batch);
}

struct report_errand {
    struct bed *bed;
    uint32_t worker;
    struct worker_report report;
};

static void fill_report(void *arg)
{
    struct report_errand *r = arg;
    hulse_worker_report(r->bed->workers[r->worker], &r->report);
}

bool hulse_bed_report(struct bed *bed, const char *topic, struct topic_report *out)
{
    struct report_errand r = {.bed = bed,
                              .worker = (uint32_t)(hulse_topic_hash(topic) % bed->count)};
    bool found = false;
    if (bed->workers[r.worker] == NULL) {
        return false;
    }
    hulse_bed_on(bed, r.worker, fill_report, &r);
    for (size_t i = 0; i < r.report.topic_count; i++) {
        if (strcmp(r.report.topics[i].name, topic) == 0) {
            *out = r.report.topics[i];
            found = true;
        }
    }
    hulse_report_fini(&r.report);
    return found;
}
