/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trouble - see the header.
 */
#include "daemon/broker/pulsar/trouble.h"

#include "daemon/core/clock.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

void hulse_pulsar_trouble_init(struct pulsar_trouble *t)
{
    (void)pthread_mutex_init(&t->lock, NULL);
}

void hulse_pulsar_trouble_fini(struct pulsar_trouble *t)
{
    (void)pthread_mutex_destroy(&t->lock);
}

/* A character that was cut in two goes as a whole, so that it stays UTF-8. */
static void mend_end(char *text, size_t bytes)
{
    size_t at = bytes;

    while (at > 0 && ((unsigned char)text[at - 1] & 0xC0U) == 0x80U) {
        at--;
    }
    if (at > 0 && (unsigned char)text[at - 1] >= 0xC0U) {
        text[at - 1] = '\0';
    }
}

void hulse_pulsar_trouble_note(struct pulsar_trouble *t, const char *whose, const char *why)
{
    (void)pthread_mutex_lock(&t->lock);
    const int bytes = snprintf(t->last.text, sizeof(t->last.text), "%s: %s", whose, why);
    if (bytes >= (int)sizeof(t->last.text)) {
        mend_end(t->last.text, sizeof(t->last.text) - 1);
    }
    t->last.at_ms = hulse_clock_coarse_ns() / NS_PER_MS;
    (void)pthread_mutex_unlock(&t->lock);
}

bool hulse_pulsar_trouble_read(struct pulsar_trouble *t, struct broker_trouble *out)
{
    (void)pthread_mutex_lock(&t->lock);
    *out = t->last;
    (void)pthread_mutex_unlock(&t->lock);
    return out->at_ms != 0;
}
