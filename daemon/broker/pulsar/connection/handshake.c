/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake - CONNECT, who we are, CONNECTED. Protocol, sections 3.2 to 3.5.
 */
#include "daemon/broker/pulsar/connection/pool_state.h"
#include "daemon/broker/pulsar/failure.h"
#include "daemon/core/login.h"
#include "daemon/core/secret.h"

#include <stdio.h>
#include <string.h>

#define CLIENT_VERSION "hulse/" HULSE_VERSION

enum {
    PROTOCOL_VERSION = 21,
    PROTOCOL_VERSION_LEAST = 11,
    CHALLENGES_MAX = 10 /* of a handshake, and between two ticks */
};

static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static const char *method(const struct pulsar_params *params, bool tls)
{
    if (params->login != NULL) {
        return "sasl";
    }
    if (params->token != NULL) {
        return hulse_pulsar_auth_method(params->auth);
    }
    return tls && params->tls.cert_file != NULL ? "tls" : "none";
}

/*
 * The token in force, held for the caller, and no token where none is wanted. False: one is wanted and there is
 * none yet.
 */
static bool hold_token(struct pulsar_connection *c, struct secret **out)
{
    struct secret_slot *const *slot = c->pool->params->token;

    *out = slot == NULL ? NULL : hulse_secret_slot_hold(*slot);
    if (*out != NULL) {
        c->generation = (*out)->generation;
    }
    return slot == NULL || *out != NULL;
}

static void break_without_token(struct pulsar_connection *c)
{
    struct secret_slot *const *slot = c->pool->params->token_trouble;
    struct secret *why = slot == NULL ? NULL : hulse_secret_slot_hold(*slot);
    char text[PULSAR_CONNECTION_TEXT_BYTES];

    (void)snprintf(text,
                   sizeof(text),
                   "there is no %s%s%s",
                   hulse_pulsar_auth_noun(c->pool->params->auth),
                   why == NULL ? " yet" : ": ",
                   why == NULL ? "" : why->data);
    if (why != NULL) {
        hulse_secret_release(&why);
    }
    hulse_connection_break(c, HULSE_IO, text);
}

static ProtobufCBinaryData bytes_of(struct secret *s)
{
    return (ProtobufCBinaryData){.len = s == NULL ? 0 : s->bytes,
                                 .data = s == NULL ? NULL : (uint8_t *)s->data};
}

static void say(struct pulsar_connection *c, const Pulsar__BaseCommand *command)
{
    if (hulse_outflow_command(&c->out, command, OUTFLOW_SECRET)) {
        hulse_connection_dirty(c);
    } else {
        hulse_connection_break(c, HULSE_NO_MEMORY, "no memory for the handshake");
    }
}

static void say_connect(struct pulsar_connection *c, struct secret *shown)
{
    Pulsar__FeatureFlags flags = PULSAR__FEATURE_FLAGS__INIT;
    Pulsar__CommandConnect connect = PULSAR__COMMAND_CONNECT__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;
    char target[PULSAR_HOST_TEXT_BYTES];

    flags.has_supports_auth_refresh = true;
    flags.supports_auth_refresh = true;
    flags.has_supports_broker_entry_metadata = true;
    flags.supports_broker_entry_metadata = true;
    flags.has_supports_partial_producer = true;
    flags.supports_partial_producer = true;
    flags.has_supports_get_partitioned_metadata_without_auto_creation = true;
    flags.supports_get_partitioned_metadata_without_auto_creation = true;
    connect.client_version = text_of(CLIENT_VERSION);
    connect.auth_method_name = text_of(method(c->pool->params, c->endpoint.tls));
    connect.has_auth_data = shown != NULL;
    connect.auth_data = bytes_of(shown);
    connect.has_protocol_version = true;
    connect.protocol_version = PROTOCOL_VERSION;
    connect.feature_flags = &flags;
    if (c->endpoint.proxied) {
        hulse_pulsar_host_print(&c->endpoint.logical, target);
        connect.proxy_to_broker_url = target;
    }
    base.type = PULSAR__BASE_COMMAND__TYPE__CONNECT;
    base.connect = &connect;
    say(c, &base);
}

static void say_response(struct pulsar_connection *c, struct secret *shown)
{
    Pulsar__AuthData data = PULSAR__AUTH_DATA__INIT;
    Pulsar__CommandAuthResponse response = PULSAR__COMMAND_AUTH_RESPONSE__INIT;
    Pulsar__BaseCommand base = PULSAR__BASE_COMMAND__INIT;

    data.auth_method_name = text_of(method(c->pool->params, c->endpoint.tls));
    data.has_auth_data = true;
    data.auth_data = bytes_of(shown);
    response.client_version = text_of(CLIENT_VERSION);
    response.response = &data;
    response.has_protocol_version = true;
    response.protocol_version = PROTOCOL_VERSION;
    base.type = PULSAR__BASE_COMMAND__TYPE__AUTH_RESPONSE;
    base.authresponse = &response;
    say(c, &base);
    c->pool->figures.auth_refreshes += c->state == CONNECTION_READY ? 1 : 0;
}

/* ---- by steps ---- */

static void step_came(struct login *l)
{
    struct pulsar_connection *c = l->owner;

    if (l->status != HULSE_OK) {
        hulse_connection_break(c, HULSE_IO, l->why);
    } else if (c->state == CONNECTION_HANDSHAKE && c->challenges == 0) {
        say_connect(c, l->data);
    } else {
        say_response(c, l->data);
    }
}

