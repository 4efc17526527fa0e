/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shadow - see shadow.h.
 */
#include "tests/crash/power/shadow.h"

#include "tests/crash/power/calls.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DESCRIPTORS_MAX = 65536, MAPS_MAX = 256 };

struct range {
    uint64_t from;
    uint64_t to;
};

/* One life of an inode. Never freed: a test's process is short. */
struct node {
    struct node *next;
    /*
     * Held from a sync's begin to its end, taken before the lock of all: a second sync, which may
     * have nothing left to do, must not return before the first has taken over what both cover.
     */
    pthread_mutex_t syncing;
    uint64_t inode;
    uint64_t id;
    bool folder;
    struct range *dirty; /* written since the last sync, in no order */
    size_t dirty_count;
    size_t dirty_room;
};

struct map {
    const char *at; /* NULL: free */
    size_t bytes;
    uint64_t offset;
    struct node *node;
};

struct descriptor {
    struct node *node;
    bool dsync;
};

struct shadow_sync {
    struct node *node;
    char *names;          /* of a folder */
    struct range *ranges; /* of a file */
    size_t range_count;
    uint8_t *bytes; /* of the ranges, one behind the other */
    uint64_t length;
};

static struct {
    pthread_mutex_t lock;
    _Atomic(bool) active;
    bool no_sync;
    char dir[POWER_PATH_BYTES]; /* resolved */
    size_t dir_bytes;
    char shadow[POWER_PATH_BYTES];
    struct node *nodes; /* the youngest life of a number comes first */
    uint64_t next_id;
    struct map maps[MAPS_MAX];
    struct descriptor descriptors[DESCRIPTORS_MAX];
    _Atomic(uint8_t) followed[DESCRIPTORS_MAX];
    /* Recursive, because an allocator unmaps while it allocates for us. */
} shadow = {.lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP, .next_id = POWER_ROOT_ID + 1};

/* A test that cannot go on as it should must not go on at all. */
static _Noreturn void give_up(const char *what)
{
    char text[160];
    const int n = snprintf(text, sizeof(text), "power: %s: %s\n", what, strerrordesc_np(errno));

    (void)syscall(SYS_write, 2, text, (size_t)n);
    abort();
}

static void lock(void)
{
    (void)pthread_mutex_lock(&shadow.lock);
}

static void unlock(void)
{
    (void)pthread_mutex_unlock(&shadow.lock);
}

static bool is_active(void)
{
    return atomic_load_explicit(&shadow.active, memory_order_relaxed);
}

bool hulse_shadow_follows(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS_MAX &&
           atomic_load_explicit(&shadow.followed[fd], memory_order_relaxed) != 0 && is_active();
}

bool hulse_shadow_syncs_nothing(void)
{
    return shadow.no_sync;
}

static void *need(void *memory)
{
    if (memory == NULL) {
        give_up("memory");
    }
    return memory;
}

/* ---- nodes ---- */

static struct node *add_node(uint64_t inode, bool folder)
{
    struct node *n = need(calloc(1, sizeof(*n)));

    (void)pthread_mutex_init(&n->syncing, NULL);
    n->inode = inode;
    n->id = shadow.next_id++;
    n->folder = folder;
    n->next = shadow.nodes;
    shadow.nodes = n;
    return n;
}

/* What nobody has seen begin has nothing durable. */
static struct node *find_node(uint64_t inode, bool folder)
{
    for (struct node *n = shadow.nodes; n != NULL; n = n->next) {
        if (n->inode == inode) {
            return n;
        }
    }
    return add_node(inode, folder);
}

static void mark(struct node *n, uint64_t from, uint64_t to)
{
    if (from >= to) {
        return;
    }
    /* A log grows at its end. */
    if (n->dirty_count > 0 && n->dirty[n->dirty_count - 1].to == from) {
        n->dirty[n->dirty_count - 1].to = to;
        return;
    }
    if (n->dirty_count == n->dirty_room) {
        n->dirty_room = n->dirty_room * 2 + 16;
        n->dirty = need(realloc(n->dirty, n->dirty_room * sizeof(*n->dirty)));
    }
    n->dirty[n->dirty_count++] = (struct range){.from = from, .to = to};
}

