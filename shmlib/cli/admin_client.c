/* SPDX-License-Identifier: Apache-2.0 */
/* admin_client - one question to the admin socket (contract in admin_client.h). */
#include "shmlib/cli/admin_client.h"

#include "daemon/admin/protocol.h"
#include "shmlib/cli/connect.h"
#include "shmlib/cli/pretty.h"
#include "shmlib/cli/say.h"
#include "shmlib/cli/stop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The protocol's numbers, for comparing with sizes. */
static const uint32_t request_bytes_max = HULSE_ADMIN_REQUEST_BYTES_MAX;
static const uint32_t answer_bytes_max = HULSE_ADMIN_ANSWER_BYTES_MAX;

#define ANSWER_TIMEOUT_MS 5000
#define READ_BYTES ((size_t)64 * 1024)
#define PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct answer {
    char *data;
    size_t used;
    size_t capacity;
};

/* --admin-socket, HULSE_ADMIN_SOCKET, else the daemon's own default. False: too long. */
static bool socket_path(const struct hulse_cli *cli, char path[PATH_BYTES])
{
    const char *env = secure_getenv("HULSE_ADMIN_SOCKET");
    const char *run = secure_getenv("XDG_RUNTIME_DIR");
    int n = 0;

    if (cli->admin_socket != NULL) {
        n = snprintf(path, PATH_BYTES, "%s", cli->admin_socket);
    } else if (env != NULL && env[0] != '\0') {
        n = snprintf(path, PATH_BYTES, "%s", env);
    } else if (geteuid() == 0) {
        n = snprintf(path, PATH_BYTES, "/run/hulse/admin.sock");
    } else if (run != NULL && run[0] == '/') {
        n = snprintf(path, PATH_BYTES, "%s/hulse/admin.sock", run);
    } else {
        n = snprintf(path, PATH_BYTES, "/run/user/%u/hulse/admin.sock", (unsigned)geteuid());
    }
    return n > 0 && (size_t)n < PATH_BYTES;
}

static int connect_failed(const char *path, int error)
{
    char what[PATH_BYTES + 32];

    (void)snprintf(what, sizeof(what), "admin socket %s", path);
    if (error == EACCES || error == EPERM) {
        return hulse_cli_fail(HULSE_DENIED, what, strerrordesc_np(error));
    }
    hulse_cli_error("%s: %s", what, strerrordesc_np(error));
    (void)fputs("start `hulsed`, or name its admin socket with --admin-socket or "
                "HULSE_ADMIN_SOCKET\n",
                stderr);
    return HULSE_CLI_UNREACHABLE;
}

int hulse_cli_admin_open(const struct hulse_cli *cli, int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!socket_path(cli, address.sun_path)) {
        return hulse_cli_usage(NULL, "--admin-socket: the path is empty or too long");
    }
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        hulse_cli_error("socket: %s", strerrordesc_np(errno));
        return HULSE_CLI_IO;
    }
    if (connect(*fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        const int error = errno;
        (void)close(*fd);
        return connect_failed(address.sun_path, error);
    }
    return HULSE_CLI_OK;
}

static int send_request(int fd, const char *command, json_t *members)
{
    json_t *request = members == NULL ? json_object() : members;
    char *text = NULL;
    int rc = HULSE_CLI_IO;

    if (json_object_set_new(request, "command", json_string(command)) == 0) {
        text = json_dumps(request, JSON_COMPACT);
    }
    json_decref(request);
    if (text == NULL) {
        return hulse_cli_usage(NULL, "the argument is not UTF-8");
    }
    const size_t bytes = strlen(text);
    if (bytes + 1 > request_bytes_max) {
        rc = hulse_cli_usage(NULL, "the argument is too long");
    } else {
        text[bytes] = '\n'; /* takes the place of the zero */
        if (send(fd, text, bytes + 1, MSG_NOSIGNAL) == (ssize_t)(bytes + 1)) {
            rc = HULSE_CLI_OK;
        } else {
            hulse_cli_error("admin socket: %s", strerrordesc_np(errno));
        }
    }
    free(text);
    return rc;
}

static bool make_room(struct answer *a)
{
    if (a->capacity - a->used >= READ_BYTES) {
        return true;
    }
    const size_t wanted = a->capacity == 0 ? 2 * READ_BYTES : 2 * a->capacity;
    char *data = realloc(a->data, wanted);
    if (data == NULL) {
        return false;
    }
    a->data = data;
    a->capacity = wanted;
    return true;
}

/* Reads until the newline. */
static int read_answer(int fd, struct answer *a, struct hulse_cli_deadline until)
{
    while (a->used == 0 || a->data[a->used - 1] != '\n') {
        const uint64_t now = hulse_cli_now_ms();
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
                               {.fd = hulse_cli_stop_fd(), .events = POLLIN}};
        if (now >= until.at_ms || hulse_cli_stop_requested()) {
            return hulse_cli_fail(HULSE_TIMED_OUT, "admin socket", "no answer");
        }
        if (poll(fds, 2, (int)(until.at_ms - now)) <= 0 || fds[0].revents == 0) {
            continue;
        }
        if (a->used > answer_bytes_max || !make_room(a)) {
            return hulse_cli_fail(HULSE_PROTOCOL, "admin socket", "the answer is too long");
        }
        const ssize_t n = recv(fd, a->data + a->used, READ_BYTES, 0);
        if (n == 0) {
            return hulse_cli_fail(HULSE_ORPHAN, "admin socket", "closed without an answer");
        }
        if (n < 0 && errno != EINTR) {
            return hulse_cli_fail(HULSE_ORPHAN, "admin socket", strerrordesc_np(errno));
        }
        a->used += n > 0 ? (size_t)n : 0;
    }
    return HULSE_CLI_OK;
}

