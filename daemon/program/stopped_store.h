/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stopped_store - `hulsed --store`: what is done to a store that no daemon has.
 *
 * Both print what they found or did, and give the exit code.
 */
#ifndef HULSE_PROGRAM_STOPPED_STORE_H
#define HULSE_PROGRAM_STOPPED_STORE_H

int hulse_stopped_store_check(const char *directory);
int hulse_stopped_store_backup(const char *directory, const char *to);

#endif
