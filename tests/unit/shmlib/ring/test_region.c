/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   V1, V2: a region is accepted only when it is a fully sealed, fully present memfd of the
 *         exact size; and once accepted nobody can shrink or punch it.
 * Method: one descriptor of each wrong kind; each seal missing in turn; a hole in turn at the ends.
 */
#include "shmlib/ring/region.h"
#include "tests/support/runtime.h"
#include "tests/unit/shmlib/ring/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum { RING = HULSE_RING_BYTES_MIN, WHOLE = HULSE_CONTROL_BYTES + RING };

static int create(void)
{
    int fd = -1;

    assert_int_equal(hulse_region_create(&fd, "hulse-test", RING), HULSE_REGION_RC_OK);
    assert_true(fd >= 0);
    return fd;
}

/* A region as it is after CHANNEL_READY, mapped writable in *r. */
static int create_ready(struct hulse_region *r)
{
    const int fd = create();

    assert_int_equal(hulse_region_map(r, fd, RING, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_populate(r, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
    return fd;
}

static void test_sizes(void **state)
{
    static const uint32_t bad[] = {0,
                                   1,
                                   RING - 1,
                                   RING + 1,
                                   RING / 2,
                                   RING * 3,
                                   UINT32_MAX,
                                   HULSE_RING_BYTES_MAX * 2,
                                   1U << 31};
    int fd = 0;

    (void)state;
    for (uint32_t n = HULSE_RING_BYTES_MIN; n <= HULSE_RING_BYTES_MAX; n *= 2) {
        assert_true(hulse_region_bytes_valid(n));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct hulse_region r;
        assert_false(hulse_region_bytes_valid(bad[i]));
        assert_int_equal(hulse_region_create(&fd, "bad", bad[i]), HULSE_REGION_RC_SIZE);
        assert_int_equal(fd, -1);
        assert_int_equal(hulse_region_map(&r, 0, bad[i], true), HULSE_REGION_RC_SIZE);
        assert_null(r.base);
        assert_int_equal(hulse_region_check(0, bad[i], true), HULSE_REGION_RC_SIZE);
    }
}

static void test_created_descriptor(void **state)
{
    const int fd = create();

    (void)state;
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    const int seals = fcntl(fd, F_GET_SEALS);
    assert_true((seals & F_SEAL_SHRINK) != 0);
    assert_true((seals & F_SEAL_GROW) != 0);
    assert_int_equal(seals & (F_SEAL_SEAL | F_SEAL_FUTURE_WRITE | F_SEAL_WRITE), 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), WHOLE);
    assert_int_equal(ftruncate(fd, WHOLE / 2), -1);
    assert_int_equal(errno, EPERM);
    (void)close(fd);
}

static void test_a_ready_region_is_accepted(void **state)
{
    struct hulse_region r;
    const int fd = create_ready(&r);

    (void)state;
    assert_int_equal(hulse_region_check(fd, RING, true), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK); /* twice is harmless */
    assert_int_equal(hulse_region_check(fd, RING * 2, true), HULSE_REGION_RC_SIZE);
    hulse_region_unmap(&r);
    (void)close(fd);
}

static void test_each_seal_is_needed(void **state)
{
    static const int needed[] = {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL};
    const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        const int fd = memfd_create("hulse-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(ftruncate(fd, WHOLE), 0);
        assert_int_equal(posix_fallocate(fd, 0, WHOLE), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, all & ~needed[i]), 0);
        assert_int_equal(hulse_region_check(fd, RING, true), HULSE_REGION_RC_KIND);
        (void)close(fd);
    }
}

static void test_wrong_size(void **state)
{
    static const off_t sizes[] = {WHOLE - 1, WHOLE + 1, WHOLE - 4096, WHOLE + 4096, RING, 0};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const int fd = memfd_create("hulse-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(ftruncate(fd, sizes[i]), 0);
        assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
        assert_int_equal(hulse_region_check(fd, RING, false), HULSE_REGION_RC_SIZE);
        (void)close(fd);
    }
}

static void test_holes(void **state)
{
    static const off_t pages[] = {0, 4096, WHOLE - 4096};

    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        const int fd = create();
        assert_int_equal(posix_fallocate(fd, 0, WHOLE), 0);
        assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pages[i], 4096),
                         0);
        assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
        assert_int_equal(hulse_region_check(fd, RING, true), HULSE_REGION_RC_HOLES);
        assert_int_equal(hulse_region_check(fd, RING, false), HULSE_REGION_RC_OK);
        (void)close(fd);
    }
}

static void test_other_kinds_of_descriptors(void **state)
{
    char path[] = "/tmp/hulse-region-XXXXXX";
    char shm[] = "/dev/shm/hulse-region-XXXXXX";
    int fds[2];

    (void)state;
    const int file = mkostemp(path, O_CLOEXEC);
    assert_true(file >= 0);
    (void)unlink(path);
    assert_int_equal(posix_fallocate(file, 0, WHOLE), 0);
    assert_int_equal(hulse_region_check(file, RING, true), HULSE_REGION_RC_KIND);
    assert_int_not_equal(hulse_region_seal(file), HULSE_REGION_RC_OK);
    (void)close(file);
    const int tmpfs = mkostemp(shm, O_CLOEXEC); /* tmpfs, but never sealable: only F_SEAL_SEAL */
    if (tmpfs >= 0) {
        (void)unlink(shm);
        assert_int_equal(posix_fallocate(tmpfs, 0, WHOLE), 0);
        assert_int_equal(hulse_region_check(tmpfs, RING, true), HULSE_REGION_RC_KIND);
        assert_int_not_equal(hulse_region_seal(tmpfs), HULSE_REGION_RC_OK);
        (void)close(tmpfs);
    }
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(hulse_region_check(fds[0], RING, true), HULSE_REGION_RC_KIND);
    assert_int_equal(hulse_region_seal(fds[0]), HULSE_REGION_RC_KIND);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(hulse_region_check(fds[0], RING, true), HULSE_REGION_RC_KIND);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_int_equal(hulse_region_check(-1, RING, true), HULSE_REGION_RC_SYSTEM);
    assert_int_equal(hulse_region_seal(-1), HULSE_REGION_RC_SYSTEM);
}

