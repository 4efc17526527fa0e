/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_server - see http_server.h.
 */
#include "tests/support/http_server.h"

#include "tests/support/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char script[] = "tests/support/http_server.py";

_Noreturn static void become_server(int input, int output, const char *address, const char *folder)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0) {
        (void)execlp("python3", "python3", script, address, folder, (char *)NULL);
    }
    perror("python3");
    _exit(127);
}

void hulse_test_http_start(struct http_server *s, const char *address, const char *folder)
{
    char line[16] = "";
    int input[2];
    int output[2];

    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        become_server(input[0], output[1], address, folder);
    }
    (void)close(input[0]);
    (void)close(output[1]);
    s->input = input[1];
    FILE *f = fdopen(output[0], "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    (void)fclose(f);
    s->port = (unsigned)strtoul(line, NULL, 10);
    assert_true(s->port > 0);
}

void hulse_test_http_stop(struct http_server *s)
{
    int status = 0;

    (void)close(s->input);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_int_equal(status, 0);
}
