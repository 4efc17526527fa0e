/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kerberos - see the header.
 *
 * A clerk is one login: waiting for its turn, then a process that is asked (it owes a line) or has answered.
 */
#include "daemon/control/kerberos.h"

#include "daemon/control/token.h"
#include "daemon/core/assert.h"

#include <openssl/evp.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONCURRENT = 4, STEP_BYTES_MAX = 3000, LINE_BYTES_MAX = 43692, KEYTAB_VERSION = 2 };

static const char program[] = "hulse-kerberos";

struct kerberos_clerk {
    LIST_ENTRY(kerberos_clerk) link;
    TAILQ_ENTRY(kerberos_clerk) at_door; /* while waiting */
    struct kerberos_desk *desk;
    struct login *login;
    struct helper_call call;
    bool waiting;
    bool owes; /* an answer */
};

/* ---- answers ---- */

static void refuse(struct kerberos_clerk *k, hulse_status status, const char *why)
{
    struct error text;

    if (k->owes) {
        k->owes = false;
        (void)hulse_fail(&text, status, "Kerberos: %s", why);
        hulse_login_answer(k->login, status, NULL, text.text);
    }
}

struct secret *hulse_kerberos_decode(const char *line, size_t bytes)
{
    if (bytes == 0 || bytes % 4 != 0 || bytes > LINE_BYTES_MAX) {
        return NULL;
    }
    struct secret *s = NULL;
    char *out = malloc(bytes);
    if (out == NULL) {
        return NULL;
    }
    const int decoded =
        EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)line, (int)bytes);
    if (decoded > 0) {
        size_t length = (size_t)decoded;
        /* What fills it up is decoded too. */
        length -= line[bytes - 1] == '=' ? 1 : 0;
        length -= line[bytes - 2] == '=' ? 1 : 0;
        s = hulse_secret_create(out, length);
    }
    explicit_bzero(out, bytes);
    free(out);
    return s;
}

static void said(struct helper_call *call, const char *lines, size_t bytes)
{
    struct kerberos_clerk *k = HULSE_CONTAINER(call, struct kerberos_clerk, call);
    /* One line, since one was asked for. */
    struct secret *token = k->owes ? hulse_kerberos_decode(lines, bytes - 1) : NULL;

    if (token != NULL) {
        k->owes = false;
        hulse_login_answer(k->login, HULSE_OK, token, "");
    } else {
        refuse(k, HULSE_PROTOCOL, "hulse-kerberos prints something else than a token");
    }
}

/* ---- processes ---- */

/* The program stands beside the daemon's own. False: its path is not known, or too long. */
static bool find_program(char path[static PATH_MAX])
{
    const ssize_t bytes = readlink("/proc/self/exe", path, PATH_MAX - sizeof(program));

    if (bytes <= 0 || (size_t)bytes >= PATH_MAX - sizeof(program)) {
        return false;
    }
    path[bytes] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return false;
    }
    memcpy(slash + 1, program, sizeof(program));
    return true;
}

/* Another word for the shell, whatever is in it. False: there is no room. */
static bool add_word(char *command, size_t size, size_t *used, const char *word)
{
    const char *const quote = "'\\''";

    if (*used + 4 > size) {
        return false;
    }
    command[(*used)++] = ' ';
    command[(*used)++] = '\'';
    for (; *word != '\0'; word++) {
        const size_t bytes = *word == '\'' ? 4 : 1;
        if (*used + bytes + 2 > size) {
            return false;
        }
        memcpy(command + *used, *word == '\'' ? quote : word, bytes);
        *used += bytes;
    }
    command[(*used)++] = '\'';
    command[*used] = '\0';
    return true;
}

static bool make_command(const struct kerberos_clerk *k, char *command, size_t size)
{
    char path[PATH_MAX];
    size_t used = 4;
    const struct kerberos_desk *d = k->desk;
    const char *program_path = d->program != NULL ? d->program : path;

    (void)snprintf(command, size, "exec");
    return (d->program != NULL || find_program(path)) &&
           add_word(command, size, &used, program_path) &&
           add_word(command, size, &used, d->keytab_file) &&
           add_word(command, size, &used, d->principal) &&
           add_word(command, size, &used, d->service) &&
           add_word(command, size, &used, k->login->host);
}

static void pump(struct kerberos_desk *d);

static void done(struct helper_call *call, const struct helper_result *result)
{
    struct kerberos_clerk *k = HULSE_CONTAINER(call, struct kerberos_clerk, call);
    struct kerberos_desk *d = k->desk;

    d->running--;
    if (result->status == HULSE_TIMED_OUT) {
        refuse(k, HULSE_TIMED_OUT, "no ticket within its time: no centre answers");
    } else if (result->status == HULSE_OK) {
        refuse(k, HULSE_FAILED, "hulse-kerberos has ended too soon");
    } else {
        refuse(k, HULSE_FAILED, result->complaint[0] != '\0' ? result->complaint : result->why);
    }
    pump(d);
}

