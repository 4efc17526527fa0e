/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork - a child must not keep its parent's sessions alive.
 *
 * The rings are MADV_DONTFORK, so a child has no map of them; but an inherited socket would hide
 * the parent's death from the daemon. The child handler closes every descriptor of every session
 * and marks it; from then on each call gives CLOSED.
 *
 * Threads: `registry` is taken for moments by opens and closes, and over fork() itself, so the
 *          child sees whole lists. The child has one thread and its lists never change again.
 */
#include "shmlib/client/channel.h"

#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    struct hulse_session *live;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

void hulse_fork_lock(void)
{
    (void)pthread_mutex_lock(&registry.lock);
}

void hulse_fork_unlock(void)
{
    (void)pthread_mutex_unlock(&registry.lock);
}

static void drop(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void drop_group(struct hulse_group *g)
{
    drop(&g->wake);
    drop(&g->epoll);
    drop(&g->timer);
    for (struct hulse_handle *h = g->handles; h != NULL; h = h->next) {
        drop(&h->channel->fd_a);
        drop(&h->channel->offer.fd_b);
    }
}

static void in_child(void)
{
    for (struct hulse_session *s = registry.live; s != NULL; s = s->next_live) {
        hulse_session_end(s,
                          HULSE_SESSION_FORKED,
                          "this session belongs to the parent process: open one after fork");
        drop(&s->sock);
        drop(&s->bell);
        for (unsigned i = 0; i < HULSE_GROUPS_MAX; i++) {
            /* Relaxed because the child has one thread. */
            struct hulse_group *g = atomic_load_explicit(&s->groups[i], memory_order_relaxed);
            if (g != NULL) {
                drop_group(g);
            }
        }
    }
    hulse_fork_unlock();
}

static void install(void)
{
    /* Fails without memory only; then children hide hang-ups until they exec or exit. */
    (void)pthread_atfork(hulse_fork_lock, hulse_fork_unlock, in_child);
}

void hulse_fork_register(struct hulse_session *s)
{
    (void)pthread_once(&registry.once, install);
    hulse_fork_lock();
    s->next_live = registry.live;
    registry.live = s;
    hulse_fork_unlock();
}

void hulse_fork_forget(struct hulse_session *s)
{
    hulse_fork_lock();
    for (struct hulse_session **at = &registry.live; *at != NULL; at = &(*at)->next_live) {
        if (*at == s) {
            *at = s->next_live;
            break;
        }
    }
    hulse_fork_unlock();
}
