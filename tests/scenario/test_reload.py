# SPDX-License-Identifier: Apache-2.0
"""Goal:   a running daemon reads its configuration again by signal, by command and when the file
        changes; a rejected one changes nothing; no message is lost meanwhile.
Method: a daemon on a file that the test rewrites, looked at through its log and its commands."""

import itertools
import json
import os
import re
import signal
import subprocess
import time

import pytest

from command import Subscriber, environment, new_topic, ok, program, run, stats


@pytest.mark.smoke
def test_hup_reloads_and_tells_the_service_manager(configured):
    c = configured("log: {level: info}\n")
    c.write("log: {level: debug}\nworkers: 7\n")
    c.daemon.terminate(signal.SIGHUP)
    state = c.daemon.next_state()
    assert state.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert 0 < int(state.partition("USEC=")[2]) <= time.monotonic_ns() // 1000
    assert c.daemon.next_state() == "READY=1"
    line = c.daemon.await_lines("config.reloaded")[0]
    assert (line["generation"], line["applied"], line["trigger"]) == (2, "log.level", "signal")
    assert c.daemon.await_lines("config.needs_restart")[0]["key"] == "workers.count"
    assert (stats(c.daemon)["config_generation"], stats(c.daemon)["config_reload_failed"]) == (2, 0)
    assert c.daemon.stop() == 0


@pytest.mark.smoke
def test_the_command_says_what_came_of_it(configured):
    c = configured("name: one\nroles: {a: {uids: [1]}}\n")
    c.write("name: two\nroles: {a: {uids: [2]}}\n")
    result = run(c.daemon, "reload")
    assert ok(result).decode().splitlines() == \
        ["generation 2", "applied roles", "needs a restart name"]
    answer = json.loads(ok(run(c.daemon, "reload", "--json")))
    assert answer == {"accepted": True, "generation": 3, "applied": [], "restart": ["name"],
                      "problems": []}
    yaml = ok(run(c.daemon, "config")).decode().splitlines()
    assert f'name: "one"  # {c.path}:1' in yaml
    assert f"    uids: [2]  # {c.path}:2" in yaml
    answer = json.loads(ok(run(c.daemon, "config", "--json")))
    assert answer["generation"] == 3 and answer["yaml"].splitlines() == yaml
    assert run(c.daemon, "reload", "surplus").returncode == 64
    assert run(c.daemon, "config", "surplus").returncode == 64
    assert c.daemon.stop() == 0


def test_what_is_rejected_changes_nothing(configured):
    c = configured("log: {level: info}\nroles: {a: {uids: [1]}}\n")
    before = ok(run(c.daemon, "config"))
    c.write("log: {level: debug}\nroles: {a: {uids: [x]}}\ngateway: {}\n")
    result = run(c.daemon, "reload")
    assert (result.returncode, result.stdout) == (78, b"")
    lines = result.stderr.decode().splitlines()
    assert f"{c.path}:2:20: uids: 'x'" in lines[0]
    assert f"{c.path}:3:1: unknown key 'gateway': it is not in this version" in lines[1]
    assert "nothing has changed" in lines[2]
    assert ok(run(c.daemon, "config")) == before
    assert (stats(c.daemon)["config_generation"], stats(c.daemon)["config_reload_failed"]) == (1, 1)
    line = c.daemon.await_lines("config.rejected")[0]
    assert (line["file"], line["line"], line["column"]) == (str(c.path), 2, 20)
    assert "'x'" in line["why"] and line["level"] == "error"
    # It is as healthy as before, and the next good one counts.
    assert run(c.daemon, "health").returncode == 0
    answer = json.loads(run(c.daemon, "reload", "--json").stdout)
    assert answer["accepted"] is False and answer["generation"] == 1
    assert [(p["line"], p["column"]) for p in answer["problems"]] == [(2, 20), (3, 1)]
    c.write("log: {level: warn}\n")
    ok(run(c.daemon, "reload"))
    assert stats(c.daemon)["config_reload_failed"] == 0
    assert c.daemon.stop() == 0


def test_the_log_level_follows(configured):
    c = configured("log: {level: error}\n")
    ok(run(c.daemon, "reload"))
    assert not c.daemon.lines("config.reloaded")
    c.write("log: {level: info}\n")
    ok(run(c.daemon, "reload"))
    c.daemon.await_lines("config.reloaded")
    assert c.daemon.stop() == 0


