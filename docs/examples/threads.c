/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four threads publish over one session, each with a channel and a wait group of its own, so
 * none waits for another: threads TOPIC
 */
#include <hulse/hulse.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, MESSAGES = 1000, WAIT_MS = 10000 };

struct lane {
    hulse_session *s;
    const char *topic;
    hulse_status status;
};

static void *publish(void *arg)
{
    struct lane *lane = arg;
    hulse_producer_options *o = hulse_producer_options_new();
    hulse_producer *p = NULL;
    unsigned group = 0;

    hulse_status st = hulse_group_open(lane->s, &group);
    st = st == HULSE_OK ? hulse_producer_options_group(o, group) : st;
    st = st == HULSE_OK ? hulse_producer_open(lane->s, &p, lane->topic, o) : st;
    for (uint64_t i = 0; i < MESSAGES && st == HULSE_OK; i++) {
        st = hulse_publish_wait(p, "0123456789", 10, NULL, i, WAIT_MS);
    }
    lane->status = st == HULSE_OK ? hulse_sync(p, WAIT_MS, NULL) : st; /* every verdict is in */
    hulse_producer_options_free(&o);
    return NULL;
}

int main(int argc, char **argv)
{
    struct lane lanes[THREADS];
    pthread_t threads[THREADS];
    hulse_session *s = NULL;
    int good = 0;

    if (argc != 2 || hulse_open(&s, NULL) != HULSE_OK) {
        (void)fprintf(stderr, "usage: threads TOPIC; %s\n", hulse_open_error());
        return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        lanes[i] = (struct lane){.s = s, .topic = argv[1], .status = HULSE_IO};
        if (pthread_create(&threads[i], NULL, publish, &lanes[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        printf("thread %d: %s\n", i, hulse_status_text(lanes[i].status));
        good += lanes[i].status == HULSE_OK;
    }
    return hulse_close(&s, 0) == HULSE_OK && good == THREADS ? 0 : 1;
}
