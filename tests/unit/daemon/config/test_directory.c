/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a store is where the configuration says, else where the host keeps such things, and it is
 *         known beforehand whether it can be there.
 * Method: configurations with and without a directory; directories that are there, can be made,
 *         or cannot.
 */
#include "daemon/config/directory.h"
#include "tests/unit/daemon/core/check.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/hulse-directory-XXXXXX";

static const char *where(const struct config *c, const struct config_broker *b)
{
    static char path[HULSE_CONFIG_DIRECTORY_BYTES];

    return hulse_config_directory(c, b, path, sizeof(path)) ? path : NULL;
}

static void test_where_it_is(void **state)
{
    (void)state;
    struct config c = {.state_directory = "/var/lib/hulse"};
    struct config_broker b = {.name = "local", .type = CONFIG_BROKER_LOCAL, .directory = ""};

    assert_string_equal(where(&c, &b), "/var/lib/hulse");
    b.name = "log"; /* which is also a folder in a store */
    assert_string_equal(where(&c, &b), "/var/lib/hulse/brokers/log");
    b.directory = "/srv/x";
    assert_string_equal(where(&c, &b), "/srv/x");
    b.directory = "";
    c.state_directory[0] = '\0';
    assert_null(where(&c, &b));
}

static void test_who_has_one(void **state)
{
    (void)state;
    struct config_broker b = {.type = CONFIG_BROKER_LOCAL, .durability = CONFIG_DISK};

    assert_true(hulse_config_has_store(&b));
    b.durability = CONFIG_MEMORY;
    assert_false(hulse_config_has_store(&b));
    b = (struct config_broker){.type = CONFIG_BROKER_NULL, .durability = CONFIG_DISK};
    assert_false(hulse_config_has_store(&b));
}

static void test_what_can_be_made(void **state)
{
    (void)state;
    char path[256];
    struct error err = {0};
    struct config_broker b = {.name = "local", .directory = ""};

    (void)snprintf(path, sizeof(path), "%s/a/b/c", base);
    assert_int_equal(hulse_config_directory_check(&b, path, &err), HULSE_OK);
    b.directory = path;
    assert_int_equal(hulse_config_directory_check(&b, path, &err), HULSE_IO);
    assert_non_null(strstr(err.text, "its parent directory does not exist"));
    assert_int_equal(hulse_config_directory_make(&b, path, &err), HULSE_OK);
    char above[256];
    (void)snprintf(above, sizeof(above), "%s/a", base);
    assert_int_not_equal(access(above, F_OK), 0); /* a given one is not guessed at */
    b.directory = "";
    assert_int_equal(hulse_config_directory_make(&b, path, &err), HULSE_OK);
    (void)snprintf(above, sizeof(above), "%s/a/b", base);
    assert_int_equal(access(above, F_OK), 0);
    b.directory = path;
    assert_int_equal(hulse_config_directory_check(&b, path, &err), HULSE_OK);
    b.directory = "";
    if (geteuid() == 0) {
        assert_int_equal(hulse_config_directory_check(&b, "/hulse-none", &err), HULSE_OK);
    }
    assert_int_not_equal(access(path, F_OK), 0); /* the store makes its own */
    (void)snprintf(path, sizeof(path), "%s/file", base);
    const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)snprintf(path, sizeof(path), "%s/file/x", base);
    assert_int_not_equal(hulse_config_directory_check(&b, path, &err), HULSE_OK);
    assert_non_null(strstr(err.text, "file"));
    assert_int_not_equal(hulse_config_directory_make(&b, "/proc/no/such", &err), HULSE_OK);
    static const char *const made[] = {"a/b", "a", "file"};
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", base, made[i]);
        assert_int_equal(remove(path), 0);
    }
}

static int make_base(void **state)
{
    (void)state;
    return mkdtemp(base) == NULL ? -1 : 0;
}

static int remove_base(void **state)
{
    (void)state;
    return rmdir(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_it_is),
        cmocka_unit_test(test_who_has_one),
        cmocka_unit_test(test_what_can_be_made),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
