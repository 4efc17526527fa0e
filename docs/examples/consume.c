/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads messages in place, prints and acknowledges them: consume TOPIC [COUNT]
 * Ends with success when COUNT messages (default 10) were acknowledged.
 */
#include <hulse/hulse.h>
#include <stdio.h>
#include <stdlib.h>

enum { WAIT_MS = 20000, SYNC_MS = 5000 };

static hulse_status consume(hulse_consumer *c, unsigned long count)
{
    hulse_status st = HULSE_OK;

    for (unsigned long i = 0; i < count && st == HULSE_OK; i++) {
        struct hulse_message m = {.size = sizeof(m)};
        st = hulse_next_wait(c, &m, WAIT_MS);
        if (st == HULSE_OK) {
            printf("%s: %.*s\n", m.topic, (int)m.data_bytes, (const char *)m.data);
            st = hulse_ack(c, &m.id);
            if (st == HULSE_AGAIN) { /* no room: the daemon is behind with verdicts */
                st = hulse_consumer_sync(c, SYNC_MS);
                st = st == HULSE_OK ? hulse_ack(c, &m.id) : st;
            }
            hulse_release(c, &m); /* m.data is the ring's again */
        }
    }
    return st == HULSE_OK ? hulse_consumer_sync(c, SYNC_MS) : st;
}

int main(int argc, char **argv)
{
    const unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 10;
    hulse_session *s = NULL;
    hulse_consumer *c = NULL;
    hulse_consumer_options *o = hulse_consumer_options_new();

    if (argc < 2 || argc > 3 || hulse_consumer_options_start(o, HULSE_EARLIEST) != HULSE_OK) {
        (void)fprintf(stderr, "usage: consume TOPIC [COUNT]\n");
        return 2;
    }
    hulse_status st = hulse_open(&s, NULL);
    st = st == HULSE_OK ? hulse_consumer_open(s, &c, argv[1], "example", o) : st;
    if (st == HULSE_OK) {
        (void)fprintf(stderr, "ready\n"); /* from now on nothing is missed */
        st = consume(c, count);
    }
    if (st != HULSE_OK) {
        (void)fprintf(stderr,
                      "%s: %s\n",
                      hulse_status_text(st),
                      c != NULL   ? hulse_consumer_error(c)
                      : s != NULL ? hulse_last_error(s)
                                  : hulse_open_error());
    }
    hulse_consumer_options_free(&o);
    (void)hulse_close(&s, SYNC_MS);
    return st == HULSE_OK ? 0 : 1;
}
