# SPDX-License-Identifier: Apache-2.0
"""Goal:   `hulsed --replace` takes over: the daemon that runs says goodbye to its sessions at once and
        ends, the new one has its sockets; what cannot be taken over is told, and nothing is lost on the
        way there.
Method: two installed daemons with the same sockets; applications are raw control messages. That a
        publisher goes on is in tests/crash/test_replaced_daemon.c."""

import fcntl
import os
import pathlib
import signal
import struct
import subprocess
import tempfile
import threading

import pytest

from by_hand import (EVENT, EVENT_DRAIN, EVENT_GOODBYE, Admin, eventually, hulsed, open_session,
                     receive)
from conftest import clean_environment, program


@pytest.fixture
def replace(start, tmp_path):
    """replace(old, *sets) gives a daemon with the old one's sockets and a log of its own."""
    def replace_one(old, *sets, folder=tmp_path / "fresh", **more):
        fresh = start(f"listen.socket={old.socket}", f"listen.admin_socket={old.admin_socket}", *sets,
                      folder=folder, args=["--replace"], **more)
        fresh.socket, fresh.admin_socket = old.socket, old.admin_socket
        return fresh

    return replace_one


def refused(old, *sets, user=None):
    """A replacement that ends by itself."""
    return hulsed("--replace", *[word for key in sets for word in ("--set", key)], user=user,
                  HULSE_SOCKET=old.socket, HULSE_ADMIN_SOCKET=old.admin_socket)


def events_to_the_end(sock):
    events = []
    while (message := receive(sock))[0] is not None:
        if message[0] == EVENT:
            events.append(struct.unpack_from("<H", message[1], 8)[0])
    return events


def assert_serves(daemon):
    open_session(daemon).close()
    with Admin(daemon) as admin:
        health = admin.ask("health")["result"]
    assert (health["pid"], health["status"]) == (daemon.pid, "healthy")


@pytest.mark.smoke
def test_sessions_are_told_at_once_and_the_new_daemon_has_the_sockets(start, replace):
    old = start("drain_timeout=1h")
    socks = [open_session(old) for _ in range(2)]
    fresh = replace(old)
    assert old.wait() == 0
    for sock in socks:
        assert events_to_the_end(sock) == [EVENT_DRAIN, EVENT_GOODBYE]
    assert_serves(fresh)
    assert not old.lines("daemon.aborted") and old.lines("daemon.stopped")
    assert fresh.lines("daemon.replacing")[0]["pid"] == old.pid
    assert fresh.lines("daemon.replaced")[0]["pid"] == old.pid
    assert fresh.stop() == 0
    assert {p.name for p in old.folder.iterdir()} == {"hulsed.log", "notify.sock", "store"}


def test_a_daemon_that_waits_for_its_sessions_waits_no_longer(start, replace):
    old = start("drain_timeout=1h")
    sock = open_session(old)
    old.terminate()
    assert old.next_state() == "STOPPING=1"
    fresh = replace(old)
    assert old.wait() == 0
    assert events_to_the_end(sock) == [EVENT_DRAIN, EVENT_GOODBYE]
    assert len(old.lines("daemon.stopping")) == 1 and not old.lines("daemon.aborted")
    assert_serves(fresh)
    assert fresh.stop() == 0


def test_one_after_another(start, replace, tmp_path):
    daemons = [start()]
    for i in range(5):
        daemons.append(replace(daemons[-1], folder=tmp_path / f"fresh{i}"))
        assert daemons[-2].wait() == 0
        assert_serves(daemons[-1])
    assert daemons[-1].stop() == 0


def test_without_a_daemon_it_starts_and_says_so(start):
    daemon = start(args=["--replace"])
    eventually(lambda: daemon.lines("daemon.nothing_to_replace"))
    assert_serves(daemon)
    assert daemon.stop() == 0


