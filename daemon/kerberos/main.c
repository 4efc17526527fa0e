/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hulse-kerberos - one SASL exchange of the mechanism GSSAPI (RFC 4752) with Kerberos, as the client.
 *
 *   hulse-kerberos KEYTAB PRINCIPAL SERVICE HOST
 *
 * Prints what to show to the service at first, reads a line with what it answers, and prints what to show to that; all
 * of it in base64. No security layer is agreed on: that is TLS's. The last line of standard error says what is wrong.
 *
 * A program of its own, because GSSAPI reads files and waits for key distribution centres as long as it likes, and what
 * it holds (keys, tickets, the context) is nowhere else then. Its caller ends it. Tickets are in its memory alone.
 *
 * Environment: KRB5_CONFIG and the rest of what the library looks at.
 * Exit: 0; 1 it does not work; 64 usage.
 */
#include <openssl/evp.h>

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum {
    LINE_BYTES = 8192, /* of what the service answers */
    EXIT_USAGE = 64,
    LAYER_NONE = 1 /* bit of "no security layer" (RFC 4752, 3.3) */
};

static gss_cred_id_t credential = GSS_C_NO_CREDENTIAL;
static gss_ctx_id_t context = GSS_C_NO_CONTEXT;

/* ---- what is wrong ---- */

_Noreturn static void fail(const char *what)
{
    (void)fprintf(stderr, "%s\n", what);
    exit(EXIT_FAILURE); /* one thread. NOLINT(concurrency-mt-unsafe) */
}

/* The mechanism's words where it has some, because they say more. */
_Noreturn static void fail_gss(const char *what, OM_uint32 major, OM_uint32 minor)
{
    OM_uint32 ignored = 0;
    OM_uint32 more = 0;
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

    if (minor == 0 ||
        gss_display_status(&ignored, minor, GSS_C_MECH_CODE, gss_mech_krb5, &more, &text) != 0) {
        more = 0;
        (void)gss_display_status(&ignored, major, GSS_C_GSS_CODE, GSS_C_NO_OID, &more, &text);
    }
    (void)fprintf(stderr, "%s: %.*s\n", what, (int)text.length, (const char *)text.value);
    exit(EXIT_FAILURE); /* one thread. NOLINT(concurrency-mt-unsafe) */
}

/* ---- lines ---- */

static void print_line(const gss_buffer_desc *token)
{
    char *text = malloc(((token->length + 2) / 3 * 4) + 1);

    if (text == NULL) {
        fail("no memory");
    }
    (void)EVP_EncodeBlock(
        (unsigned char *)text, (const unsigned char *)token->value, (int)token->length);
    if (puts(text) < 0 || fflush(stdout) != 0) {
        fail("standard output is closed");
    }
    free(text);
}

/* *token borrows `out`. */
static void read_line(unsigned char out[static LINE_BYTES], gss_buffer_desc *token)
{
    char line[LINE_BYTES];

    if (fgets(line, sizeof(line), stdin) == NULL) {
        exit(EXIT_FAILURE); /* nobody wants it any more. NOLINT(concurrency-mt-unsafe) */
    }
    line[strcspn(line, "\n")] = '\0';
    const size_t length = strlen(line);
    const int bytes = length == 0 || length % 4 != 0
                          ? -1
                          : EVP_DecodeBlock(out, (const unsigned char *)line, (int)length);
    if (bytes < 0) {
        fail("the answer is not base64");
    }
    token->value = out;
    token->length = (size_t)bytes;
    /* What fills it up is decoded too. */
    token->length -= line[length - 1] == '=' ? 1 : 0;
    token->length -= line[length - 2] == '=' ? 1 : 0;
}

/* ---- the exchange ---- */

static gss_name_t name_of(const char *text, gss_const_OID type)
{
    gss_buffer_desc buffer = {.length = strlen(text), .value = (void *)(size_t)text};
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_import_name(&minor, &buffer, (gss_OID)(size_t)type, &name);

    if (GSS_ERROR(major)) {
        fail_gss(text, major, minor);
    }
    return name;
}

