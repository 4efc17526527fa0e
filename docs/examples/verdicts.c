/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not every message can be handled at once, or at all: verdicts TOPIC [COUNT]
 * A message whose first byte is '?' is given back and comes again, an empty one is dropped, the
 * others are acknowledged. Ends when COUNT messages (default 10) have a final verdict.
 */
#include <hulse/hulse.h>
#include <stdio.h>
#include <stdlib.h>

enum { WAIT_MS = 20000, SYNC_MS = 5000, BATCH = 16, RETRY_MS = 50 };

/* Gives 1 when the verdict is final. */
static unsigned judge(hulse_consumer *c, const struct hulse_message *m, hulse_status *st)
{
    const char *text = m->data;

    if (m->data_bytes == 0) {
        *st = hulse_drop(c, &m->id);
        return 1;
    }
    const int later = text[0] == '?' && m->redelivery_count == 0;
    *st = later ? hulse_nack(c, &m->id, RETRY_MS) : hulse_ack(c, &m->id);
    if (*st == HULSE_OK) {
        printf("%s: %.*s\n", later ? "again later" : "done", (int)m->data_bytes, text);
    }
    return later ? 0 : 1;
}

int main(int argc, char **argv)
{
    unsigned left = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 10;
    hulse_session *s = NULL;
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();
    hulse_status st = argc < 2 ? HULSE_INVAL : hulse_consumer_options_type(o, HULSE_SHARED);
    st = st == HULSE_OK ? hulse_open(&s, NULL) : st;
    st = st == HULSE_OK ? hulse_consumer_open(s, &c, argv[1], "example", o) : st;
    (void)fprintf(stderr, "%s\n", st == HULSE_OK ? "ready" : hulse_open_error());
    while (left > 0 && st == HULSE_OK) {
        struct hulse_message m[BATCH];
        unsigned count = 0;
        st = hulse_next_batch(c, m, left < BATCH ? left : BATCH, 1U << 20, WAIT_MS, &count);
        for (unsigned i = 0; i < count && st == HULSE_OK; i++) {
            unsigned judged = judge(c, &m[i], &st);
            if (st == HULSE_AGAIN) { /* no room: the daemon is behind with verdicts */
                st = hulse_consumer_sync(c, SYNC_MS);
                judged = st == HULSE_OK ? judge(c, &m[i], &st) : 0;
            }
            left -= judged;
        }
        if (count != 0) {
            hulse_release(c, &m[count - 1]); /* and all before it */
        }
    }
    st = st == HULSE_OK ? hulse_consumer_sync(c, SYNC_MS) : st;
    hulse_consumer_options_free(&o);
    (void)hulse_close(&s, SYNC_MS);
    return st == HULSE_OK ? 0 : 1;
}
