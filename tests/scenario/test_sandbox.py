# SPDX-License-Identifier: Apache-2.0
"""Goal:   a running daemon has given up whatever it does not need, in each of its threads, and goes
        on as before.
Method: a daemon of its own, looked at through the kernel's files, then used."""

import ctypes
import ctypes.util
import errno
import os
import pathlib
import subprocess

import pytest

from conftest import clean_environment, program

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def status_of(task):
    return dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())


def threads(daemon):
    """The status of each; a thread of a library is called as the program."""
    return [status_of(task) for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir()]


def privileged():
    return int(status_of(pathlib.Path("/proc/self"))["CapEff"], 16) != 0


@pytest.mark.smoke
def test_no_thread_has_capabilities(start):
    daemon = start("workers=2")
    seen = threads(daemon)
    assert ({"hulsed", "hulse-log", "hulse-worker0", "hulse-worker1"} <=
            {status["Name"] for status in seen})
    sets = CAPABILITIES + (("CapBnd",) if privileged() else ())
    for status in seen:
        for which in sets:
            assert int(status[which], 16) == 0, (status["Name"], which)
        assert status["NoNewPrivs"] == "1", status["Name"]
    assert daemon.stop() == 0


@pytest.mark.skipif(not privileged(), reason="there is nothing to drop")
def test_a_daemon_that_cannot_drop_them_does_not_start(tmp_path):
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("no libseccomp to refuse capset with")
    library = ctypes.CDLL(name)
    library.seccomp_init.restype = ctypes.c_void_p

    def refuse_capset():
        allow, refuse = 0x7fff0000, 0x00050000 | errno.EPERM
        rules = ctypes.c_void_p(library.seccomp_init(allow))
        number = library.seccomp_syscall_resolve_name(b"capset")
        if library.seccomp_rule_add(rules, refuse, number, 0) or library.seccomp_load(rules):
            os._exit(99)

    done = subprocess.run([program("hulsed")], preexec_fn=refuse_capset, timeout=60, check=False,
                          stderr=subprocess.PIPE,
                          env=clean_environment(HULSE_SOCKET=tmp_path / "s",
                                                HULSE_ADMIN_SOCKET=tmp_path / "a"))
    assert done.returncode == 71, done.stderr
    assert b"cannot drop capabilities" in done.stderr
