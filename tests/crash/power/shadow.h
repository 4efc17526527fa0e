/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shadow - what of a directory's files a power loss would leave: the bytes of finished syncs.
 *
 * Kept in a folder of its own, read by cut.h after the process is dead:
 *
 *   i<id>    the durable bytes of a file
 *   d<id>    the durable names of a folder: a line "f <id> <name>" or "d <id> <name>" each
 *   owner    the process that is followed; others leave everything alone
 *   followed what was there at the start is in the shadow; before that the process has changed nothing
 *
 * An id is one life of an inode, whose number the file system gives again. A name lasts when its
 * folder was synced, bytes and length when their file was: nothing else is promised by POSIX.
 *
 * Threads: any, one lock. In a forked child nothing is followed.
 * Limits:  not seen are writes that libc makes by itself (stdio), memory that is made writable
 *          after it was mapped, syncfs, sendfile and copy_file_range.
 */
#ifndef HULSE_TESTS_CRASH_POWER_SHADOW_H
#define HULSE_TESTS_CRASH_POWER_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define POWER_DIR "HULSE_POWER_DIR"         /* the folder that is followed */
#define POWER_SHADOW "HULSE_POWER_SHADOW"   /* exists; empty at the start of a life */
#define POWER_NO_SYNC "HULSE_POWER_NO_SYNC" /* set: syncs do nothing and say that they did */

#define POWER_PATH_BYTES 512
#define POWER_ROOT_ID 1U

/* Reads the environment; what is in the folder is durable from now on. */
void hulse_shadow_start(void);
/* True when a descriptor belongs to a followed file; costs one load. */
bool hulse_shadow_follows(int fd);
bool hulse_shadow_syncs_nothing(void);

/* True when `path` does not exist and the life of an inode may begin: asked before an open or mkdir. */
bool hulse_shadow_is_new(int at, const char *path);
/* After a successful call. */
void hulse_shadow_opened(int fd, int flags, bool is_new);
void hulse_shadow_made_folder(int at, const char *path);
void hulse_shadow_closed(int fd);
void hulse_shadow_duplicated(int from, int to);
/* Before a change of length or of a range: [from, to) is not what was synced. */
void hulse_shadow_changed(int fd, uint64_t from, uint64_t to);
/* After a write: notes the range, and takes it over at once on a descriptor with O_DSYNC. */
void hulse_shadow_written(int fd, uint64_t from, uint64_t to);
void hulse_shadow_mapped(int fd, const void *at, size_t bytes, uint64_t offset);
void hulse_shadow_unmapped(const void *at, size_t bytes);

/*
 * A sync in two steps, so that what is written while it runs does not count. NULL: nothing to do.
 * Begin reads what it will cover; end takes it over, or forgets it when the sync has failed.
 */
struct shadow_sync;
struct shadow_sync *hulse_shadow_sync_begin(int fd);
struct shadow_sync *hulse_shadow_msync_begin(const void *at, size_t bytes);
void hulse_shadow_sync_end(struct shadow_sync *sync, bool done);

#endif