static int open_shadow(const struct node *n, char kind, const char *tail, int flags)
{
    char path[POWER_PATH_BYTES + 64];

    (void)snprintf(
        path, sizeof(path), "%s/%c%llu%s", shadow.shadow, kind, (unsigned long long)n->id, tail);
    const int fd = raw_openat(AT_FDCWD, path, flags | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        give_up(path);
    }
    return fd;
}

/* ---- taking over ---- */

static void write_all(int fd, const void *from, size_t bytes, uint64_t offset)
{
    const uint8_t *at = from;

    while (bytes > 0) {
        const ssize_t n = raw_pwrite(fd, at, bytes, offset);
        if (n <= 0) {
            give_up("write");
        }
        at += n;
        bytes -= (size_t)n;
        offset += (uint64_t)n;
    }
}

/* What is beyond the end reads as zeros, which the length cuts off later. */
static void read_all(int fd, uint8_t *to, size_t bytes, uint64_t offset)
{
    memset(to, 0, bytes);
    while (bytes > 0) {
        const ssize_t n = raw_pread(fd, to, bytes, offset);
        if (n < 0 && errno != EINTR) {
            give_up("read");
        }
        if (n == 0) {
            return;
        }
        to += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
        offset += n > 0 ? (uint64_t)n : 0;
    }
}

static uint64_t length_of(int fd)
{
    struct stat info;

    if (fstat(fd, &info) != 0) {
        give_up("fstat");
    }
    return (uint64_t)info.st_size;
}

/* Another descriptor of the same file, one that can be read. */
static int reopen(int fd)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    const int own = raw_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (own < 0) {
        give_up(path);
    }
    return own;
}

/* Reads the ranges of a sync. */
static void gather(struct shadow_sync *s, int of)
{
    size_t bytes = 0;
    size_t used = 0;
    const int fd = reopen(of);

    s->length = length_of(fd);
    for (size_t i = 0; i < s->range_count; i++) {
        struct range *r = &s->ranges[i];
        r->to = r->to > s->length ? s->length : r->to;
        r->from = r->from > r->to ? r->to : r->from;
        bytes += r->to - r->from;
    }
    s->bytes = need(malloc(bytes + 1));
    for (size_t i = 0; i < s->range_count; i++) {
        const struct range *r = &s->ranges[i];
        read_all(fd, s->bytes + used, r->to - r->from, r->from);
        used += r->to - r->from;
    }
    raw_close(fd);
}

static void take_over_file(const struct shadow_sync *s)
{
    const int to = open_shadow(s->node, 'i', "", O_RDWR);
    size_t used = 0;

    for (size_t i = 0; i < s->range_count; i++) {
        const struct range *r = &s->ranges[i];
        write_all(to, s->bytes + used, r->to - r->from, r->from);
        used += r->to - r->from;
    }
    if (raw_ftruncate(to, s->length) != 0) {
        give_up("ftruncate");
    }
    raw_close(to);
}

/* A folder's names change at once or not at all. */
static void take_over_folder(const struct shadow_sync *s)
{
    char from[POWER_PATH_BYTES + 64];
    char to[POWER_PATH_BYTES + 32];
    const int fd = open_shadow(s->node, 'd', ".new", O_WRONLY | O_TRUNC);

    write_all(fd, s->names, strlen(s->names), 0);
    raw_close(fd);
    (void)snprintf(to, sizeof(to), "%s/d%llu", shadow.shadow, (unsigned long long)s->node->id);
    (void)snprintf(from, sizeof(from), "%s.new", to);
    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) != 0) {
        give_up(to);
    }
}

/* ---- folders ---- */

static void add_name(char **names, size_t *bytes, const struct node *n, const char *name)
{
    const size_t more = strlen(name) + 32;

    *names = need(realloc(*names, *bytes + more));
    *bytes += (size_t)snprintf(*names + *bytes,
                               more,
                               "%c %llu %s\n",
                               n->folder ? 'd' : 'f',
                               (unsigned long long)n->id,
                               name);
}

