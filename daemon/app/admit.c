/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admit - HELLO, judged on the control thread, and the hand-over to a worker.
 */
#include "daemon/app/admit.h"

#include "daemon/app/session.h"
#include "daemon/app/worker_plane.h"
#include "daemon/core/assert.h"
#include "daemon/core/mem.h"

#include <string.h>
#include <unistd.h>

/* Session numbers of this process; control is their only writer. */
static uint64_t last_session;

struct admission *
hulse_admit_create(struct plane_shared *shared, int fd, const struct identity *who)
{
    struct admission *a = hulse_mem_alloc(HULSE_MEM_SESSION, sizeof(*a));
    if (a == NULL) {
        (void)close(fd);
        return NULL;
    }
    a->shared = shared;
    a->worker = NULL;
    a->fd = fd;
    a->session = ++last_session;
    a->who = *who;
    a->role = NULL;
    a->hello.len = 0;
    a->hello.fd_count = 0;
    return a;
}

void hulse_admit_refuse(struct admission *a, hulse_status status, const char *text)
{
    struct hulse_ctl_head head = {0};
    if (a->hello.len >= sizeof(head)) {
        memcpy(&head, a->hello.bytes, sizeof(head));
    }
    const struct hulse_ctl_refused m = {.abi_min = HULSE_ABI_MIN,
                                        .abi_max = HULSE_ABI_MAX,
                                        .status = status,
                                        .text_len = (uint16_t)strnlen(text, HULSE_TEXT_BYTES_MAX)};
    struct hulse_packet p;
    hulse_packet_begin(&p, HULSE_CTL_REFUSED, head.req, &m);
    hulse_packet_append(&p, text, m.text_len);
    /* The connection is closed next; a peer that cannot take the answer sees just that. */
    (void)(hulse_packet_send(a->fd, p.bytes, NULL, 0) == HULSE_OK);
}

static hulse_status judge(struct admission *a, struct error *err)
{
    struct hulse_ctl_hello m;
    memcpy(&m, a->hello.bytes, sizeof(m));
    if (m.head.type != HULSE_CTL_HELLO) {
        return hulse_fail(err, HULSE_REFUSED, "the first message must be HELLO");
    }
    if (m.abi_min > HULSE_ABI_MAX || m.abi_max < HULSE_ABI_MIN || m.abi_min > m.abi_max) {
        hulse_status st = hulse_fail(err,
                                     HULSE_REFUSED,
                                     "ABI %u..%u is not served; this daemon serves %u..%u",
                                     (unsigned)m.abi_min,
                                     (unsigned)m.abi_max,
                                     HULSE_ABI_MIN,
                                     HULSE_ABI_MAX);
        hulse_admit_refuse(a, st, err->text);
        return st;
    }
    return HULSE_OK;
}

hulse_status hulse_admit_read(struct admission *a, struct error *err)
{
    const char *why = "";
    switch (hulse_packet_receive(a->fd, &a->hello, &why)) {
    case HULSE_PACKET_OK:
        break;
    case HULSE_PACKET_NONE:
        return HULSE_AGAIN;
    case HULSE_PACKET_EOF:
    case HULSE_PACKET_ERROR:
        return hulse_fail(err, HULSE_ORPHAN, "hang-up before HELLO");
    case HULSE_PACKET_STARVED: /* HELLO has none */
    case HULSE_PACKET_BAD:
        a->hello.len = 0;
        a->hello.fd_count = 0;
        return hulse_fail(err, HULSE_REFUSED, "%s", why);
    }
    const hulse_status st = judge(a, err);
    for (unsigned i = 0; st != HULSE_OK && i < a->hello.fd_count; i++) {
        (void)close(a->hello.fds[i]);
    }
    return st;
}

/* The token is behind name and service; it is wiped, since the packet goes on to the worker. */
static hulse_status take_token(struct admission *a, struct error *err)
{
    struct hulse_ctl_hello m;
    memcpy(&m, a->hello.bytes, sizeof(m));
    if (m.token_len == 0) {
        return HULSE_OK;
    }
    uint8_t *token = a->hello.bytes + sizeof(m) + m.name_len + m.service_len;
    const bool taken = hulse_identity_token(&a->who, token, m.token_len);
    explicit_bzero(token, m.token_len);
    return taken ? HULSE_OK : hulse_fail(err, HULSE_NO_MEMORY, "no digest of the token");
}

hulse_status hulse_admit_role(struct admission *a, struct error *err)
{
    hulse_status st = take_token(a, err);
    if (st == HULSE_OK) {
        st = hulse_tables_admit(a->shared->flow->tables, &a->who, &a->role, err);
    }
    if (st == HULSE_OK && a->role != NULL && !hulse_role_state_session_take(a->role)) {
        st = hulse_fail(err, HULSE_LIMIT, "sessions_max of role %s is reached", a->role->name);
        hulse_role_state_release(&a->role);
    }
    return st;
}

static void run(struct inbox_node *node)
{
    struct admission *a = HULSE_CONTAINER(node, struct admission, node);
    struct plane *p = hulse_worker_state(a->worker, &hulse_plane_module, NULL);
    HULSE_ASSERT(p != NULL && p->magic == HULSE_PLANE_MAGIC);
    hulse_session_admit(p, a);
}

bool hulse_admit_post(struct admission **admission, struct worker *w)
{
    struct admission *a = *admission;
    struct plane_worker_state *state = &a->shared->workers[w->params.index];
    a->worker = w;
    a->node.run = run;
    /* Relaxed because it is a load figure. */
    atomic_fetch_add_explicit(&state->sessions, 1, memory_order_relaxed);
    if (!hulse_worker_post(w, &a->node)) {
        atomic_fetch_sub_explicit(&state->sessions, 1, memory_order_relaxed);
        return false;
    }
    *admission = NULL;
    return true;
}

void hulse_admit_destroy(struct admission **admission)
{
    struct admission *a = *admission;
    *admission = NULL;
    if (a->fd >= 0) {
        (void)close(a->fd);
    }
    if (a->role != NULL) {
        hulse_role_state_session_give(a->role);
        hulse_role_state_release(&a->role);
    }
    hulse_mem_free(HULSE_MEM_SESSION, a, sizeof(*a));
}
