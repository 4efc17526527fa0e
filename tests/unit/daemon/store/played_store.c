/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/daemon/store/played_store.h"

#include "tests/support/folder.h"
#include "tests/unit/daemon/core/check.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

static void open_db(struct played_store *p)
{
    struct error err = {0};

    if (hulse_state_db_open(&p->db, &p->state, &p->params, &p->found, &err) != HULSE_OK) {
        fail_msg("%s", err.text);
    }
}

void hulse_played_init(struct played_store *p, uint64_t seed, uint64_t map_bytes)
{
    memset(p, 0, sizeof(*p));
    assert_true(hulse_test_folder_in_memory(p->directory, sizeof(p->directory), "hulse-state"));
    hulse_random_frames_init(&p->frames, seed);
    p->params = (struct state_db_params){.directory = p->directory,
                                         .segment_bytes = RANDOM_SEGMENT_BYTES,
                                         .handle_ttl_ms = 1000000,
                                         .map_bytes = map_bytes};
    open_db(p);
}

void hulse_played_stop(struct played_store *p)
{
    hulse_state_db_close(&p->db);
    hulse_state_destroy(&p->state);
}

const char *hulse_played_path(const struct played_store *p, const char *name)
{
    static char path[PLAYED_DIR_BYTES + 300];

    (void)snprintf(path, sizeof(path), "%s/%s", p->directory, name);
    return path;
}

void hulse_played_fini(struct played_store *p)
{
    const struct dirent *entry = NULL;
    DIR *dir = opendir(p->directory);

    hulse_played_stop(p);
    hulse_random_frames_fini(&p->frames);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        if (entry->d_name[0] != '.') {
            assert_int_equal(unlink(hulse_played_path(p, entry->d_name)), 0);
        }
    }
    (void)closedir(dir);
    assert_int_equal(rmdir(p->directory), 0);
}

/* As the store does: a segment goes when nobody needs it and both files cover it. */
static void forget(struct played_store *p)
{
    const uint64_t end = hulse_state_db_covered(p->db) / RANDOM_SEGMENT_BYTES;

    for (uint64_t n = 0; n < end && !p->keep_segments; n++) {
        assert_true(n < PLAYED_SEGMENTS);
        if (!p->forgotten[n] && !hulse_state_needs(p->state, n)) {
            assert_false(hulse_naive_needs(&p->frames.naive, n));
            hulse_state_forget_segment(p->state, n);
            hulse_naive_forget(&p->frames.naive, n);
            p->forgotten[n] = true;
        }
    }
}

void hulse_played_checkpoint(struct played_store *p, bool copy)
{
    struct error err = {0};
    struct checkpoint *cp = hulse_state_checkpoint(p->state, p->frames.lsn + 1, p->now_ms += 10);

    assert_non_null(cp);
    const hulse_status status = hulse_state_db_commit(p->db, cp, &err);
    hulse_checkpoint_free(&cp);
    p->commits++;
    if (status == HULSE_LIMIT) {
        p->reduced++;
        hulse_state_all_changed(p->state);
    } else if (status != HULSE_OK) {
        fail_msg("%s", err.text);
    }
    if (copy && hulse_state_db_copy(p->db, &err) != HULSE_OK) {
        fail_msg("%s", err.text);
    }
    forget(p);
}

bool hulse_played_run(struct played_store *p, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++) {
        struct made_frame *made = hulse_random_frames_step(&p->frames);
        if (made == NULL) {
            return false;
        }
        assert_true(hulse_state_apply(p->state, hulse_made_frame_at(made), made->lsn));
        if (test_below(&p->frames.random, 60) == 0) {
            hulse_played_checkpoint(p, test_below(&p->frames.random, 3) == 0);
        }
    }
    return true;
}

void hulse_played_start(struct played_store *p)
{
    open_db(p);
    for (unsigned i = 0; i < p->frames.count; i++) {
        struct made_frame *made = &p->frames.made[i];
        if (made->lsn >= p->found.scan_from && !p->forgotten[made->lsn / RANDOM_SEGMENT_BYTES]) {
            assert_true(hulse_state_apply(p->state, hulse_made_frame_at(made), made->lsn));
        }
    }
    /* Segments that went after the checkpoint was made are in its index. */
    for (uint64_t n = 0; n < PLAYED_SEGMENTS; n++) {
        if (p->forgotten[n]) {
            hulse_state_forget_segment(p->state, n);
        }
    }
}
