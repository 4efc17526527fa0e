/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_files - the files of a store as a test wants them: segments read, written and cut, files put in
 * its directory, and what a start would make of it.
 *
 * Threads: the test's.
 */
#ifndef HULSE_TESTS_UNIT_DAEMON_STORE_STORE_FILES_H
#define HULSE_TESTS_UNIT_DAEMON_STORE_STORE_FILES_H

#include "daemon/store/recovery.h"
#include "daemon/store/store_internal.h"
#include "tests/unit/daemon/store/store_bed.h"

struct looked {
    struct store_report report;
    struct recovery r;
    uint64_t next_position; /* of the one topic */
};

/* Syncs nothing, for tests in which nothing dies with the machine. */
void hulse_bed_use_fast_io(struct bed *bed);
void hulse_bed_segment_path(const struct bed *bed, uint64_t number, char *out, size_t room);
/* All BED_SEGMENT_BYTES of it. */
void hulse_bed_read_segment(const struct bed *bed, uint64_t number, uint8_t *out);
/* bytes[from..to) to their place. */
void hulse_bed_write_segment(
    const struct bed *bed, uint64_t number, const uint8_t *bytes, uint32_t from, uint32_t to);
/* What a start would find, with fast io; nothing is changed. */
void hulse_bed_look(const struct bed *bed, struct looked *out);
/* A file of the directory, by name; what was in it is gone. */
void hulse_bed_put_file(const struct bed *bed, const char *name, const char *text);
/* As much as there is room for, terminated. */
void hulse_bed_get_file(const struct bed *bed, const char *name, char *text, size_t room);
/* The format file, sealed as a daemon seals it. */
void hulse_bed_put_format(const struct bed *bed, const char *text);
/* Opening fails so, and the text has the word. */
void hulse_bed_refuses(struct bed *bed, hulse_status status, const char *word);

#endif