/* The names in a folder as they are now; `fd` stays as it is. */
static char *list(int fd)
{
    char *names = need(calloc(1, 1));
    size_t bytes = 0;
    const struct dirent *entry = NULL;
    const int own = raw_openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *dir = own < 0 ? NULL : fdopendir(own);

    if (dir == NULL) {
        give_up("opendir");
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
    while ((entry = readdir(dir)) != NULL) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
            (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))) {
            continue;
        }
        add_name(&names, &bytes, find_node(info.st_ino, S_ISDIR(info.st_mode)), entry->d_name);
    }
    (void)closedir(dir);
    return names;
}

/* ---- syncs ---- */

/* Everything that a mapping can have changed counts as changed: nobody sees such writes. */
static void mark_maps(struct node *n, uint64_t length)
{
    for (unsigned i = 0; i < MAPS_MAX; i++) {
        const struct map *m = &shadow.maps[i];
        if (m->at != NULL && m->node == n) {
            const uint64_t to = m->offset + m->bytes;
            mark(n, m->offset, to > length ? length : to);
        }
    }
}

static void take_over(struct shadow_sync *s)
{
    if (s->node->folder) {
        take_over_folder(s);
    } else {
        take_over_file(s);
    }
}

static void free_sync(struct shadow_sync *s)
{
    free(s->names);
    free(s->ranges);
    free(s->bytes);
    free(s);
}

static struct node *lock_node(int fd)
{
    lock();
    struct node *n = shadow.descriptors[fd].node;
    unlock();
    (void)pthread_mutex_lock(&n->syncing);
    return n;
}

struct shadow_sync *hulse_shadow_sync_begin(int fd)
{
    if (!hulse_shadow_follows(fd)) {
        return NULL;
    }
    struct shadow_sync *s = need(calloc(1, sizeof(*s)));
    s->node = lock_node(fd);
    lock();
    if (s->node->folder) {
        s->names = list(fd);
    } else {
        mark_maps(s->node, length_of(fd));
        s->ranges = s->node->dirty;
        s->range_count = s->node->dirty_count;
        s->node->dirty = NULL;
        s->node->dirty_count = 0;
        s->node->dirty_room = 0;
        gather(s, fd);
    }
    unlock();
    return s;
}

/* A descriptor of the node: the caller of msync() has none. */
static int descriptor_of(const struct node *n)
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        if (shadow.descriptors[fd].node == n &&
            atomic_load_explicit(&shadow.followed[fd], memory_order_relaxed) != 0) {
            return fd;
        }
    }
    return -1;
}

/* The mapping that holds an address. False: none that is followed. */
static bool find_map(const char *at, struct map *out)
{
    bool found = false;

    lock();
    for (unsigned i = 0; i < MAPS_MAX && !found; i++) {
        const struct map *m = &shadow.maps[i];
        found = m->at != NULL && at >= m->at && at < m->at + m->bytes;
        *out = *m;
    }
    unlock();
    return found;
}

struct shadow_sync *hulse_shadow_msync_begin(const void *at, size_t bytes)
{
    struct map m;

    if (!is_active() || !find_map(at, &m)) {
        return NULL;
    }
    struct shadow_sync *s = need(calloc(1, sizeof(*s)));
    const uint64_t start = m.offset + (uint64_t)((const char *)at - m.at);
    s->node = m.node;
    s->ranges = need(calloc(1, sizeof(*s->ranges)));
    s->ranges[0] = (struct range){.from = start, .to = start + bytes};
    s->range_count = 1;
    (void)pthread_mutex_lock(&s->node->syncing);
    lock();
    const int fd = descriptor_of(s->node);
    if (fd < 0) {
        errno = EBADF;
        give_up("msync of a file without a descriptor");
    }
    gather(s, fd);
    unlock();
    return s;
}

void hulse_shadow_sync_end(struct shadow_sync *s, bool done)
{
    if (s == NULL) {
        return;
    }
    lock();
    if (done) {
        take_over(s);
    } else {
        for (size_t i = 0; i < s->range_count; i++) {
            mark(s->node, s->ranges[i].from, s->ranges[i].to);
        }
    }
    unlock();
    (void)pthread_mutex_unlock(&s->node->syncing);
    free_sync(s);
}