/* A ticket for the principal, by the key in the keytab. */
static void acquire(const char *keytab, const char *principal)
{
    gss_key_value_element_desc elements[] = {{"client_keytab", keytab}, {"ccache", "MEMORY:"}};
    const gss_key_value_set_desc store = {.count = 2, .elements = elements};
    gss_OID_set_desc krb5 = {.count = 1, .elements = gss_mech_krb5};
    gss_name_t name = name_of(principal, GSS_KRB5_NT_PRINCIPAL_NAME);
    OM_uint32 minor = 0;
    const OM_uint32 major = gss_acquire_cred_from(
        &minor, name, GSS_C_INDEFINITE, &krb5, GSS_C_INITIATE, &store, &credential, NULL, NULL);

    if (GSS_ERROR(major)) {
        char text[1024];
        (void)snprintf(text, sizeof(text), "no ticket for %s by its key in the keytab", principal);
        fail_gss(text, major, minor);
    }
    (void)gss_release_name(&minor, &name);
}

/* One message: what the service answers is protected by the key in it, which proves who that is. */
static void begin(const char *service, const char *host)
{
    char text[1024];
    gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;
    OM_uint32 ignored = 0;

    (void)snprintf(text, sizeof(text), "%s@%s", service, host);
    gss_name_t name = name_of(text, GSS_C_NT_HOSTBASED_SERVICE);
    const OM_uint32 major = gss_init_sec_context(&minor,
                                                 credential,
                                                 &context,
                                                 name,
                                                 gss_mech_krb5,
                                                 GSS_C_INTEG_FLAG,
                                                 GSS_C_INDEFINITE,
                                                 GSS_C_NO_CHANNEL_BINDINGS,
                                                 GSS_C_NO_BUFFER,
                                                 NULL,
                                                 &token,
                                                 NULL,
                                                 NULL);
    (void)gss_release_name(&ignored, &name);
    if (major != GSS_S_COMPLETE) {
        fail_gss(text, major, minor);
    }
    print_line(&token);
    (void)gss_release_buffer(&ignored, &token);
}

/* Layers and a size, of which we want neither (RFC 4752, 3.1). No name: it is that of the ticket. */
static void answer(void)
{
    static unsigned char line[LINE_BYTES];
    unsigned char none[] = {LAYER_NONE, 0, 0, 0};
    gss_buffer_desc in;
    gss_buffer_desc offer = GSS_C_EMPTY_BUFFER;
    gss_buffer_desc choice = {.length = sizeof(none), .value = none};
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor = 0;

    read_line(line, &in);
    OM_uint32 major = gss_unwrap(&minor, context, &in, &offer, NULL, NULL);
    if (major != GSS_S_COMPLETE) {
        fail_gss("the broker does not prove who it is", major, minor);
    }
    if (offer.length != sizeof(none) ||
        (((const unsigned char *)offer.value)[0] & LAYER_NONE) == 0) {
        fail("the broker wants a security layer");
    }
    major = gss_wrap(&minor, context, 0, GSS_C_QOP_DEFAULT, &choice, NULL, &out);
    if (major != GSS_S_COMPLETE) {
        fail_gss("wrap", major, minor);
    }
    print_line(&out);
    (void)gss_release_buffer(&minor, &offer);
    (void)gss_release_buffer(&minor, &out);
}

int main(int argc, char **argv)
{
    OM_uint32 minor = 0;

    if (argc != 5) {
        (void)fprintf(stderr, "usage: hulse-kerberos KEYTAB PRINCIPAL SERVICE HOST\n");
        return EXIT_USAGE;
    }
    /* Keys are in its memory. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    acquire(argv[1], argv[2]);
    begin(argv[3], argv[4]);
    answer();
    (void)gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
    (void)gss_release_cred(&minor, &credential);
    return EXIT_SUCCESS;
}
