/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishes ten messages and waits for the verdict on each: wait_for_stored TOPIC
 */
#include <hulse/hulse.h>
#include <stdio.h>

enum { MESSAGES = 10, WAIT_MS = 10000 };

static hulse_status publish_and_wait(hulse_session *s, hulse_producer *p)
{
    struct hulse_receipt r[MESSAGES];
    unsigned count = 0;
    unsigned stored = 0;
    hulse_status st = HULSE_OK;

    for (uint64_t token = 0; token < MESSAGES && st == HULSE_OK; token++) {
        st = hulse_publish_wait(p, "order", 5, NULL, token, WAIT_MS);
    }
    for (unsigned seen = 0; seen < MESSAGES && st == HULSE_OK; seen += count) {
        st = hulse_wait(s, 0, WAIT_MS); /* OK: something has arrived for the group */
        if (st == HULSE_OK) {
            st = hulse_receipts(p, r, MESSAGES, &count);
        }
        for (unsigned i = 0; i < count && st == HULSE_OK; i++) {
            printf("message %llu: %s",
                   (unsigned long long)r[i].token,
                   hulse_outcome_text(r[i].outcome));
            printf(", id %lld:%lld\n", (long long)r[i].id.ledger, (long long)r[i].id.entry);
            stored += r[i].outcome == HULSE_OUTCOME_STORED;
        }
    }
    return st != HULSE_OK ? st : stored == MESSAGES ? HULSE_OK : HULSE_FAILED;
}

int main(int argc, char **argv)
{
    hulse_session *s = NULL;
    hulse_producer *p = NULL;
    hulse_producer_options *o = hulse_producer_options_new();

    if (argc != 2 || hulse_producer_options_receipts(o, HULSE_RECEIPTS_FULL) != HULSE_OK) {
        (void)fprintf(stderr, "usage: wait_for_stored TOPIC\n");
        return 2;
    }
    hulse_status st = hulse_open(&s, NULL);
    st = st == HULSE_OK ? hulse_producer_open(s, &p, argv[1], o) : st;
    st = st == HULSE_OK ? publish_and_wait(s, p) : st;
    if (st != HULSE_OK) {
        (void)fprintf(stderr,
                      "%s: %s\n",
                      hulse_status_text(st),
                      p != NULL   ? hulse_producer_error(p)
                      : s != NULL ? hulse_last_error(s)
                                  : hulse_open_error());
    }
    hulse_producer_options_free(&o);
    (void)hulse_close(&s, 0);
    return st == HULSE_OK ? 0 : 1;
}
