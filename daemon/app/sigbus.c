/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigbus - the last resort when a page of A cannot be had (hwpoison, swap error): V18.
 *
 * If the address lies in a session's A on this worker, the whole region becomes anonymous zero
 * pages, the session is marked and the access repeats, harmless. Any other address is our own bug
 * and gets the default action.
 *
 * Threads: runs on the worker that touched the page, so its lists are not being changed.
 */
#include "daemon/app/channel.h"
#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static size_t mapped_bytes(const struct hulse_region *r)
{
    return HULSE_CONTROL_BYTES + 2 * (size_t)r->ring_bytes;
}

static struct channel *owner_of(const struct plane *p, const uint8_t *address)
{
    const struct session *s = NULL;
    TAILQ_FOREACH(s, &p->sessions, link)
    {
        struct channel *ch = NULL;
        TAILQ_FOREACH(ch, &s->channels, session_link)
        {
            if (ch->a.base != NULL && address >= ch->a.base &&
                address < ch->a.base + mapped_bytes(&ch->a)) {
                return ch;
            }
        }
    }
    return NULL;
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)context;
    const int saved = errno;
    struct plane *p = hulse_plane_self();
    struct channel *ch = p == NULL ? NULL : owner_of(p, info->si_addr);
    if (ch != NULL && mmap(ch->a.base,
                           mapped_bytes(&ch->a),
                           PROT_READ,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                           -1,
                           0) == ch->a.base) {
        hulse_session_doom(ch->session, HULSE_RULE_V18, "a page of region A is gone");
        errno = saved;
        return;
    }
    struct sigaction defaults = {.sa_handler = SIG_DFL};
    (void)sigaction(number, &defaults, NULL);
    errno = saved;
}

hulse_status hulse_plane_signals(struct error *err)
{
    struct sigaction bus = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGBUS, &bus, NULL) != 0 || sigaction(SIGPIPE, &ignore, NULL) != 0 ||
        sigaction(SIGIO, &ignore, NULL) != 0) {
        return hulse_fail(err, HULSE_IO, "sigaction: %s", strerrordesc_np(errno));
    }
    return HULSE_OK;
}