def test_the_store_is_waited_for(start, tmp_path):
    """Its daemon closes it behind the sockets."""
    first = start(folder=tmp_path / "run")
    assert first.stop() == 0
    with open(first.folder / "store" / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = threading.Timer(0.5, fcntl.flock, (lock, fcntl.LOCK_UN))
        release.start()
        second = start(folder=tmp_path / "run", args=["--replace"])
        release.join()
    assert second.lines("daemon.replaced")
    assert_serves(second)
    assert second.stop() == 0


def test_what_a_killed_daemon_left_is_no_daemon(start):
    first = start()
    first.kill()
    assert first.socket.exists() and first.admin_socket.exists()
    second = start(args=["--replace"])
    eventually(lambda: second.lines("daemon.nothing_to_replace"))
    assert_serves(second)
    assert second.stop() == 0


@pytest.mark.parametrize("setting, word", [
    ("listen.group=no-such-group", "no-such-group"), ("workers.cpus=1023", "workers.cpus"),
    ("session.ring_max=3MiB", "power of two")])
def test_who_could_not_start_replaces_nobody(start, setting, word):
    old = start()
    result = refused(old, setting)
    assert result.returncode == 78
    assert word in result.stderr
    assert_serves(old)
    assert not old.lines("daemon.stopping")
    assert old.stop() == 0


@pytest.mark.parametrize("place, code, word", [
    ("newer", 74, "made by a newer version"), ("unfinished", 74, "a backup that was not finished"),
    ("no/such/parent", 74, "parent directory does not exist"), ("file/store", 74, "Not a directory")])
def test_who_could_not_open_its_store_replaces_nobody(start, tmp_path, place, code, word):
    for name in ("newer", "unfinished"):
        (tmp_path / name / "log").mkdir(parents=True)
    (tmp_path / "newer" / "format").write_text("hulse store\nversion 99\nsegment_bytes 1048576\n")
    (tmp_path / "unfinished" / "backup-unfinished").touch()
    (tmp_path / "file").touch()
    old = start()
    result = refused(old, f"brokers.local.directory={tmp_path / place}")
    assert result.returncode == code
    assert word in result.stderr and str(tmp_path / place.split("/", maxsplit=1)[0]) in result.stderr
    assert_serves(old)
    assert not old.lines("daemon.stopping")
    assert old.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("name", ["log", "lock", "format"])
def test_who_may_not_write_its_store_replaces_nobody(start, name):
    """A part of it is another user's."""
    with tempfile.TemporaryDirectory(prefix="hulse-") as path:
        folder = pathlib.Path(path)
        folder.chmod(0o755)
        first = start(folder=folder / "run")
        assert first.stop() == 0
        store = folder / "run" / "store"
        for file in [folder / "run", *folder.rglob("*")]:
            os.chown(file, 65534, 65534)
        old = start(folder=folder / "old", user=65534)
        os.chown(store / name, 0, 0)
        (store / name).chmod(0o700 if name == "log" else 0o600)
        result = refused(old, f"brokers.local.directory={store}", user=65534)
        assert result.returncode == 77
        assert f"store {store}: {name}: Permission denied" in result.stderr
        assert_serves(old)
        assert not old.lines("daemon.stopping")
        assert old.stop() == 0


def test_a_daemon_that_stands_still_is_named(start):
    old = start()
    old.terminate(signal.SIGSTOP)
    result = refused(old)
    assert result.returncode == 75
    assert f"pid {old.pid}, does not answer" in result.stderr
    old.terminate(signal.SIGCONT)
    # What it was told it does when it can.
    assert old.wait() == 0


def test_a_stop_ends_the_wait(start):
    old = start()
    old.terminate(signal.SIGSTOP)
    environment = clean_environment(HULSE_SOCKET=old.socket, HULSE_ADMIN_SOCKET=old.admin_socket)
    with subprocess.Popen([program("hulsed"), "--replace"], env=environment, text=True,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as waiting:
        assert "daemon.replacing" in waiting.stderr.readline()
        waiting.terminate()
        assert waiting.wait(20) == 0
    old.terminate(signal.SIGCONT)
    assert old.wait() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_daemon_is_left_alone(start):
    with tempfile.TemporaryDirectory(prefix="hulse-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o777)
        old = start(folder=folder)
        for mode in (0o600, 0o666):
            old.admin_socket.chmod(mode)
            result = subprocess.run(
                [program("hulsed"), "--replace"], stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=30, check=False, user=65534, group=65534, extra_groups=[],
                env=clean_environment(HULSE_SOCKET=old.socket, HULSE_ADMIN_SOCKET=old.admin_socket,
                                      HULSE_BROKERS__LOCAL__DIRECTORY=folder / "own"))
            assert result.returncode == 77, result.stderr
            assert str(old.admin_socket) in result.stderr
        assert not old.lines("daemon.stopping")
        assert_serves(old)
        assert old.stop() == 0
