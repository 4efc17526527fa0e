/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper_command - one command of the helper process, and the end of all that comes of it.
 *
 * Between the helper and a command's shell stands a keeper, a process of ours that adopts whatever
 * the command leaves behind or detaches, in sessions of its own as well. So what belongs to which
 * command is known, and ends with it.
 *
 * Threads: the one of the helper process, and of each keeper.
 * Limits:  without /proc, or a kernel that lists children there, only the process group of a
 *          command ends with it. What forks faster than it is killed for CLEAR_MS (1 s) goes over
 *          to the helper, which goes on killing it.
 */
#ifndef HULSE_CONTROL_HELPER_COMMAND_H
#define HULSE_CONTROL_HELPER_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Tells a keeper to end its command, and comes from the kernel when its parent has ended. Not
   TERM, which a whole service gets at its stop. */
#define HULSE_HELPER_STOP SIGUSR2

/*
 * What a keeper does, in a fork of the helper with all signals blocked: runs the command by
 * /bin/sh until it ends or HULSE_HELPER_STOP comes, ends what is left, and then ends as the shell
 * did. Takes over the descriptors and closes all others but standard input, in whose place is input_fd, unless that is -1.
 */
_Noreturn void
hulse_helper_keep(const char *command, int input_fd, int output_fd, int error_fd, pid_t helper_pid);

/* Kills all children of the caller but those `spared` (NULL = none). False: nobody lists them. */
bool hulse_helper_kill_children(bool (*spared)(pid_t pid));
/*
 * Kills and waits for children, and for those whom they leave, until there are none or limit_ms
 * have passed. Gives the wait status of `pid`, as killed if it was not among them.
 */
int hulse_helper_clear_children(pid_t pid, uint32_t limit_ms);

#endif
