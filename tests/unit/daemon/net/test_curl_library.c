/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a daemon whose libcurl is damaged says so when it needs it, every time; it asks again, and
 *         libcurl that is there is loaded then.
 * Method: the test starts itself anew with a folder in front of the library path, in which files of
 *         libcurl's names are cut off; later they give way to nothing.
 */
#include "daemon/net/curl_library.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The names of Debian's two builds. */
static const char *const files[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
static const char *folder;

static void test_a_damaged_library(void **state)
{
    char path[256];

    (void)state;
    for (unsigned trial = 0; trial < 2; trial++) {
        struct error err = {0};
        assert_int_equal(hulse_curl_library_load(&err), HULSE_FAILED);
        assert_non_null(strstr(err.text, "libcurl cannot be loaded"));
        assert_non_null(strstr(err.text, "file too short"));
        assert_null(hulse_curl.easy_init);
    }
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(hulse_curl_library_load(NULL), HULSE_OK);
    CURL *easy = hulse_curl.easy_init();
    assert_non_null(easy);
    hulse_curl.easy_cleanup(easy);
    assert_int_equal(hulse_curl_library_load(NULL), HULSE_OK);
}

static int start_anew(char **argv)
{
    char path[256];
    char made[] = "/tmp/hulse-curl-XXXXXX";

    if (mkdtemp(made) == NULL) {
        return 1;
    }
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", made, files[i]);
        const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0) {
            return 1;
        }
        (void)close(fd);
    }
    char *const arguments[] = {argv[0], made, NULL};
    if (setenv("LD_LIBRARY_PATH", made, 1) == 0) {
        (void)execv("/proc/self/exe", arguments);
    }
    return 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_damaged_library),
    };

    if (argc < 2) {
        return start_anew(argv);
    }
    folder = argv[1];
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)hulse_test_folder_remove(folder);
    return failed;
}
