/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any bytes as a configuration file give a configuration or problems with a place, and
 *         what is accepted, printed and read again is the same.
 * Method: the binder over the input; the print of what it gives is fed back.
 */
#include "daemon/config/body.h"
#include "daemon/config/config.h"
#include "daemon/config/key.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char *const no_environment[] = {NULL};
static struct config_problems problems;

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void read_into(struct config *c, const char *text, size_t bytes)
{
    memset(&problems, 0, sizeof(problems));
    hulse_config_init(c, no_environment);
    hulse_config_yaml(c, "fuzz", text, bytes, &problems);
}

static void check_problems(void)
{
    must(problems.count > 0 && problems.errors >= problems.count);
    for (size_t i = 0; i < problems.count; i++) {
        must(problems.list[i].line > 0 && problems.list[i].column > 0);
        must(strlen(problems.list[i].text) > 0);
    }
}

static void check_item(const struct config *a, const struct config *b, enum key_scope s, size_t i)
{
    for (size_t k = 0; k < hulse_key_count(s); k++) {
        must(hulse_key_equal(
            hulse_key_at(s, k), hulse_body_item(a, s, i), hulse_body_item(b, s, i)));
    }
}

static void check_same(const struct config *a, const struct config *b)
{
    for (size_t i = 0; i < hulse_key_count(KEY_GLOBAL); i++) {
        must(hulse_key_equal(hulse_key_at(KEY_GLOBAL, i), a, b));
    }
    for (enum key_scope s = KEY_GLOBAL + 1; s < KEY_SCOPES; s++) {
        must(hulse_body_count(a, s) == hulse_body_count(b, s));
        for (size_t i = 0; i < hulse_body_count(a, s); i++) {
            check_item(a, b, s, i);
        }
    }
}

static void check_print(const struct config *c)
{
    struct config again;
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    must(out != NULL);
    hulse_config_print(c, out);
    must(fclose(out) == 0);
    read_into(&again, text, bytes);
    must(problems.errors == 0);
    check_same(c, &again);
    hulse_config_fini(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct config c;

    read_into(&c, (const char *)data, bytes);
    if (problems.errors > 0) {
        check_problems();
    } else {
        hulse_config_check(&c, &problems);
        check_print(&c);
    }
    hulse_config_fini(&c);
    return 0;
}
