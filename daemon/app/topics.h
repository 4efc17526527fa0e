/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topics - consumers of several topics: which they are, and what their application is told of them.
 *
 * A source is the number of a topic. Its name is announced by an event before the first delivery from there is published; with
 * it those of all lower numbers, so that an application offers them to the next daemon without a gap.
 *
 * Threads: the worker's.
 */
#ifndef HULSE_APP_TOPICS_H
#define HULSE_APP_TOPICS_H

#include "daemon/flow/deliver.h"

struct channel;
struct handle;
struct hulse_ctl_attach_sources;

/* Names, terminated, one behind the other. Zeros: none. Counted as memory of sessions. */
struct topic_texts {
    char *texts;
    uint32_t used;
    uint32_t room;
    uint32_t count;
};

/* False: no memory. */
bool hulse_topic_texts_add(struct topic_texts *t, const void *name, uint32_t bytes);
void hulse_topic_texts_free(struct topic_texts *t);

/* What a consumer's options say of its topics. Zeros: there is one. */
struct topics_wish {
    struct topic_texts names;        /* beside the first */
    const struct topic_texts *known; /* of an earlier daemon's; borrowed. NULL: none */
    bool is_pattern;
    enum topic_pattern_mode mode;
    uint32_t max;
};

/* Fills *out and gives it, or NULL where there is one topic. */
const struct subscriber_topics *hulse_topics_wish_for(const struct topics_wish *wish,
                                                      struct subscriber_topics *out);
/*
 * The application knows the source of a delivery that is about to be written. False: not yet, the socket is full; the channel is
 * visited again when it takes more.
 */
bool hulse_source_tell(struct channel *ch, uint32_t source);

#endif
