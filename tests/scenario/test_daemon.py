# SPDX-License-Identifier: Apache-2.0
"""Goal:   hulsed as its operator meets it: arguments, configuration, start, sockets, signals, drain,
        newcomers that do not behave, the admin socket.
Method: the installed program; applications are raw control messages, so nothing depends on the
        library."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time

import pytest

from conftest import clean_environment, program

HELLO, WELCOME, REFUSED, EVENT = 1, 2, 3, 18
EVENT_DRAIN, EVENT_GOODBYE = 5, 6
LIMIT = -13
SOON_S = 20
PIECES_S = 0.02


def hulsed(*args, **env):
    """Runs it to its end."""
    return subprocess.run([program("hulsed"), *map(str, args)], env=clean_environment(**env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                          check=False)


def eventually(condition, what=""):
    end = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(PIECES_S)


# ---- applications by hand ----------------------------------------------------------------------

def connect(daemon, kind=socket.SOCK_SEQPACKET, path=None):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.settimeout(SOON_S)
    sock.connect(str(path or daemon.socket))
    return sock


def hello(name=b"test"):
    body = struct.pack("<HHIQHHHH", 1, 1, 0, 0, len(name), 0, 0, 0) + name
    return struct.pack("<HHI", HELLO, 8 + len(body), 7) + body


def receive(sock):
    """One control message as (type, bytes); (None, b"") at the end. Descriptors are closed."""
    data, descriptors, _, _ = socket.recv_fds(sock, 4096, 4)
    for descriptor in descriptors:
        os.close(descriptor)
    return (struct.unpack_from("<H", data)[0], data) if data else (None, b"")


def open_session(daemon):
    sock = connect(daemon)
    sock.send(hello())
    kind, data = receive(sock)
    assert kind == WELCOME, data
    return sock


def refusal(data):
    """(status, text) of a REFUSED."""
    status, length = struct.unpack_from("<iH", data, 12)
    return status, data[24:24 + length].decode()


def is_hung_up(sock):
    try:
        return receive(sock)[0] is None
    except ConnectionResetError:
        return True


# ---- the admin socket by hand ------------------------------------------------------------------

class Admin:
    def __init__(self, daemon):
        self.sock = connect(daemon, socket.SOCK_STREAM, daemon.admin_socket)
        self.file = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data)

    def answer(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def ask(self, command, **more):
        self.send(json.dumps({"command": command, **more}).encode() + b"\n")
        return self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.file.close()
        self.sock.close()


def sessions(daemon):
    with Admin(daemon) as admin:
        return admin.ask("stats")["result"]["sessions"]


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
    daemon = start("brokers.local.durability=memory")
    daemon.terminate(number)
    assert daemon.wait() == 0
    assert {p.name for p in daemon.folder.iterdir()} == {"hulsed.log", "notify.sock"}
    as_root = ["daemon.root"] if os.geteuid() == 0 else []
    assert [o["event"] for o in daemon.lines()] == as_root + [
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
    silent = [connect(daemon) for _ in range(63)]
    # The HELLO is there when the connection is accepted; left unread it would be a reset.
    daemon.terminate(signal.SIGSTOP)
    sock = connect(daemon)
    sock.send(hello())
    daemon.terminate(signal.SIGCONT)
    kind, data = receive(sock)
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


# ---- the admin socket --------------------------------------------------------------------------

STATS_KEYS = ["version", "uptime_s", "workers", "sessions", "channels", "topics", "brokers",
              "memory", "missed_doorbells", "config_generation", "config_reload_failed"]


@pytest.mark.smoke
def test_stats(start):
    daemon = start("workers=2", "default_broker=null")
    sock = open_session(daemon)
    with Admin(daemon) as admin:
        eventually(lambda: admin.ask("stats")["result"]["sessions"] == 1)
        answer = admin.ask("stats")
    assert answer["status"] == "ok"
    stats = answer["result"]
    assert set(STATS_KEYS) <= set(stats)
    assert stats["workers"] == 2
    assert [w["state"] for w in stats["per_worker"]] == ["ok", "ok"]
    assert sum(w["sessions"] for w in stats["per_worker"]) == 1
    assert stats["topics"] == [] and stats["missed_doorbells"] == 0
    assert {b["name"]: b["type"] for b in stats["brokers"]} == {"local": "local", "null": "null"}
    assert stats["version"] in hulsed("--version").stdout
    assert stats["memory"]["admin"] > 0
    sock.close()
    assert daemon.stop() == 0


def test_health(start):
    daemon = start("workers=2")
    with Admin(daemon) as admin:
        health = admin.ask("health")["result"]
    assert (health["status"], health["ready"], health["pid"]) == ("healthy", True, daemon.pid)
    assert [w["alive"] for w in health["workers"]] == [True, True]
    assert all(b["healthy"] for b in health["brokers"])
    assert daemon.stop() == 0


def test_a_bad_request_has_an_answer_and_the_next_one_counts(start):
    daemon = start()
    with Admin(daemon) as admin:
        for line, code in ((b"nonsense", "HULSE_INVAL"), (b"", "HULSE_INVAL"),
                           (b'{"command":"reboot"}', "HULSE_UNSUPPORTED"),
                           (b'{"command":"stats","x":1}', "HULSE_INVAL"),
                           (b'{"command":"\xff"}', "HULSE_INVAL")):
            admin.send(line + b"\n")
            answer = admin.answer()
            assert (answer["status"], answer["code"]) == ("error", code)
            assert answer["detail"]
        assert admin.ask("health")["status"] == "ok"
    assert daemon.stop() == 0


def test_requests_in_one_piece_and_in_many(start):
    daemon = start("workers=2")
    with Admin(daemon) as admin:
        admin.send(b'{"command":"health"}\n{"command":"stats"}\n{"command":"x"}\n' * 20)
        for _ in range(20):
            assert admin.answer()["result"]["pid"] == daemon.pid
            assert "uptime_s" in admin.answer()["result"]
            assert admin.answer()["status"] == "error"
        for byte in b'{"command":"topics.list"}\n':
            admin.send(bytes([byte]))
        assert admin.answer() == {"status": "ok", "result": []}
        # Nothing more is asked; what was is answered.
        admin.send(b'{"command":"stats"}\n{"command":"health"}\n')
        admin.sock.shutdown(socket.SHUT_WR)
        assert "memory" in admin.answer()["result"]
        assert "ready" in admin.answer()["result"]
        assert admin.answer() is None
    assert daemon.stop() == 0


def test_a_line_has_a_limit(start):
    daemon = start()
    with Admin(daemon) as admin:
        line = b'{"command":"health"}'
        admin.send(line + b" " * (64 * 1024 - len(line)) + b"\n")
        assert admin.answer()["status"] == "ok"
        with contextlib.suppress(ConnectionError):
            admin.send(b"x" * (64 * 1024 + 1))
        assert admin.answer()["code"] == "HULSE_TOOBIG"
        with contextlib.suppress(ConnectionError):
            admin.send(b'\n{"command":"health"}\n')
        with contextlib.suppress(ConnectionError):
            assert admin.answer() is None
    assert daemon.stop() == 0


def test_silent_and_slow_clients_are_dropped(start):
    daemon = start("workers=1")
    with Admin(daemon) as silent, Admin(daemon) as half, Admin(daemon) as deaf:
        half.send(b'{"command":')
        # Never reads: the answers fill the socket.
        deaf.sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:
                deaf.send(b'{"command":"stats"}\n' * 100)
        assert silent.answer() is None
        assert half.answer() is None
        eventually(lambda: deaf_is_gone(daemon))
    with Admin(daemon) as admin:
        assert admin.ask("health")["status"] == "ok"
    assert daemon.stop() == 0


def deaf_is_gone(daemon):
    """Its buffers are given back, but for those of the one who asks."""
    with Admin(daemon) as admin:
        return admin.ask("stats")["result"]["memory"]["admin"] < 2 * 64 * 1024


def test_more_connections_than_allowed(start):
    daemon = start()
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            assert stack.enter_context(Admin(daemon)).ask("health")["status"] == "ok"
        assert stack.enter_context(Admin(daemon)).answer()["code"] == "HULSE_LIMIT"

    def works():
        with Admin(daemon) as admin:
            with contextlib.suppress(ConnectionError):
                return (admin.ask("health") or {}).get("status") == "ok"

    eventually(works)
    assert daemon.stop() == 0


def test_clients_that_leave_while_they_are_answered(start):
    daemon = start("workers=2")
    for _ in range(200):
        with Admin(daemon) as admin:
            admin.send(b'{"command":"stats"}\n')
    with Admin(daemon) as admin:
        # Nobody is reported as unresponsive on their account.
        assert [w["state"] for w in admin.ask("stats")["result"]["per_worker"]] == ["ok", "ok"]
    assert daemon.stop() == 0
    assert not daemon.lines("")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_may_not_command(start):
    with tempfile.TemporaryDirectory(prefix="hulse-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        daemon = start(folder=folder)
        daemon.admin_socket.chmod(0o666)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgid(65534)
            os.setuid(65534)
            try:
                with Admin(daemon) as admin:
                    os.write(writing, json.dumps(admin.answer()).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        assert json.loads(text)["code"] == "HULSE_DENIED"
        assert daemon.stop() == 0
