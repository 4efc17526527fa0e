/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry - the schemas that a topic's broker keeps: what `hulse schema` asks the daemon for.
 *
 * All give an exit code, and have said why when it is not HULSE_CLI_OK.
 */
#ifndef HULSE_CLI_REGISTRY_H
#define HULSE_CLI_REGISTRY_H

#include "daemon/schema/schema.h"
#include "shmlib/cli/cli.h"

int hulse_cli_registry_list(struct hulse_cli *cli, const char *topic);
/* Prints it in the form of Pulsar's tools; with --json all that is told. `version`: from 0 on; NULL: the newest. */
int hulse_cli_registry_get(struct hulse_cli *cli, const char *topic, const char *version);
int hulse_cli_registry_put(struct hulse_cli *cli,
                           const char *topic,
                           const struct schema_definition *d);

#endif
