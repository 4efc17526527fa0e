# SPDX-License-Identifier: Apache-2.0
"""Goal:   hulsed as its operator meets it: arguments, configuration, start, sockets, signals, drain,
        newcomers that do not behave, the helper process.
Method: the installed program; applications are raw control messages, so nothing depends on the
        library."""

import contextlib
import os
import pathlib
import re
import select
import signal
import stat
import struct
import subprocess

import pytest

from by_hand import (Admin, EVENT, EVENT_DRAIN, EVENT_GOODBYE, LIMIT, REFUSED, SOON_S,
                     WELCOME, connect, eventually, hello, hulsed, is_hung_up, open_session,
                     receive, refusal, sessions)
from conftest import clean_environment, program

# ---- arguments and configuration ---------------------------------------------------------------

@pytest.mark.smoke
def test_version():
    result = hulsed("--version")
    assert result.returncode == 0
    assert re.fullmatch(r"hulsed \d+\.\d+\.\d+\n", result.stdout)


@pytest.mark.parametrize("option", ["--help", "--version", "--schema", "--print-config",
                                    "--print-reference"])
def test_an_output_that_is_full_is_74(option):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([program("hulsed"), option], stdout=full, stderr=subprocess.PIPE,
                              timeout=30, check=False, env=clean_environment())
    assert done.returncode == 74, done.stderr


def test_help_names_every_key():
    result = hulsed("--help")
    assert result.returncode == 0
    printed = hulsed("--print-config").stdout
    keys = re.findall(r"^  ([a-z_.]+) = ", result.stdout, re.M)
    assert len(keys) > 20
    for key in keys:
        assert re.search(rf"^ *{key.split('.')[-1]}: ", printed, re.M), key


@pytest.mark.parametrize("args", [["surplus"], ["--unknown"], ["--set"], ["--check=1"]])
def test_usage_is_64(args):
    result = hulsed(*args)
    assert (result.returncode, result.stdout) == (64, "")
    assert "usage: hulsed" in result.stderr


@pytest.mark.parametrize("assignment, words", [
    ("sesion.ring_max=1MiB", ["'sesion.ring_max'", "'session.ring_max'"]),
    ("session.ring_max=3MiB", ["session.ring_max", "64KiB to 64MiB", "power of two"]),
    ("worker=1", ["'worker'", "'workers'"]),
    ("workers=0", ["workers.count", "auto or 1 to 64"]),
    ("spin.mode=quick", ["spin.mode", "auto, off or busy"]),
    ("spin.min=1ms", ["spin.min", "spin.max"]),
    ("drain_timeout=-1s", ["drain_timeout", "duration"]),
    ("log.level", ["PATH=VALUE"]),
])
def test_a_bad_setting_is_78_and_says_what_would_be_good(assignment, words):
    for action in ([], ["--check"], ["--print-config"]):
        result = hulsed("--set", assignment, *action)
        assert (result.returncode, result.stdout) == (78, "")
        assert len(result.stderr.splitlines()) == 1
        for word in words:
            assert word in result.stderr


def test_a_bad_variable_is_78():
    result = hulsed("--check", HULSE_LISTEN__MODE="99")
    assert result.returncode == 78
    assert "HULSE_LISTEN__MODE" in result.stderr
    assert "octal" in result.stderr
    assert hulsed("--check", HULSE_SERVICE_HOST="10.0.0.1").returncode == 0


def test_check_starts_nothing(tmp_path):
    result = hulsed("--check", HULSE_SOCKET=tmp_path / "hulse.sock")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())


def test_print_config_tells_where_a_value_comes_from(tmp_path):
    path = tmp_path / "hulse.sock"
    result = hulsed("--print-config", "--set", "workers=2", "--set", "log.format=text",
                    HULSE_SOCKET=path, HULSE_LOG__LEVEL="debug", HULSE_LOG__FORMAT="json")
    assert result.returncode == 0
    assert f'  socket: "{path}"  # environment HULSE_SOCKET\n' in result.stdout
    assert "  level: debug  # environment HULSE_LOG__LEVEL\n" in result.stdout
    assert "  format: text  # flag --set\n" in result.stdout
    assert "workers:\n  count: 2  # flag --set\n" in result.stdout
    assert "drain_timeout: 25s  # default\n" in result.stdout


