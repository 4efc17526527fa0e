# SPDX-License-Identifier: Apache-2.0
"""Goal:   a running daemon has given up whatever it does not need, in each of its threads, and goes
        on as before.
Method: a daemon of its own, looked at through the kernel's files, then used."""

import ctypes
import ctypes.util
import errno
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from command import Subscriber, new_topic, ok, publish, run, stats
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
    assert done.returncode == 77, done.stderr
    assert b"cannot drop capabilities" in done.stderr

# ---- what it can still ask of the kernel ----

def sanitized(daemon):
    """Such a build needs more than the filter would let it do, and does not try to load it."""
    return (daemon.await_lines("daemon.ready")[0]["sandbox"] == "unavailable" and
            not daemon.lines("sandbox.unavailable"))


@pytest.mark.smoke
def test_every_thread_is_filtered_and_the_daemon_goes_on(start, tmp_path):
    config = tmp_path / "hulse.yaml"
    config.write_text("watch: true\nlog: {level: info}\n")
    daemon = start("workers=2", args=["--config", config])
    if sanitized(daemon):
        pytest.skip("a build with sanitizers has no filter")
    assert daemon.lines("daemon.ready")[0]["sandbox"] == "on"
    for status in threads(daemon):
        assert status["Seccomp"] == "2", status["Name"]
    use(daemon, config)
    for status in threads(daemon):
        assert status["Seccomp"] == "2", status["Name"]
    assert ok(run(daemon, "drain")) is not None
    assert daemon.wait() == 0
    assert [line for line in daemon.lines() if line.get("level") in ("warn", "error", None)
            and line["event"] != "daemon.root"] == []


def use(daemon, config):
    """A message there and back, the operator's commands, a reload by command and by the watch."""
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "readers", "-n", "1") as subscriber:
        publish(daemon, topic, "still here")
        assert subscriber.line() == b"still here"
    assert json.loads(ok(run(daemon, "health", "--json")))["ready"]
    assert stats(daemon)["workers"]
    config.write_text("watch: true\nlog: {level: debug}\n")
    daemon.await_lines("config.reloaded")
    ok(run(daemon, "reload"))
    reloads = daemon.await_lines("config.reloaded", 2)
    assert [line["trigger"] for line in reloads] == ["watch", "request"]
    daemon.terminate(signal.SIGUSR1)
    daemon.await_lines("dump.daemon")


# ---- who can look into it ----

@pytest.fixture
def unprivileged():
    """unprivileged(*sets) gives a process of hulsed that is ready and is not root's."""
    running = []
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hulse-scenario-"))
    user = 65534 if os.getuid() == 0 else os.getuid()
    os.chown(folder, user, -1)

    def start_one(*sets):
        arguments = [word for key in sets for word in ("--set", key)]
        try:
            process = subprocess.Popen([program("hulsed"), *arguments], user=user, text=True,
                                       stderr=subprocess.PIPE,
                                       env=clean_environment(XDG_STATE_HOME=folder,
                                                             HULSE_SOCKET=folder / "s",
                                                             HULSE_ADMIN_SOCKET=folder / "a"))
        except PermissionError:
            pytest.skip("the program is where another user cannot read it")
        running.append(process)
        for line in process.stderr:
            if '"daemon.ready"' in line:
                return process, user
        raise AssertionError("it ended before it was ready")

    yield start_one
    for process in running:
        process.kill()
        process.wait()
        process.stderr.close()
    shutil.rmtree(folder)


@pytest.mark.parametrize("wanted", [False, True])
def test_its_user_cannot_look_into_it_unless_allowed(start, unprivileged, wanted):
    if sanitized(start()):
        pytest.skip("a build with sanitizers can be traced")
    process, user = unprivileged(*(["sandbox.dumpable=true"] if wanted else []))
    # The kernel gives the files of a process that must not be dumped to root.
    assert os.stat(f"/proc/{process.pid}/maps").st_uid == (user if wanted else 0)


# ---- the helper process ----

def helper_of(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=True)
    helper, = found.stdout.split()
    return pathlib.Path("/proc") / helper


def test_the_helper_has_no_rights_to_lend(start):
    daemon = start()
    status = status_of(helper_of(daemon.pid))
    assert status["Name"] == "hulse-helper"
    for which in CAPABILITIES + (("CapBnd",) if privileged() else ()):
        assert int(status[which], 16) == 0, which
    assert status["NoNewPrivs"] == "1"
    assert daemon.stop() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can look as somebody else")
@pytest.mark.parametrize("wanted", [False, True])
def test_its_user_cannot_look_into_the_helper(unprivileged, wanted):
    process, user = unprivileged(*(["sandbox.dumpable=true"] if wanted else []))
    helper = helper_of(process.pid)
    for name in ("environ", "maps"):
        assert os.stat(helper / name).st_uid == 0, name
    seen = subprocess.run(["cat", helper / "environ"], user=user, capture_output=True, check=False)
    assert seen.returncode != 0 and not seen.stdout


def memory_of(process):
    """What it may write to, as one piece."""
    pieces = []
    with open(process / "mem", "rb", buffering=0) as memory:
        for line in (process / "maps").read_text().splitlines():
            place, rights = line.split()[:2]
            first, last = (int(word, 16) for word in place.split("-"))
            if not rights.startswith("rw"):
                continue
            for page in range(first, last, 1 << 20):
                memory.seek(page)
                pieces.append(memory.read(min(1 << 20, last - page)))
    return b"".join(pieces)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can look into it")
def test_the_helper_has_never_read_the_configuration(configured):
    mark = "a-mark-of-the-file"
    daemon = configured(f"roles: {{{mark}: {{uids: [4711]}}}}\n").daemon
    if sanitized(daemon):
        pytest.skip("a build with sanitizers maps more than can be read")
    assert mark.encode() in memory_of(pathlib.Path(f"/proc/{daemon.pid}"))
    assert mark.encode() not in memory_of(helper_of(daemon.pid))
    assert daemon.stop() == 0


def test_the_filter_can_be_left_out(start):
    daemon = start("sandbox.filter=false")
    assert daemon.await_lines("daemon.ready")[0]["sandbox"] == "off"
    assert {status["Seccomp"] for status in threads(daemon)} == {"0"}
    assert daemon.stop() == 0
