/* SPDX-License-Identifier: Apache-2.0 */
/*
 * topic_settings - what a rule says of its topics, once for all of them: counted, because it outlives the rule.
 *
 * The rule, entries of the topic table and grants hold the same one.
 *
 * Threads: any; constant but for the count. Counted as HULSE_MEM_TABLE.
 */
#ifndef HULSE_TABLE_TOPIC_SETTINGS_H
#define HULSE_TABLE_TOPIC_SETTINGS_H

struct topic_settings;

/* A copy with one holder; NULL: no memory. */
const struct topic_settings *hulse_topic_settings_share(const struct topic_settings *from);
/* Of a shared one that is held already. */
const struct topic_settings *hulse_topic_settings_hold(const struct topic_settings *s);
/* *s becomes NULL; harmless on NULL. */
void hulse_topic_settings_release(const struct topic_settings **s);

#endif