/* ---- descriptors ---- */

/* True when the file behind `fd` lies in the folder, or is it. */
static bool is_below(int fd, bool *root)
{
    char link[64];
    char path[POWER_PATH_BYTES * 2];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n < (ssize_t)shadow.dir_bytes) {
        return false;
    }
    path[n] = '\0';
    *root = path[shadow.dir_bytes] == '\0';
    return strncmp(path, shadow.dir, shadow.dir_bytes) == 0 &&
           (*root || path[shadow.dir_bytes] == '/');
}

bool hulse_shadow_is_new(int at, const char *path)
{
    struct stat info;
    const int error = errno;
    const bool is_new = is_active() && fstatat(at, path, &info, AT_SYMLINK_NOFOLLOW) != 0;

    errno = error;
    return is_new;
}

static struct node *node_for(const struct stat *info, bool root, bool is_new)
{
    const bool folder = S_ISDIR(info->st_mode);
    struct node *n = is_new ? add_node(info->st_ino, folder) : find_node(info->st_ino, folder);

    if (root) {
        n->id = POWER_ROOT_ID;
    }
    return n;
}

void hulse_shadow_opened(int fd, int flags, bool is_new)
{
    struct stat info;
    bool root = false;
    const int error = errno;

    if (!is_active() || fd < 0 || fd >= DESCRIPTORS_MAX) {
        return;
    }
    if (is_below(fd, &root) && fstat(fd, &info) == 0 &&
        (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))) {
        lock();
        struct descriptor *d = &shadow.descriptors[fd];
        d->node = node_for(&info, root, is_new);
        /* Either of the two bits of O_SYNC waits for the data. */
        d->dsync = (flags & (O_DSYNC | O_SYNC)) != 0;
        if ((flags & O_TRUNC) != 0 && (flags & O_ACCMODE) != O_RDONLY) {
            mark(d->node, 0, UINT64_MAX);
        }
        atomic_store_explicit(&shadow.followed[fd], 1, memory_order_relaxed);
        unlock();
    }
    errno = error;
}

void hulse_shadow_made_folder(int at, const char *path)
{
    const int error = errno;
    const int fd = is_active() ? raw_openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) : -1;

    if (fd >= 0) {
        hulse_shadow_opened(fd, O_RDONLY, true);
        hulse_shadow_closed(fd);
        raw_close(fd);
    }
    errno = error;
}

void hulse_shadow_closed(int fd)
{
    if (hulse_shadow_follows(fd)) {
        atomic_store_explicit(&shadow.followed[fd], 0, memory_order_relaxed);
    }
}

void hulse_shadow_duplicated(int from, int to)
{
    if (to < 0 || to >= DESCRIPTORS_MAX || from == to) {
        return;
    }
    if (!hulse_shadow_follows(from)) {
        hulse_shadow_closed(to);
        return;
    }
    lock();
    shadow.descriptors[to] = shadow.descriptors[from];
    atomic_store_explicit(&shadow.followed[to], 1, memory_order_relaxed);
    unlock();
}

/* ---- changes ---- */

void hulse_shadow_changed(int fd, uint64_t from, uint64_t to)
{
    if (hulse_shadow_follows(fd)) {
        lock();
        mark(shadow.descriptors[fd].node, from, to);
        unlock();
    }
}

/* The data of one write are durable when it returns, those of others are not. */
static void take_over_at_once(int fd, struct range range)
{
    struct shadow_sync s = {.node = lock_node(fd), .ranges = &range, .range_count = 1};

    lock();
    gather(&s, fd);
    take_over_file(&s);
    unlock();
    (void)pthread_mutex_unlock(&s.node->syncing);
    free(s.bytes);
}

void hulse_shadow_written(int fd, uint64_t from, uint64_t to)
{
    const int error = errno;

    if (!hulse_shadow_follows(fd)) {
        return;
    }
    if (shadow.descriptors[fd].dsync && !shadow.no_sync) {
        take_over_at_once(fd, (struct range){.from = from, .to = to});
    } else {
        hulse_shadow_changed(fd, from, to);
    }
    errno = error;
}

