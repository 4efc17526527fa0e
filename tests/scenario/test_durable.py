# SPDX-License-Identifier: Apache-2.0
"""Goal:   persistent topics as a user meets them: what was stored survives kill -9 of the daemon, what
        was acknowledged does not come again, orders stay, and a store that cannot be used is said.
Method: the real binaries over a folder; the daemon is killed and started again.
"""
import json
import pathlib

import pytest

from command import ok, run
from conftest import clean_environment, program
import subprocess


def take(daemon, topic, count, *more):
    """The payloads of `count` messages, acknowledged."""
    return ok(run(daemon, "sub", topic, "-s", "s", "-n", str(count), "--timeout", "30s",
                  *more)).split()


def subscribe(daemon, topic):
    assert run(daemon, "sub", topic, "-s", "s", "-n", "1", "--timeout", "200ms").returncode == 75


def listed(daemon):
    return ok(run(daemon, "topics", "list")).split()


def test_messages_survive_a_kill(start, tmp_path):
    daemon = start(folder=tmp_path / "run")
    subscribe(daemon, "orders")
    ok(run(daemon, "pub", "orders", *[f"m{i}" for i in range(100)]))
    for first in range(0, 100, 25):
        daemon.kill()
        daemon = start(folder=tmp_path / "run")
        words = [word.decode() if isinstance(word, bytes) else word
                 for word in take(daemon, "orders", 25)]
        assert words == [f"m{i}" for i in range(first, first + 25)]
    answer = json.loads(ok(run(daemon, "topics", "stats", "orders", "--json")))
    assert answer["backlog"] == 0


def test_orders_survive(start, tmp_path):
    daemon = start(folder=tmp_path / "run")
    for name in ("a", "b"):
        ok(run(daemon, "topics", "create", name))
    ok(run(daemon, "topics", "delete", "a"))
    daemon.kill()
    daemon = start(folder=tmp_path / "run")
    names = " ".join(str(name) for name in listed(daemon))
    assert "persistent://public/default/b" in names
    assert "persistent://public/default/a" not in names


def check(*sets):
    arguments = [word for one in sets for word in ("--set", one)]
    return subprocess.run([program("hulsed"), "--check", *arguments], env=clean_environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30,
                          check=False)


def test_check_looks_at_the_directory(tmp_path):
    assert check(f"brokers.local.directory={tmp_path}/store").returncode == 0
    assert not (tmp_path / "store").exists()
    (tmp_path / "file").write_text("")
    result = check(f"brokers.local.directory={tmp_path}/file")
    assert result.returncode == 78
    assert "brokers.local.directory" in result.stderr and "Not a directory" in result.stderr


def test_one_store_has_one_daemon(start, tmp_path):
    daemon = start(folder=tmp_path / "run")
    store = pathlib.Path(daemon.folder) / "store"
    second = start(folder=tmp_path / "other", wait=False,
                   HULSE_BROKERS__LOCAL__DIRECTORY=store)
    assert second.process.wait(30) == 74
    assert str(store) in second.log.read_text()
    ok(run(daemon, "pub", "orders", "x"))
