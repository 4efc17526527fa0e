/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pulsar_rules - what the keys of brokers of type pulsar mean together.
 *
 * Threads: the reader's of a configuration.
 */
#ifndef HULSE_CONFIG_PULSAR_RULES_H
#define HULSE_CONFIG_PULSAR_RULES_H

#include "daemon/config/config.h"

/* Unless default_broker was said it is the broker of type pulsar, if there is one. Several are an error. */
void hulse_config_choose_broker(struct config *c, struct config_problems *problems);
void hulse_pulsar_rules_check(const struct config *c, struct config_problems *problems);

#endif
