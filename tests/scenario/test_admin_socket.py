# SPDX-License-Identifier: Apache-2.0
"""Goal:   the admin socket answers each request once, whatever its clients do, and only the daemon's
        own user.
Method: lines written by hand: whole, in pieces, too long, not at all."""

import contextlib
import json
import os
import pathlib
import socket
import tempfile

import pytest

from by_hand import Admin, eventually, hulsed, open_session

LINE_BYTES = 2 * 1024 * 1024
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
        assert admin.answer() == {"status": "ok", "result": {"topics": [], "unlisted": []}}
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
        admin.send(line + b" " * (LINE_BYTES - len(line)) + b"\n")
        assert admin.answer()["status"] == "ok"
        with contextlib.suppress(ConnectionError):
            admin.send(b"x" * (LINE_BYTES + 1))
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