# ---- start -------------------------------------------------------------------------------------

@pytest.mark.smoke
def test_ready_is_announced_and_logged(start):
    daemon = start("workers=2", "name=one")
    eventually(lambda: daemon.lines("daemon.ready"))
    line = daemon.lines("daemon.ready")[0]
    assert line["pid"] == daemon.pid
    assert line["workers"] == 2
    assert line["socket"] == str(daemon.socket)
    assert line["spin_ns"] >= 0
    assert line["version"] in hulsed("--version").stdout
    assert daemon.stop() == 0
    assert daemon.next_state() == "STOPPING=1"


def test_directory_and_modes(start, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    daemon = start(HULSE_LISTEN__SOCKET=folder / "app" / "hulse.sock", HULSE_LISTEN__MODE="0640")
    assert stat.S_IMODE((folder / "app").stat().st_mode) & 0o700 == 0o700
    assert stat.S_IMODE((folder / "app" / "hulse.sock").stat().st_mode) == 0o640
    assert stat.S_IMODE(daemon.admin_socket.stat().st_mode) == 0o600
    assert daemon.stop() == 0


def test_a_group_that_does_not_exist_is_78(tmp_path):
    result = hulsed("--set", "listen.group=no-such-group", HULSE_SOCKET=tmp_path / "s",
                    HULSE_ADMIN_SOCKET=tmp_path / "a")
    assert result.returncode == 78
    assert "no-such-group" in result.stderr


def test_a_second_daemon_is_refused_with_the_pid(start, tmp_path):
    daemon = start()
    for app, admin in ((daemon.socket, tmp_path / "other"), (tmp_path / "other", daemon.admin_socket)):
        result = hulsed(HULSE_SOCKET=app, HULSE_ADMIN_SOCKET=admin)
        assert result.returncode == 74
        assert f"pid {daemon.pid}" in result.stderr
        assert not (tmp_path / "other").exists()
    open_session(daemon).close()
    with Admin(daemon) as admin:
        assert admin.ask("health")["result"]["pid"] == daemon.pid
    assert daemon.stop() == 0


def test_a_stale_socket_is_replaced(start):
    first = start()
    first.process.kill()
    first.process.wait()
    assert first.socket.exists() and first.admin_socket.exists()
    second = start()
    open_session(second).close()
    assert second.stop() == 0


def test_a_file_at_the_path_is_left_alone(tmp_path):
    path = tmp_path / "hulse.sock"
    path.write_text("precious")
    result = hulsed(HULSE_SOCKET=path, HULSE_ADMIN_SOCKET=tmp_path / "a")
    assert result.returncode == 74
    assert "not a socket" in result.stderr
    assert path.read_text() == "precious"


# ---- signals and drain -------------------------------------------------------------------------

@pytest.mark.smoke
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_nothing_behind(start, number):
    daemon = start()
    daemon.terminate(number)
    assert daemon.wait() == 0
    assert {p.name for p in daemon.folder.iterdir()} == {"hulsed.log", "notify.sock", "store"}
    as_root = ["daemon.root"] if os.geteuid() == 0 else []
    assert [o["event"] for o in daemon.lines()] == ["store.open"] + as_root + [
        "daemon.ready", "daemon.stopping", "daemon.draining", "daemon.stopped"]


def test_a_stop_waits_for_the_last_session(start):
    daemon = start("drain_timeout=1h")
    first, second = open_session(daemon), open_session(daemon)
    daemon.terminate()
    assert daemon.next_state() == "STOPPING=1"
    with Admin(daemon) as admin:
        health = admin.ask("health")["result"]
        assert (health["status"], health["ready"]) == ("draining", False)
    # Everything is served, newcomers too.
    third = open_session(daemon)
    for sock in (first, second, third):
        assert daemon.process.poll() is None
        sock.close()
    assert daemon.wait() == 0


def test_a_stop_does_not_wait_longer_than_it_may(start):
    daemon = start("drain_timeout=3s")
    sock = open_session(daemon)
    daemon.terminate()
    events = []
    while (message := receive(sock))[0] is not None:
        if message[0] == EVENT:
            events.append(struct.unpack_from("<H", message[1], 8)[0])
            # The path is free for a successor.
            with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
                connect(daemon)
    assert events == [EVENT_DRAIN, EVENT_GOODBYE]
    assert daemon.wait() == 0
    assert not daemon.socket.exists()


def test_a_second_signal_ends_at_once(start):
    daemon = start("drain_timeout=1h")
    sock = open_session(daemon)
    daemon.terminate()
    assert daemon.next_state() == "STOPPING=1"
    daemon.terminate()
    assert daemon.wait() == 0
    assert is_hung_up(sock)
    assert not daemon.socket.exists() and not daemon.admin_socket.exists()
    assert daemon.lines("daemon.aborted")


def test_usr1_dumps_and_hup_is_answered(start):
    daemon = start("workers=2")
    sock = open_session(daemon)
    eventually(lambda: sessions(daemon) == 1)
    daemon.terminate(signal.SIGUSR1)
    eventually(lambda: len(daemon.lines("dump.worker")) == 2)
    assert sum(line["sessions"] for line in daemon.lines("dump.worker")) == 1
    assert daemon.lines("dump.daemon")[0]["sessions"] == 1
    daemon.terminate(signal.SIGHUP)
    eventually(lambda: daemon.lines("config.reloaded"))
    sock.close()
    assert daemon.stop() == 0


# ---- newcomers ---------------------------------------------------------------------------------

def test_sessions_are_spread_over_workers(start):
    daemon = start("workers=2")
    socks = [open_session(daemon) for _ in range(6)]
    with Admin(daemon) as admin:
        workers = admin.ask("health")["result"]["workers"]
    assert [w["sessions"] for w in workers] == [3, 3]
    for sock in socks:
        sock.close()
    eventually(lambda: sessions(daemon) == 0)
    assert daemon.stop() == 0


def test_a_silent_newcomer_is_put_out_and_disturbs_nobody(start):
    daemon = start()
    silent = connect(daemon)
    open_session(daemon).close()
    assert is_hung_up(silent)
    eventually(lambda: daemon.lines("newcomer.silent"))
    assert daemon.lines("newcomer.silent")[0]["pid"] == os.getpid()
    assert daemon.stop() == 0


def test_many_silent_newcomers_do_not_keep_others_out(start):
    daemon = start()
    silent = [connect(daemon) for _ in range(100)]
    open_session(daemon).close()
    # The oldest had to go for the newest.
    first, _, _ = select.select([silent[0], silent[-1]], [], [], SOON_S)
    assert silent[0] in first
    assert is_hung_up(silent[0])
    assert daemon.stop() == 0


@pytest.mark.parametrize("packet", [
    b"x", b"\x00" * 8, hello()[:-1], struct.pack("<HHI", 15, 8, 0), hello() + b"surplus"])
def test_a_bad_hello_ends_the_connection(start, packet):
    daemon = start()
    sock = connect(daemon)
    sock.send(packet)
    assert is_hung_up(sock)
    eventually(lambda: daemon.lines("session.refused"))
    open_session(daemon).close()
    assert daemon.stop() == 0


def test_an_unknown_abi_is_refused_with_the_range(start):
    daemon = start()
    sock = connect(daemon)
    packet = bytearray(hello())
    struct.pack_into("<HH", packet, 8, 7, 9)
    sock.send(packet)
    kind, data = receive(sock)
    assert kind == REFUSED
    assert struct.unpack_from("<HH", data, 8) == (1, 1)
    assert struct.unpack_from("<I", data, 4) == (7,)
    assert daemon.stop() == 0


def test_more_sessions_than_allowed(start):
    daemon = start("session.sessions_max=2", "workers=2")
    first, second = open_session(daemon), open_session(daemon)
    third = connect(daemon)
    third.send(hello())
    kind, data = receive(third)
    assert kind == REFUSED
    assert refusal(data) == (LIMIT, "session.sessions_max 2 reached")
    assert is_hung_up(third)
    second.close()
    eventually(lambda: sessions(daemon) == 1)
    open_session(daemon).close()
    first.close()
    assert daemon.stop() == 0


def greet(daemon):
    """(socket, type, data) of the answer to a HELLO; type None when it was just closed."""
    sock = connect(daemon)
    with contextlib.suppress(BrokenPipeError):
        sock.send(hello())
    try:
        return sock, *receive(sock)
    except ConnectionResetError:
        return sock, None, b""


def test_newcomers_use_up_descriptors(start):
    daemon = start("workers=1", descriptors=64)
    silent, sock, kind, data = [], None, WELCOME, b""

    def is_full():
        """Who says nothing has its place for a while only, so on a slow machine the first may have gone."""
        nonlocal sock, kind, data
        for one in silent:
            one.close()
        silent[:] = [connect(daemon) for _ in range(63)]
        # The HELLO is there when the connection is accepted; left unread it would be a reset.
        daemon.terminate(signal.SIGSTOP)
        sock = connect(daemon)
        sock.send(hello())
        daemon.terminate(signal.SIGCONT)
        kind, data = receive(sock)
        return kind != WELCOME

    eventually(is_full)
    assert kind == REFUSED
    assert refusal(data) == (LIMIT, "the daemon has no descriptors left")
    assert is_hung_up(sock)
    # The admin socket waits instead, and nobody spins meanwhile.
    with Admin(daemon) as admin:
        for one in silent:
            one.close()
        assert admin.ask("health")["status"] == "ok"
    eventually(lambda: greet(daemon)[1] == WELCOME)
    assert daemon.stop() == 0


def test_sessions_use_up_descriptors(start):
    daemon = start("workers=1", descriptors=64)
    answers = [greet(daemon) for _ in range(60)]
    assert any(kind != WELCOME for _, kind, _ in answers)
    for sock, _, _ in answers:
        sock.close()
    eventually(lambda: greet(daemon)[1] == WELCOME)
    assert daemon.process.poll() is None
    assert daemon.stop() == 0


# ---- the helper process ------------------------------------------------------------------------

def children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def has_ended(pid):
    """Nobody may wait for orphans here, so a zombie is an end as well."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] == "Z"
    return True


def helper_of(daemon):
    pid, = children(daemon.pid)
    assert pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "hulse-helper\n"
    return pid


def test_the_helper_ends_with_the_daemon(start):
    daemon = start()
    helper = helper_of(daemon)
    # What a service manager sends to all of a service is no reason for it to go first.
    os.kill(helper, signal.SIGTERM)
    assert daemon.stop() == 0
    assert has_ended(helper)
    assert not daemon.lines("helper.ended")
    daemon = start()
    helper = helper_of(daemon)
    daemon.terminate(signal.SIGKILL)
    daemon.wait()
    eventually(lambda: has_ended(helper))


def test_the_helper_keeps_none_of_the_daemon(start):
    daemon = start(descriptors=1000)
    folder = pathlib.Path(f"/proc/{helper_of(daemon)}")
    names = [os.readlink(entry) for entry in (folder / "fd").iterdir()]
    assert sorted(name.partition(":")[0] for name in names) == sorted(
        ["/dev/null", "/dev/null", str(daemon.log), "anon_inode", "socket"])
    assert len(list((folder / "task").iterdir())) == 1
    assert daemon.stop() == 0


def test_a_lost_helper_is_told_and_the_daemon_goes_on(start):
    daemon = start()
    os.kill(helper_of(daemon), signal.SIGKILL)
    eventually(lambda: daemon.lines("helper.ended"))
    line, = daemon.lines("helper.ended")
    assert (line["level"], line["signal"]) == ("error", signal.SIGKILL)
    open_session(daemon).close()
    assert not children(daemon.pid)
    assert daemon.stop() == 0