void hulse_shadow_mapped(int fd, const void *at, size_t bytes, uint64_t offset)
{
    if (!hulse_shadow_follows(fd)) {
        return;
    }
    lock();
    for (unsigned i = 0; i < MAPS_MAX; i++) {
        if (shadow.maps[i].at == NULL) {
            shadow.maps[i] = (struct map){
                .at = at, .bytes = bytes, .offset = offset, .node = shadow.descriptors[fd].node};
            unlock();
            return;
        }
    }
    errno = ENOSPC;
    give_up("too many mappings");
}

/* What was written through it stays changed. A part that is left counts as the whole. */
void hulse_shadow_unmapped(const void *at, size_t bytes)
{
    const char *from = at;

    if (!is_active()) {
        return;
    }
    lock();
    for (unsigned i = 0; i < MAPS_MAX; i++) {
        struct map *m = &shadow.maps[i];
        if (m->at != NULL && from <= m->at && m->at + m->bytes <= from + bytes) {
            mark(m->node, m->offset, m->offset + m->bytes);
            m->at = NULL;
        }
    }
    unlock();
}

/* ---- start ---- */

static void adopt(int at, const char *name, bool root);

/* NOLINTNEXTLINE(misc-no-recursion): a test's own folder */
static void adopt_folder(int fd, struct node *n)
{
    struct shadow_sync s = {.node = n};
    const struct dirent *entry = NULL;
    const int own = raw_openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    DIR *dir = own < 0 ? NULL : fdopendir(own);

    if (dir == NULL) {
        give_up("opendir");
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): before any other thread */
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            adopt(fd, entry->d_name, false);
        }
    }
    (void)closedir(dir);
    s.names = list(fd);
    take_over_folder(&s);
    free(s.names);
}

/* Everything that is there at the start is durable. NOLINTNEXTLINE(misc-no-recursion) */
static void adopt(int at, const char *name, bool root)
{
    struct stat info;
    const int fd = raw_openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);

    if (fd < 0) {
        return; /* a socket, or not there yet */
    }
    if (fstat(fd, &info) == 0 && (S_ISDIR(info.st_mode) || S_ISREG(info.st_mode))) {
        struct node *n = node_for(&info, root, false);
        if (n->folder) {
            adopt_folder(fd, n);
        } else {
            struct range range = {.from = 0, .to = (uint64_t)info.st_size};
            struct shadow_sync s = {.node = n, .ranges = &range, .range_count = 1};
            gather(&s, fd);
            take_over_file(&s);
            free(s.bytes);
        }
    }
    raw_close(fd);
}

static void in_child(void)
{
    atomic_store(&shadow.active, false);
}

/* An empty file; false when it is there. */
static bool make_mark(const char *to, const char *name)
{
    char path[POWER_PATH_BYTES + 16];

    (void)snprintf(path, sizeof(path), "%s/%s", to, name);
    const int fd = raw_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) {
        give_up(path);
    }
    raw_close(fd);
    return fd >= 0;
}

void hulse_shadow_start(void)
{
    /* Before any other thread. NOLINTBEGIN(concurrency-mt-unsafe) */
    const char *dir = getenv(POWER_DIR);
    const char *to = getenv(POWER_SHADOW);
    shadow.no_sync = getenv(POWER_NO_SYNC) != NULL;
    /* NOLINTEND(concurrency-mt-unsafe) */

    if (dir == NULL || to == NULL) {
        return;
    }
    (void)syscall(SYS_mkdirat, AT_FDCWD, to, 0700);
    /* Who is started by the one that is followed is another process, and none of ours. */
    if (!make_mark(to, "owner")) {
        return;
    }
    if (strlen(dir) >= sizeof(shadow.dir) || pthread_atfork(NULL, NULL, in_child) != 0) {
        give_up(dir);
    }
    (void)snprintf(shadow.dir, sizeof(shadow.dir), "%s", dir);
    (void)snprintf(shadow.shadow, sizeof(shadow.shadow), "%s", to);
    shadow.dir_bytes = strlen(shadow.dir);
    adopt(AT_FDCWD, dir, true);
    (void)make_mark(to, "followed");
    atomic_store(&shadow.active, true);
}
