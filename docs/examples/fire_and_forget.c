/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishes 1000 messages without asking for verdicts: fire_and_forget TOPIC
 *
 * Messages are written straight into the ring. The close waits until the daemon is done with
 * them and says whether any failed.
 */
#include <hulse/hulse.h>
#include <stdio.h>

enum { MESSAGES = 1000, DRAIN_MS = 10000, LINE_BYTES = 64 };

static hulse_status publish_all(hulse_producer *p)
{
    for (unsigned i = 0; i < MESSAGES; i++) {
        void *at = NULL;
        hulse_status st = hulse_claim(p, LINE_BYTES, &at);
        if (st == HULSE_AGAIN) { /* the ring is full: wait for room, claim again */
            st = hulse_wait_space(p, LINE_BYTES, DRAIN_MS);
            st = st == HULSE_OK ? hulse_claim(p, LINE_BYTES, &at) : st;
        }
        if (st != HULSE_OK) {
            return st;
        }
        const int bytes = snprintf(at, LINE_BYTES, "measurement %u", i);
        st = hulse_commit(p, (uint32_t)bytes, NULL, 0);
        if (st != HULSE_OK) {
            return st;
        }
    }
    return hulse_flush(p); /* commits flush every 16; this one is for the rest */
}

int main(int argc, char **argv)
{
    hulse_session *s = NULL;
    hulse_producer *p = NULL;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: fire_and_forget TOPIC\n");
        return 2;
    }
    if (hulse_open(&s, NULL) != HULSE_OK) {
        (void)fprintf(stderr, "%s\n", hulse_open_error());
        return 1;
    }
    hulse_status st = hulse_producer_open(s, &p, argv[1], NULL);
    if (st != HULSE_OK) {
        (void)fprintf(stderr, "%s\n", hulse_last_error(s));
    } else if ((st = publish_all(p)) != HULSE_OK) {
        (void)fprintf(stderr, "%s\n", hulse_producer_error(p));
    }
    const hulse_status closed = hulse_close(&s, DRAIN_MS);
    if (st == HULSE_OK && closed == HULSE_OK) {
        printf("published %d messages to %s\n", MESSAGES, argv[1]);
    }
    return st == HULSE_OK && closed == HULSE_OK ? 0 : 1;
}
