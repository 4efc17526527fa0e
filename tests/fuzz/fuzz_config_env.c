/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   F1: any bytes as an environment file set what they name or are refused with a place.
 * Method: the reader over the input, its bytes in memory of exactly their size.
 */
#include "daemon/config/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char *const no_environment[] = {NULL};
    static struct config_problems problems;
    struct config c;
    char *text = malloc(bytes + 1);

    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, bytes);
    memset(&problems, 0, sizeof(problems));
    hulse_config_init(&c, no_environment);
    hulse_config_env_text(&c, "fuzz", text, bytes, &problems);
    must(problems.errors == problems.count + problems.dropped);
    for (size_t i = 0; i < problems.count; i++) {
        must(problems.list[i].line > 0 && problems.list[i].column > 0);
        must(problems.list[i].column <= bytes + 1);
        must(strlen(problems.list[i].text) > 0);
    }
    hulse_config_check(&c, &problems);
    hulse_config_fini(&c);
    free(text);
    return 0;
}
