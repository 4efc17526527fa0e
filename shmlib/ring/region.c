/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region - memfd life: create, seal, check, map twice, populate.
 *
 * Trust: a checked descriptor is judged by seals and inode facts alone; it is never read, so a
 *        peer cannot make us wait on a file of its own making.
 */
#include "shmlib/ring/region.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Numbers of the kernel ABI that glibc 2.36 may not name yet. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SEALS_AT_CREATION (F_SEAL_SHRINK | F_SEAL_GROW)
#define SEALS_FINAL (SEALS_AT_CREATION | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)
#define STAT_BLOCK_BYTES 512 /* unit of st_blocks, stat(2) */

static size_t file_bytes(uint32_t ring_bytes)
{
    return (size_t)HULSE_CONTROL_BYTES + ring_bytes;
}

static size_t map_bytes(uint32_t ring_bytes)
{
    return (size_t)HULSE_CONTROL_BYTES + (2 * (size_t)ring_bytes);
}

bool hulse_region_bytes_valid(uint32_t ring_bytes)
{
    return ring_bytes >= HULSE_RING_BYTES_MIN && ring_bytes <= HULSE_RING_BYTES_MAX &&
           (ring_bytes & (ring_bytes - 1)) == 0;
}

enum hulse_region_rc hulse_region_create(int *fd, const char *name, uint32_t ring_bytes)
{
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

    *fd = -1;
    if (!hulse_region_bytes_valid(ring_bytes)) {
        return HULSE_REGION_RC_SIZE;
    }
    /* vm.memfd_noexec=2 refuses memfds without it; kernels before 6.3 do not know it. */
    int memfd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
    if (memfd < 0 && errno == EINVAL) {
        memfd = memfd_create(name, flags);
    }
    if (memfd < 0) {
        return HULSE_REGION_RC_SYSTEM;
    }
    if (ftruncate(memfd, (off_t)file_bytes(ring_bytes)) != 0 ||
        fcntl(memfd, F_ADD_SEALS, SEALS_AT_CREATION) != 0) {
        const int saved = errno;
        (void)close(memfd);
        errno = saved;
        return HULSE_REGION_RC_SYSTEM;
    }
    *fd = memfd;
    return HULSE_REGION_RC_OK;
}

enum hulse_region_rc hulse_region_seal(int fd)
{
    const int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0) {
        return errno == EINVAL ? HULSE_REGION_RC_KIND : HULSE_REGION_RC_SYSTEM;
    }
    if ((seals & SEALS_FINAL) == SEALS_FINAL) {
        return HULSE_REGION_RC_OK;
    }
    if (fcntl(fd, F_ADD_SEALS, SEALS_FINAL) != 0) {
        return errno == EINVAL ? HULSE_REGION_RC_KERNEL : HULSE_REGION_RC_SYSTEM;
    }
    return HULSE_REGION_RC_OK;
}

enum hulse_region_rc hulse_region_check(int fd, uint32_t ring_bytes, bool populated)
{
    struct stat st;
    struct statfs fs;

    if (!hulse_region_bytes_valid(ring_bytes)) {
        return HULSE_REGION_RC_SIZE;
    }
    /* First: only tmpfs and hugetlbfs answer, so a FUSE or NFS file is refused without asking it. */
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0) {
        return errno == EINVAL ? HULSE_REGION_RC_KIND : HULSE_REGION_RC_SYSTEM;
    }
    if ((seals & SEALS_FINAL) != SEALS_FINAL) {
        return HULSE_REGION_RC_KIND;
    }
    if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0) {
        return HULSE_REGION_RC_SYSTEM;
    }
    /* Sealed hugetlbfs memory exists; it would bring SIGBUS back. */
    if (!S_ISREG(st.st_mode) || fs.f_type != TMPFS_MAGIC) {
        return HULSE_REGION_RC_KIND;
    }
    if (st.st_size != (off_t)file_bytes(ring_bytes)) {
        return HULSE_REGION_RC_SIZE;
    }
    if (populated && st.st_blocks < (blkcnt_t)(file_bytes(ring_bytes) / STAT_BLOCK_BYTES)) {
        return HULSE_REGION_RC_HOLES;
    }
    return HULSE_REGION_RC_OK;
}

enum hulse_region_rc
hulse_region_map(struct hulse_region *r, int fd, uint32_t ring_bytes, bool writable)
{
    const int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;

    *r = (struct hulse_region){0};
    if (!hulse_region_bytes_valid(ring_bytes)) {
        return HULSE_REGION_RC_SIZE;
    }
    const size_t whole = map_bytes(ring_bytes);
    uint8_t *base =
        mmap(NULL, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return HULSE_REGION_RC_SYSTEM;
    }
    uint8_t *again = base + file_bytes(ring_bytes);
    if (mmap(base, file_bytes(ring_bytes), prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
        mmap(again, ring_bytes, prot, MAP_SHARED | MAP_FIXED, fd, HULSE_CONTROL_BYTES) ==
            MAP_FAILED ||
        madvise(base, whole, MADV_DONTFORK) != 0) {
        const int saved = errno;
        (void)munmap(base, whole);
        errno = saved;
        return HULSE_REGION_RC_SYSTEM;
    }
    r->base = base;
    r->ring = base + HULSE_CONTROL_BYTES;
    r->ring_bytes = ring_bytes;
    return HULSE_REGION_RC_OK;
}

enum hulse_region_rc hulse_region_populate(const struct hulse_region *r, bool writable)
{
    const int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;

    /* The second view too: its page-table entries would otherwise fault on the data path. */
    while (madvise(r->base, map_bytes(r->ring_bytes), advice) != 0) {
        if (errno != EINTR) {
            return errno == EINVAL ? HULSE_REGION_RC_KERNEL : HULSE_REGION_RC_SYSTEM;
        }
    }
    return HULSE_REGION_RC_OK;
}

void hulse_region_unmap(struct hulse_region *r)
{
    if (r->base != NULL) {
        (void)munmap(r->base, map_bytes(r->ring_bytes));
    }
    *r = (struct hulse_region){0};
}

const char *hulse_region_text(enum hulse_region_rc rc)
{
    switch (rc) {
    case HULSE_REGION_RC_OK:
        return "ok";
    case HULSE_REGION_RC_SIZE:
        return "region of the wrong size";
    case HULSE_REGION_RC_KIND:
        return "region is not a sealed memfd";
    case HULSE_REGION_RC_HOLES:
        return "region is not populated";
    case HULSE_REGION_RC_SYSTEM:
        return "system call failed on a region";
    case HULSE_REGION_RC_KERNEL:
        return "kernel too old: Linux 5.14 is needed";
    }
    return "unknown region code";
}