def test_flags_and_environment_still_win(configured):
    c = configured("log: {level: info}\n", "log.level=warn", HULSE_SESSION__RATE="7")
    c.write("log: {level: debug}\nsession: {rate: 9}\n")
    ok(run(c.daemon, "reload"))
    yaml = ok(run(c.daemon, "config")).decode()
    assert "  level: warn  # flag --set\n" in yaml
    assert "messages: 7  # environment HULSE_SESSION__RATE\n" in yaml
    assert c.daemon.stop() == 0


def test_a_watched_file_is_read_again(configured):
    c = configured("watch: true\nsession: {rate: 1}\n")
    c.write("watch: true\nsession: {rate: 2}\n")
    line = c.daemon.await_lines("config.reloaded")[0]
    assert (line["trigger"], line["applied"]) == ("watch", "session.rate.messages")
    c.path.write_text("watch: true\nsession: {rate: [}\n")
    c.daemon.await_lines("config.rejected")
    c.path.write_text("watch: true\nsession: {rate: 3}\n")
    c.daemon.await_lines("config.reloaded", 2)
    assert "messages: 3" in ok(run(c.daemon, "config")).decode()
    assert c.daemon.stop() == 0


def test_a_configuration_map_is_swapped(start, tmp_path):
    for version in (1, 2):
        (tmp_path / f"v{version}").mkdir()
        (tmp_path / f"v{version}/hulse.yaml").write_text(
            f"watch: true\nsession: {{rate: {version}}}\n")
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "hulse.yaml").symlink_to("..data/hulse.yaml")
    daemon = start(args=["--config", tmp_path / "hulse.yaml"])
    (tmp_path / "..data_tmp").symlink_to("v2")
    os.rename(tmp_path / "..data_tmp", tmp_path / "..data")
    assert daemon.await_lines("config.reloaded")[0]["trigger"] == "watch"
    assert "messages: 2" in ok(run(daemon, "config")).decode()
    assert daemon.stop() == 0


def test_without_a_file_there_is_nothing_to_watch(start, tmp_path):
    daemon = start("watch=true", XDG_CONFIG_HOME=tmp_path)
    daemon.await_lines("config.unwatched")
    ok(run(daemon, "reload"))
    assert daemon.stop() == 0


def test_tokens_are_in_no_answer_and_no_log(configured, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("very-secret-token\n")
    tokens.chmod(0o600)
    c = configured(f"log: {{level: debug}}\nroles: {{a: {{tokens_file: {tokens}}}}}\n")
    tokens.write_text("very-secret-token\nvery-secret-other\nvery secret\n")
    assert run(c.daemon, "reload").returncode == 78
    tokens.write_text("very-secret-other\n")
    assert b"applied roles" in ok(run(c.daemon, "reload"))
    assert b"<redacted>" in ok(run(c.daemon, "config"))
    assert not re.search(b"very.secret", ok(run(c.daemon, "config")))
    assert c.daemon.stop() == 0
    assert not re.search("very.secret", c.daemon.log.read_text())


def test_a_publisher_loses_nothing(configured):
    count, topic = 20000, new_topic("reload")
    c = configured("session: {rate: null}\n")
    with Subscriber(c.daemon, topic, "-s", "s", "-n", str(count), "--timeout", "60s") as sub:
        publisher = subprocess.Popen([program(), "pub", topic, "-"], env=environment(c.daemon),
                                     stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        levels = itertools.cycle(["info", "warn", "error"])
        for i in range(count):
            publisher.stdin.write(f"{i}\n".encode())
            if i % 2000 == 0:
                publisher.stdin.flush()
                c.write(f"log: {{level: {next(levels)}}}\ntopics: [{{match: t{i}}}]\n")
                ok(run(c.daemon, "reload"))
        publisher.stdin.close()
        assert publisher.wait(60) == 0
        publisher.stderr.close()
        out, code = sub.wait()
    assert code == 0
    assert out.decode().split() == [str(i) for i in range(count)]
    assert stats(c.daemon)["config_generation"] == 1 + count // 2000
    assert c.daemon.stop() == 0