/* Sealed hugetlbfs memory answers all four seals; only its file system tells it apart. */
static void test_huge_pages_are_refused(void **state)
{
    const int fd = memfd_create("hulse-test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

    (void)state;
    if (fd < 0) {
        print_message("hugetlb memfd not available here: %s\n", strerrorname_np(errno));
        skip();
    }
    assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_check(fd, RING, false), HULSE_REGION_RC_KIND);
    (void)close(fd);
}

static void test_the_ring_is_there_twice(void **state)
{
    struct hulse_region r;
    const int fd = create_ready(&r);

    (void)state;
    assert_ptr_equal(r.ring, r.base + HULSE_CONTROL_BYTES);
    assert_int_equal(r.ring_bytes, RING);
    assert_ptr_equal(hulse_region_a(&r), r.base);
    assert_ptr_equal(hulse_region_b(&r), r.base);
    memcpy(r.ring + RING - 4, "abcdefgh", 8); /* over the end: goes to the beginning */
    assert_memory_equal(r.ring, "efgh", 4);
    assert_memory_equal(r.ring + RING, "efgh", 4);
    assert_int_equal(r.base[0], 0); /* the control page is not part of it */
    r.ring[7] = 1;
    assert_int_equal(r.ring[RING + 7], 1);
    hulse_region_unmap(&r);
    assert_null(r.base);
    hulse_region_unmap(&r);
    (void)close(fd);
}

static void test_the_reader_populates_without_writing(void **state)
{
    struct hulse_region r;
    const int fd = create();

    (void)state;
    assert_int_equal(hulse_region_seal(fd), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_check(fd, RING, true), HULSE_REGION_RC_HOLES);
    assert_int_equal(hulse_region_map(&r, fd, RING, true), HULSE_REGION_RC_SYSTEM);
    assert_null(r.base);
    assert_int_equal(hulse_region_map(&r, fd, RING, false), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_populate(&r, false), HULSE_REGION_RC_OK);
    assert_int_equal(hulse_region_check(fd, RING, true), HULSE_REGION_RC_OK);
    hulse_region_unmap(&r);
    (void)close(fd);
}

static void test_a_sealed_region_cannot_lose_a_page(void **state)
{
    struct hulse_region r;
    const int fd = create_ready(&r);

    (void)state;
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, (off_t)2 * WHOLE), -1);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    assert_int_equal(madvise(r.base, 4096, MADV_REMOVE), -1);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    r.ring[0] = 1; /* the map made before keeps writing */
    assert_int_equal(hulse_region_check(fd, RING, true), HULSE_REGION_RC_OK);
    hulse_region_unmap(&r);
    (void)close(fd);
}

static void test_a_child_has_no_map(void **state)
{
    struct hulse_region r;
    const int fd = create_ready(&r);
    int status = 0;

    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsigned char seen = 0;
        /* mincore() says ENOMEM for an address that is not mapped. */
        const int rc = mincore(r.base, 4096, &seen);
        const bool gone = rc != 0 && errno == ENOMEM;
        const bool ring_gone = mincore(r.ring + RING, 4096, &seen) != 0 && errno == ENOMEM;
        _exit(gone && ring_gone ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    hulse_region_unmap(&r);
    (void)close(fd);
}

static void test_no_descriptor_is_left(void **state)
{
    const int before = hulse_test_count_descriptors();
    struct hulse_region r;

    (void)state;
    for (int i = 0; i < 8; i++) {
        const int fd = create_ready(&r);
        hulse_region_unmap(&r);
        (void)close(fd);
    }
    assert_int_equal(hulse_test_count_descriptors(), before);
}

static void test_texts(void **state)
{
    (void)state;
    for (int a = HULSE_REGION_RC_OK; a <= HULSE_REGION_RC_KERNEL; a++) {
        for (int b = HULSE_REGION_RC_OK; b < a; b++) {
            assert_string_not_equal(hulse_region_text((enum hulse_region_rc)a),
                                    hulse_region_text((enum hulse_region_rc)b));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_created_descriptor),
        cmocka_unit_test(test_a_ready_region_is_accepted),
        cmocka_unit_test(test_each_seal_is_needed),
        cmocka_unit_test(test_wrong_size),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_other_kinds_of_descriptors),
        cmocka_unit_test(test_huge_pages_are_refused),
        cmocka_unit_test(test_the_ring_is_there_twice),
        cmocka_unit_test(test_the_reader_populates_without_writing),
        cmocka_unit_test(test_a_sealed_region_cannot_lose_a_page),
        cmocka_unit_test(test_a_child_has_no_map),
        cmocka_unit_test(test_no_descriptor_is_left),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
