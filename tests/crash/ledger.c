/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger - see ledger.h.
 */
#include "tests/crash/ledger.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

struct ledger_slot {
    struct ledger_entry entry;
    _Atomic(uint64_t) check; /* stored last */
};

struct ledger_file {
    _Atomic(uint64_t) count; /* a hint where to look for the end */
    uint64_t reserved;
    struct ledger_slot slots[];
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/* Never 0, which is what a hole in the file reads as. */
static uint64_t check_of(const struct ledger_entry *e, uint64_t index)
{
    uint64_t sum = mix(index + 1);

    sum = mix(sum ^ e->number);
    sum = mix(sum ^ e->id);
    sum = mix(sum ^ ((uint64_t)e->epoch << 32 | (uint64_t)e->kind << 16 | e->detail));
    return sum | 1;
}

uint64_t hulse_ledger_id(uint64_t ledger, uint64_t entry, int32_t batch)
{
    return mix(mix(mix(ledger + 1) ^ entry) ^ (uint64_t)(uint32_t)batch) | 1;
}

static size_t bytes_of(const struct ledger *l)
{
    return sizeof(struct ledger_file) + l->capacity * sizeof(struct ledger_slot);
}

bool hulse_ledger_open(struct ledger *l, const char *path, uint64_t capacity)
{
    struct ledger_entry entry;

    *l = (struct ledger){.capacity = capacity};
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->fd < 0) {
        return false;
    }
    /* The same size each time, so nothing is cut. */
    if (ftruncate(l->fd, (off_t)bytes_of(l)) != 0) {
        (void)close(l->fd);
        return false;
    }
    void *at = mmap(NULL, bytes_of(l), PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
    if (at == MAP_FAILED) {
        (void)close(l->fd);
        return false;
    }
    l->file = at;
    l->next = atomic_load_explicit(&l->file->count, memory_order_relaxed);
    /* Its writer may have died before it could count the last one. */
    while (hulse_ledger_read(l, l->next, &entry)) {
        l->next++;
    }
    return true;
}

void hulse_ledger_close(struct ledger *l)
{
    if (l->file != NULL) {
        (void)munmap(l->file, bytes_of(l));
        (void)close(l->fd);
    }
    *l = (struct ledger){.fd = -1};
}

bool hulse_ledger_append(struct ledger *l, const struct ledger_entry *entry)
{
    if (l->next >= l->capacity) {
        return false;
    }
    struct ledger_slot *slot = &l->file->slots[l->next];
    slot->entry = *entry;
    /* SYNC(test.ledger_entry) release: the entry before its check. */
    atomic_store_explicit(&slot->check, check_of(entry, l->next), memory_order_release);
    l->next++;
    atomic_store_explicit(&l->file->count, l->next, memory_order_relaxed);
    return true;
}

bool hulse_ledger_read(const struct ledger *l, uint64_t index, struct ledger_entry *out)
{
    if (index >= l->capacity) {
        return false;
    }
    const struct ledger_slot *slot = &l->file->slots[index];
    /* SYNC(test.ledger_entry) acquire: the entry is complete when its check is there. */
    const uint64_t check = atomic_load_explicit(&slot->check, memory_order_acquire);
    *out = slot->entry;
    return check != 0 && check == check_of(out, index);
}