/* The status of an error answer by its name, as far as the admin socket uses it. */
static hulse_status status_of(const char *code)
{
    static const struct {
        const char *code;
        hulse_status status;
    } codes[] = {{"HULSE_INVAL", HULSE_INVAL},
                 {"HULSE_DENIED", HULSE_DENIED},
                 {"HULSE_NO_TOPIC", HULSE_NO_TOPIC},
                 {"HULSE_BUSY", HULSE_BUSY},
                 {"HULSE_CLOSED", HULSE_CLOSED},
                 {"HULSE_LIMIT", HULSE_LIMIT},
                 {"HULSE_NO_MEMORY", HULSE_NO_MEMORY},
                 {"HULSE_TIMED_OUT", HULSE_TIMED_OUT},
                 {"HULSE_IO", HULSE_IO},
                 {"HULSE_REFUSED", HULSE_REFUSED},
                 {"HULSE_UNSUPPORTED", HULSE_UNSUPPORTED}};

    for (size_t i = 0; code != NULL && i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(codes[i].code, code) == 0) {
            return codes[i].status;
        }
    }
    return HULSE_PROTOCOL;
}

static int refused(const struct hulse_cli *cli, hulse_status status, const char *detail)
{
    /* What the table of statuses advises then is meant for publishing and consuming. */
    if (detail != NULL && (status == HULSE_BUSY || status == HULSE_NO_TOPIC || status == HULSE_IO ||
                           status == HULSE_REFUSED || status == HULSE_LIMIT)) {
        hulse_cli_error("%s", detail);
        return status == HULSE_IO && cli->files ? HULSE_CLI_IO : hulse_cli_exit_code(status);
    }
    return hulse_cli_fail(
        status, "the daemon", detail == NULL ? "an answer that makes no sense" : detail);
}

static int judge(const struct hulse_cli *cli, const struct answer *a, json_t **result)
{
    json_error_t error;
    json_t *object = json_loadb(a->data, a->used, 0, &error);
    const char *status = json_string_value(json_object_get(object, "status"));
    int rc = HULSE_CLI_OK;

    if (status != NULL && strcmp(status, "ok") == 0) {
        *result = json_incref(json_object_get(object, "result"));
    }
    if (*result == NULL) {
        rc = refused(cli,
                     status_of(json_string_value(json_object_get(object, "code"))),
                     json_string_value(json_object_get(object, "detail")));
    }
    json_decref(object);
    return rc;
}

int hulse_cli_admin_ask_on(
    int fd, const struct hulse_cli *cli, const char *command, json_t *members, json_t **result)
{
    const struct hulse_cli_deadline until =
        hulse_cli_deadline_in(cli->timeout_ms < 0 ? ANSWER_TIMEOUT_MS : cli->timeout_ms);
    struct answer a = {0};
    int rc = send_request(fd, command, members);

    *result = NULL;
    if (rc == HULSE_CLI_OK) {
        rc = read_answer(fd, &a, until);
    }
    if (rc == HULSE_CLI_OK) {
        rc = judge(cli, &a, result);
    }
    free(a.data);
    return rc;
}

int hulse_cli_admin_ask(const struct hulse_cli *cli,
                        const char *command,
                        json_t *members,
                        json_t **result)
{
    int fd = -1;
    int rc = hulse_cli_admin_open(cli, &fd);

    *result = NULL;
    if (rc != HULSE_CLI_OK) {
        json_decref(members);
        return rc;
    }
    rc = hulse_cli_admin_ask_on(fd, cli, command, members, result);
    (void)close(fd);
    return rc;
}

int hulse_cli_admin_ask_cluster(struct hulse_cli *cli,
                                const char *command,
                                json_t *members,
                                json_t **result)
{
    if (cli->timeout_ms < 0) {
        cli->timeout_ms = HULSE_CLI_CLUSTER_MS;
    }
    return hulse_cli_admin_ask(cli, command, members, result);
}

int hulse_cli_admin_order(struct hulse_cli *cli, const char *command, json_t *members)
{
    json_t *result = NULL;

    if (members == NULL) {
        return HULSE_CLI_USAGE;
    }
    const int rc = hulse_cli_admin_ask_cluster(cli, command, members, &result);
    if (rc == HULSE_CLI_OK) {
        hulse_cli_print(cli, result);
        json_decref(result);
    }
    return rc;
}

json_t *hulse_cli_admin_with(json_t *members, const char *of, const char *name, json_t *value)
{
    if (members == NULL) {
        json_decref(value);
        return NULL;
    }
    if (json_object_set_new(members, name, value) != 0) {
        json_decref(members);
        (void)hulse_cli_usage(of, "the argument is not UTF-8");
        return NULL;
    }
    return members;
}