static void start(struct kerberos_clerk *k)
{
    char command[HULSE_HELPER_COMMAND_BYTES];
    struct error err = {0};

    k->call.said = said;
    k->call.done = done;
    if (!make_command(k, command, sizeof(command))) {
        refuse(k, HULSE_FAILED, "the names of its files are too long");
    } else if (hulse_helper_talk(k->desk->helper, &k->call, command, k->desk->timeout_ms, &err) !=
               HULSE_OK) {
        refuse(k, err.status, err.text);
    } else {
        k->desk->running++;
    }
}

/* Those that wait, as far as there is room. */
static void pump(struct kerberos_desk *d)
{
    struct kerberos_clerk *k = NULL;

    while (d->running < CONCURRENT && (k = TAILQ_FIRST(&d->waiting)) != NULL) {
        TAILQ_REMOVE(&d->waiting, k, at_door);
        k->waiting = false;
        start(k);
    }
}

/* ---- orders ---- */

static void open_login(struct kerberos_desk *d, struct login *l)
{
    struct kerberos_clerk *k = calloc(1, sizeof(*k));

    if (k == NULL) {
        hulse_login_answer(l, HULSE_NO_MEMORY, NULL, "no memory for a login");
        return;
    }
    k->desk = d;
    k->login = l;
    k->owes = true;
    k->waiting = true;
    l->clerk = k;
    LIST_INSERT_HEAD(&d->all, k, link);
    TAILQ_INSERT_TAIL(&d->waiting, k, at_door);
    pump(d);
}

static void step(struct kerberos_clerk *k, const struct secret *challenge)
{
    char line[((STEP_BYTES_MAX + 2) / 3 * 4) + 2];
    struct error err = {0};

    k->owes = true;
    if (challenge->bytes > STEP_BYTES_MAX) {
        refuse(k, HULSE_PROTOCOL, "the broker's challenge is too long");
        return;
    }
    int bytes = EVP_EncodeBlock(
        (unsigned char *)line, (const unsigned char *)challenge->data, (int)challenge->bytes);
    line[bytes++] = '\n';
    if (hulse_helper_say(k->desk->helper, &k->call, line, (size_t)bytes, &err) != HULSE_OK) {
        refuse(k,
               err.status,
               k->call.id == 0 ? "the broker answers too late, or asks for more than a login"
                               : err.text);
    }
}

static void close_clerk(struct kerberos_clerk *k)
{
    struct kerberos_desk *d = k->desk;

    if (k->waiting) {
        TAILQ_REMOVE(&d->waiting, k, at_door);
    }
    if (k->call.id != 0) {
        hulse_helper_cancel(d->helper, &k->call);
        d->running--;
    }
    LIST_REMOVE(k, link);
    hulse_login_free(k->login);
    free(k);
}

static void take(struct login_desk *desk, struct login *l)
{
    struct kerberos_desk *d = HULSE_CONTAINER(desk, struct kerberos_desk, desk);
    struct kerberos_clerk *k = l->clerk;

    if (d->closed && l->order != LOGIN_END) {
        if (k == NULL) {
            hulse_login_free(l);
        }
        return;
    }
    switch (l->order) {
    case LOGIN_BEGIN:
        open_login(d, l);
        break;
    case LOGIN_STEP:
        if (k == NULL) {
            hulse_login_answer(l, HULSE_NO_MEMORY, NULL, "no memory for a login");
        } else {
            step(k, l->data);
        }
        break;
    case LOGIN_END:
        if (k == NULL) {
            hulse_login_free(l);
        } else {
            close_clerk(k);
            if (!d->closed) {
                pump(d);
            }
        }
        break;
    }
}

void hulse_kerberos_begin(struct kerberos_desk *desks,
                          unsigned count,
                          struct helper *helper,
                          struct inbox *inbox)
{
    for (unsigned i = 0; i < count; i++) {
        struct kerberos_desk *d = &desks[i];
        HULSE_ASSERT(d->timeout_ms > 0);
        d->desk = (struct login_desk){.inbox = inbox, .take = take};
        d->helper = helper;
        TAILQ_INIT(&d->waiting);
        LIST_INIT(&d->all);
    }
}

void hulse_kerberos_close(struct kerberos_desk *desks, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        desks[i].closed = true;
    }
}

void hulse_kerberos_end(struct kerberos_desk *desks, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct kerberos_clerk *k = NULL;
        while ((k = LIST_FIRST(&desks[i].all)) != NULL) {
            /* Takes it off the list. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
            close_clerk(k);
        }
    }
}

hulse_status hulse_kerberos_check(const char *keytab_file, struct error *err)
{
    char path[PATH_MAX];
    char keys[HULSE_TOKEN_BYTES_MAX];
    size_t bytes = 0;
    const hulse_status st = hulse_token_read(keytab_file, keys, sizeof(keys), &bytes, err);
    const bool good = bytes > 2 && keys[0] == 5 && keys[1] == KEYTAB_VERSION;

    explicit_bzero(keys, bytes);
    if (st != HULSE_OK && st != HULSE_TOOBIG) {
        return st;
    }
    if (!good) {
        return hulse_fail(err, HULSE_INVAL, "%s: not a keytab", keytab_file);
    }
    if (!find_program(path) || access(path, X_OK) != 0) {
        return hulse_fail(err,
                          HULSE_UNSUPPORTED,
                          "there is no program %s beside hulsed: this build is without Kerberos",
                          program);
    }
    return HULSE_OK;
}
