/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - see token.h.
 */
#include "daemon/control/token.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BITS_PER_DIGIT = 6, BITS_PER_BYTE = 8 };

/* Of `exp`; a later one, the year 5138, is no time but a mistake. */
#define SECONDS_MAX 1e11

/* ---- JWT ---- */

/* -1: not a digit of base64url (RFC 4648, section 5). */
static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *found = c == '\0' ? NULL : strchr(digits, c);

    return found == NULL ? -1 : (int)(found - digits);
}

/* Without padding, as JWTs have it; `out` has room for all. False: not base64url. */
static bool decode(const char *text, size_t length, char *out, size_t *out_bytes)
{
    unsigned held = 0;
    unsigned bits = 0;

    *out_bytes = 0;
    for (size_t i = 0; i < length; i++) {
        const int value = digit(text[i]);
        if (value < 0) {
            return false;
        }
        held = held << BITS_PER_DIGIT | (unsigned)value;
        bits += BITS_PER_DIGIT;
        if (bits >= BITS_PER_BYTE) {
            bits -= BITS_PER_BYTE;
            out[(*out_bytes)++] = (char)(unsigned char)(held >> bits);
            held &= (1U << bits) - 1;
        }
    }
    return bits < BITS_PER_DIGIT;
}

/* 0: it does not say. */
static uint64_t read_expiry(const char *claims, size_t bytes)
{
    json_t *root = json_loadb(claims, bytes, 0, NULL);
    const json_t *exp = json_object_get(root, "exp");
    const double seconds = json_number_value(exp);

    json_decref(root);
    return seconds > 0 && seconds < SECONDS_MAX ? (uint64_t)(seconds * 1000) : 0;
}

/* HEADER.CLAIMS.SIGNATURE; whatever is not that has no end that we could know. */
static uint64_t find_expiry(const char *text, size_t bytes)
{
    char claims[HULSE_TOKEN_BYTES_MAX];
    size_t claims_bytes = 0;
    uint64_t expires_wall_ms = 0;
    const char *first = memchr(text, '.', bytes);

    if (first == NULL) {
        return 0;
    }
    const char *begin = first + 1;
    const char *second = memchr(begin, '.', bytes - (size_t)(begin - text));
    if (second != NULL && decode(begin, (size_t)(second - begin), claims, &claims_bytes)) {
        expires_wall_ms = read_expiry(claims, claims_bytes);
    }
    explicit_bzero(claims, claims_bytes);
    return expires_wall_ms;
}

/* ---- text ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

hulse_status hulse_token_parse(struct token *out, const char *text, size_t bytes, struct error *err)
{
    while (bytes > 0 && is_space(text[0])) {
        text++;
        bytes--;
    }
    while (bytes > 0 && is_space(text[bytes - 1])) {
        bytes--;
    }
    if (bytes == 0) {
        return hulse_fail(err, HULSE_INVAL, "there is no token in it");
    }
    if (bytes > HULSE_TOKEN_BYTES_MAX) {
        return hulse_fail(err, HULSE_TOOBIG, "a token has at most %u bytes", HULSE_TOKEN_BYTES_MAX);
    }
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return hulse_fail(err, HULSE_INVAL, "a token is one word of printable characters");
        }
    }
    *out =
        (struct token){.data = text, .bytes = bytes, .expires_wall_ms = find_expiry(text, bytes)};
    return HULSE_OK;
}

hulse_status
hulse_token_parse_client(struct token *out, char *text, size_t bytes, struct error *err)
{
    size_t begin = 0;

    while (begin < bytes && is_space(text[begin])) {
        begin++;
    }
    if (begin == bytes || text[begin] != '{') {
        return hulse_token_parse(out, text, bytes, err);
    }
    json_t *root = json_loadb(text, bytes, 0, NULL);
    const json_t *secret = json_object_get(root, "client_secret");
    const size_t secret_bytes = json_string_length(secret);
    hulse_status st = HULSE_OK;
    if (json_string_value(secret) == NULL || secret_bytes > bytes) {
        st = hulse_fail(err, HULSE_INVAL, "there is no client_secret in it");
    } else {
        memcpy(text, json_string_value(secret), secret_bytes);
        st = hulse_token_parse(out, text, secret_bytes, err);
    }
    json_decref(root);
    return st;
}

static bool is_end(char c)
{
    return c == '\r' || c == '\n';
}

hulse_status
hulse_token_parse_password(struct token *out, const char *text, size_t bytes, struct error *err)
{
    while (bytes > 0 && is_end(text[bytes - 1])) {
        bytes--;
    }
    if (bytes == 0) {
        return hulse_fail(err, HULSE_INVAL, "there is no password in it");
    }
    if (bytes > HULSE_TOKEN_BYTES_MAX) {
        return hulse_fail(
            err, HULSE_TOOBIG, "a password has at most %u bytes", HULSE_TOKEN_BYTES_MAX);
    }
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
            return hulse_fail(err, HULSE_INVAL, "a password is one line");
        }
    }
    *out = (struct token){.data = text, .bytes = bytes};
    return HULSE_OK;
}

/* ---- file ---- */

static hulse_status
read_all(int fd, const char *path, char *buffer, size_t size, size_t *bytes, struct error *err)
{
    struct stat st;

    *bytes = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return hulse_fail(err, HULSE_INVAL, "%s: not a regular file", path);
    }
    while (*bytes < size) {
        const ssize_t n = read(fd, buffer + *bytes, size - *bytes);
        if (n == 0) {
            return HULSE_OK;
        }
        if (n < 0 && errno != EINTR) {
            return hulse_fail(err, HULSE_IO, "%s: %s", path, strerrordesc_np(errno));
        }
        *bytes += n < 0 ? 0 : (size_t)n;
    }
    return hulse_fail(err, HULSE_TOOBIG, "%s: %zu bytes and more", path, size);
}

hulse_status
hulse_token_read(const char *path, char *buffer, size_t size, size_t *bytes, struct error *err)
{
    /* Without waiting: what is no regular file is refused once it is open. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0) {
        return hulse_fail(err, HULSE_IO, "%s: %s", path, strerrordesc_np(errno));
    }
    const hulse_status st = read_all(fd, path, buffer, size, bytes, err);
    (void)close(fd);
    return st;
}