/* With whom TCP has connected us, as Pulsar's own clients do. */
static void begin_login(struct pulsar_connection *c)
{
    hulse_handshake_forget(c);
    c->login = hulse_login_begin(
        c->pool->params->login, c->endpoint.physical.name, &c->pool->loop->inbox, c, step_came);
    if (c->login == NULL) {
        hulse_connection_break(c, HULSE_BUSY, "too many logins at once");
    }
}

static bool asks_anew(const Pulsar__CommandAuthChallenge *challenge)
{
    static const char marker[] = "PulsarAuthRefresh";
    const Pulsar__AuthData *asked = challenge->challenge;

    return asked != NULL && asked->has_auth_data && asked->auth_data.len == sizeof(marker) - 1 &&
           memcmp(asked->auth_data.data, marker, sizeof(marker) - 1) == 0;
}

static void take_step(struct pulsar_connection *c, const Pulsar__CommandAuthChallenge *challenge)
{
    const Pulsar__AuthData *asked = challenge->challenge;

    if (asks_anew(challenge)) {
        begin_login(c);
    } else if (c->login == NULL || c->login->away || asked == NULL || !asked->has_auth_data) {
        hulse_connection_break(c, HULSE_PROTOCOL, "a challenge that has no place in a login");
    } else if (!hulse_login_step(c->login, asked->auth_data.data, asked->auth_data.len)) {
        hulse_connection_break(c, HULSE_NO_MEMORY, "no memory for the handshake");
    }
}

void hulse_handshake_forget(struct pulsar_connection *c)
{
    if (c->login != NULL) {
        hulse_login_drop(&c->login);
    }
}

const char *hulse_handshake_lateness(const struct pulsar_connection *c)
{
    return c->login != NULL && c->login->away ? "Kerberos: no ticket within its time"
                                              : "no answer to CONNECT within its time";
}

/* ---- what comes ---- */

void hulse_handshake_begin(struct pulsar_connection *c)
{
    struct secret *token = NULL;

    if (c->pool->params->login != NULL) {
        begin_login(c);
        return;
    }
    if (!hold_token(c, &token)) {
        break_without_token(c);
        return;
    }
    say_connect(c, token);
    if (token != NULL) {
        hulse_secret_release(&token);
    }
}

void hulse_handshake_challenge(struct pulsar_connection *c,
                               const Pulsar__CommandAuthChallenge *challenge)
{
    struct secret *token = NULL;

    if (++c->challenges > CHALLENGES_MAX) {
        hulse_connection_break(c, HULSE_PROTOCOL, "the broker does not end its challenges");
        return;
    }
    if (c->pool->params->login != NULL) {
        take_step(c, challenge);
        return;
    }
    if (!hold_token(c, &token)) {
        break_without_token(c);
        return;
    }
    say_response(c, token);
    if (token != NULL) {
        hulse_secret_release(&token);
    }
}

void hulse_handshake_refused(struct pulsar_connection *c, const Pulsar__CommandError *error)
{
    struct pulsar_failure failure;

    hulse_pulsar_failure_server(&failure, (int32_t)error->error, error->message);
    if (failure.status != HULSE_DENIED) {
        hulse_connection_break(c, HULSE_IO, failure.text);
        return;
    }
    const struct pulsar_params *params = c->pool->params;
    if (params->token != NULL && params->refused != NULL) {
        params->refused(params->refused_context, c->generation);
    }
    hulse_connection_break(c, HULSE_DENIED, failure.text);
}

static void connected(struct pulsar_connection *c, const Pulsar__CommandConnected *connected)
{
    const Pulsar__FeatureFlags *flags = connected->feature_flags;

    if (connected->protocol_version < PROTOCOL_VERSION_LEAST) {
        char why[80];
        (void)snprintf(why,
                       sizeof(why),
                       "the broker speaks version %d of the protocol; %d is the least",
                       (int)connected->protocol_version,
                       PROTOCOL_VERSION_LEAST);
        hulse_connection_break(c, HULSE_PROTOCOL, why);
        return;
    }
    c->peer = (struct pulsar_peer){
        .protocol_version = connected->protocol_version,
        .message_bytes_max = hulse_wire_connected_limit(connected, c->peer.message_bytes_max),
        .partitions_without_creation =
            flags != NULL && flags->supports_get_partitioned_metadata_without_auto_creation,
        .topic_watchers = flags != NULL && flags->supports_topic_watchers,
        .topic_watcher_reconcile = flags != NULL && flags->supports_topic_watcher_reconcile,
    };
    hulse_connection_became_ready(c);
}

void hulse_handshake_command(struct pulsar_connection *c, const Pulsar__BaseCommand *command)
{
    switch (command->type) {
    case PULSAR__BASE_COMMAND__TYPE__CONNECTED:
        connected(c, command->connected);
        break;
    case PULSAR__BASE_COMMAND__TYPE__ERROR:
        hulse_handshake_refused(c, command->error);
        break;
    case PULSAR__BASE_COMMAND__TYPE__AUTH_CHALLENGE:
        hulse_handshake_challenge(c, command->authchallenge);
        break;
    case PULSAR__BASE_COMMAND__TYPE__PING:
        c->out.pong = true;
        hulse_connection_dirty(c);
        break;
    case PULSAR__BASE_COMMAND__TYPE__PONG:
        break;
    default:
        hulse_connection_break(c, HULSE_PROTOCOL, "the broker says something before CONNECTED");
        break;
    }
}
