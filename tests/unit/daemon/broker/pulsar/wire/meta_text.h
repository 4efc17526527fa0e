/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta_text - metadata that the daemon read, as text in one line like hulse_text_of()'s. To be freed.
 */
#ifndef HULSE_TESTS_WIRE_META_TEXT_H
#define HULSE_TESTS_WIRE_META_TEXT_H

#include "daemon/broker/pulsar/wire/metadata.h"

char *hulse_meta_text(const struct wire_metadata *m);
char *hulse_single_text(const struct wire_single *m);
char *hulse_entry_text(const struct wire_entry *m);

#endif
