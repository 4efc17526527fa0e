/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper_wire - what control and the helper process say to each other: one packet each.
 *
 * Both are the same program at the same time, so there is neither version nor byte order.
 */
#ifndef HULSE_CONTROL_HELPER_WIRE_H
#define HULSE_CONTROL_HELPER_WIRE_H

#include <stdint.h>

#define HULSE_HELPER_CALLS_MAX 16U
#define HULSE_HELPER_COMMAND_BYTES 4096U /* with the terminating zero */
#define HULSE_HELPER_OUTPUT_BYTES 65536U
#define HULSE_HELPER_COMPLAINT_BYTES 128U /* with the terminating zero */

enum helper_order_kind {
    HELPER_RUN = 1,
    HELPER_CANCEL,
    HELPER_TALK, /* as RUN, but it has an input, and what it prints is told line by line */
    HELPER_SAY   /* `command` goes to that input */
};

/* Control to process. Of `command` only what is used travels. */
struct helper_order {
    uint32_t kind;
    uint32_t id;
    uint32_t timeout_ms;
    char command[HULSE_HELPER_COMMAND_BYTES]; /* terminated */
};

enum helper_end {
    HELPER_RUNNING = 0, /* told of one that talks: it has printed a line, or several */
    HELPER_EXITED,      /* code: exit status */
    HELPER_KILLED,      /* code: signal */
    HELPER_LATE,        /* killed by us: the time was up */
    HELPER_VERBOSE,     /* killed by us: too much output */
    HELPER_UNABLE /* code: errno of what kept it from being started, or its output from control */
};

/* Process to control. Of `output` only output_bytes travel. */
struct helper_answer {
    uint32_t id;
    uint32_t end; /* enum helper_end */
    int32_t code;
    uint32_t output_bytes;
    char complaint[HULSE_HELPER_COMPLAINT_BYTES]; /* last line of standard error, printable */
    char output[HULSE_HELPER_OUTPUT_BYTES];
};

/* Everything the process does: until the other end of the socket closes, or `parent` ends. */
_Noreturn void hulse_helper_serve(int socket_fd, int parent_pid);

#endif
