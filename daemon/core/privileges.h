/* SPDX-License-Identifier: Apache-2.0 */
/*
 * privileges - takes from a thread what the kernel lets it do beyond its user's rights.
 *
 * Capabilities and PR_SET_NO_NEW_PRIVS belong to a thread, not to the process: each thread gives
 * up its own, and those that it makes afterwards inherit nothing.
 *
 * Threads: any; acts on the calling one alone.
 */
#ifndef HULSE_CORE_PRIVILEGES_H
#define HULSE_CORE_PRIVILEGES_H

/* Permission denied: what a process that cannot give up its privileges exits with. */
#define HULSE_PRIVILEGES_EXIT 77

/*
 * Drops ambient, bounding, effective, permitted and inheritable capabilities, and forbids to gain
 * any by exec. Without CAP_SETPCAP the bounding set stays, which gives nothing to anybody who may
 * gain nothing. 0, or the error number: then the thread still has some. For ever.
 */
int hulse_privileges_drop(void);

#endif
