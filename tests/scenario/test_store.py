# SPDX-License-Identifier: Apache-2.0
"""Goal:   an operator checks and copies the store, while the daemon runs and when it is stopped.
Method: the commands against a daemon with persistent topics; a byte of its log flipped."""

import json
import re
import signal
import subprocess

import pytest

from command import Background, ok, publish, run
from conftest import Hulsed, clean_environment, program

TOPIC = "persistent://public/default/kept"


def hulsed_store(*words):
    return subprocess.run([program("hulsed"), "--store", *map(str, words)], env=clean_environment(),
                          capture_output=True, text=True, timeout=60, check=False)


def findings(text):
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


@pytest.fixture(name="kept")
def kept_daemon(tmp_path):
    """A daemon with a store in tmp_path/data, and 500 messages in it."""
    daemon = Hulsed(tmp_path / "run", f"brokers.local.directory={tmp_path / 'data'}")
    ok(run(daemon, "pub", TOPIC, input=b"".join(b"message %d\n" % n for n in range(500))))
    yield daemon
    daemon.kill()


@pytest.mark.smoke
def test_what_is_no_store(start, tmp_path):
    done = hulsed_store("check", tmp_path)
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == f"hulsed: store {tmp_path}: there is none\n"
    assert not list(tmp_path.iterdir())
    assert hulsed_store("backup", tmp_path / "none", tmp_path / "copy").returncode == 65
    assert not (tmp_path / "copy").exists()
    for words in (("check",), ("repair", tmp_path), ("backup", tmp_path), ("check", "a", "b")):
        assert hulsed_store(*words).returncode == 64
    daemon = start("brokers.local.durability=memory")
    for words in ((), ("repair",), ("check", "here"), ("backup",), ("backup", "a", "b")):
        assert run(daemon, "store", *words).returncode == 64
    done = run(daemon, "store", "check")
    assert done.returncode == 69
    assert b"has no store" in done.stderr


def test_a_running_store(kept, tmp_path):
    answer = json.loads(ok(run(kept, "store", "check", "--json")))
    assert answer["good"] is True
    assert answer["messages"] == 500
    looked = kept.await_lines("store.looked_at", command="check")
    assert [line["directory"] for line in looked] == [str(tmp_path / "data")]
    busy = hulsed_store("check", tmp_path / "data")
    assert busy.returncode == 69
    copied = json.loads(ok(run(kept, "store", "backup", str(tmp_path / "copy"), "--json")))
    assert copied["directory"] == str(tmp_path / "copy")
    again = run(kept, "store", "backup", str(tmp_path / "copy"))
    assert again.returncode == 74
    assert b"not empty" in again.stderr
    publish(kept, TOPIC, b"one more")
    done = hulsed_store("check", tmp_path / "copy")
    assert done.returncode == 0, done
    assert findings(done.stdout)["messages"] == 500


def store_figures(daemon):
    stores = json.loads(ok(run(daemon, "stats", "--json")))["stores"]
    assert [store["broker"] for store in stores] == ["local"]
    return stores[0]


def test_figures(kept, tmp_path):
    first = store_figures(kept)
    assert first["records"] >= 500
    assert first["bytes"] <= first["bytes_max"] == 8 << 30
    assert first["bytes"] % first["segments"] == 0
    assert first["written_bytes"] > 0 and first["full"] == 0 and first["parked"] == 0
    assert 1 <= first["groups"] <= first["records"]
    for name in ("group_records", "sync_us"):
        assert 0 < first[name + "_p50"] <= first[name + "_p99"] <= first[name + "_max"]
    assert first["moved_messages"] == first["moved_bytes"] == first["moves_given_up"] == 0
    assert first["replay_bytes"] > 0 and first["damaged_bytes"] == 0
    publish(kept, TOPIC, b"one more")
    second = store_figures(kept)
    assert second["records"] > first["records"] and second["groups"] > first["groups"]
    assert (second["checkpoint_age_ms"] >= first["checkpoint_age_ms"] or
            second["checkpoints"] > first["checkpoints"])
    text = ok(run(kept, "stats")).decode()
    assert re.search(r"^ *sync_us_p99 +\d+$", text, re.M), text


def test_figures_tell_of_damage(kept, start, tmp_path):
    kept.kill()
    segment = min((tmp_path / "data" / "log").iterdir())
    data = bytearray(segment.read_bytes())
    data[data.index(b"message 250")] ^= 1
    segment.write_bytes(data)
    daemon = start(f"brokers.local.directory={tmp_path / 'data'}")
    found = store_figures(daemon)
    assert found["damaged_records"] == 1
    assert found["unreadable_messages"] == 0
    read = run(daemon, "read", TOPIC)
    assert len(read.stdout.splitlines()) == 499
    assert store_figures(daemon)["unreadable_messages"] >= 1  # each read that meets it


def kill_behind_them(daemon):
    """What is broken in the last group of a log is a torn tail, so one more follows."""
    publish(daemon, "persistent://public/default/behind", b"the last group")
    daemon.kill()


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("at", [0, 250, 499])
def test_a_reader_hears_what_is_damaged(kept, start, tmp_path, workers, at):
    """Wherever it lies, and whichever worker has the topic; a whole topic is no news."""
    kill_behind_them(kept)
    segment = min((tmp_path / "data" / "log").iterdir())
    data = segment.read_bytes()
    begin = data.index(b"message %d" % at)
    daemon = start(f"brokers.local.directory={tmp_path / 'data'}", f"workers.count={workers}",
                   folder=tmp_path / "whole")
    whole = run(daemon, "read", TOPIC, "--json")
    assert (whole.returncode, whole.stderr) == (0, b"")
    assert len(whole.stdout.splitlines()) == 500
    assert daemon.stop() == 0
    data = bytearray(segment.read_bytes())
    data[begin] ^= 1
    segment.write_bytes(data)
    daemon = start(f"brokers.local.directory={tmp_path / 'data'}", f"workers.count={workers}",
                   folder=tmp_path / "damaged")
    for _ in range(4):
        read = run(daemon, "read", TOPIC, "--json")
        assert read.returncode == 65
        assert read.stderr.startswith(b"hulse: passed over 1 damaged in the store")
        lines = [json.loads(line) for line in read.stdout.splitlines()]
        assert [m["payload"] for m in lines[:-1]] == [
            f"message {n}" for n in range(500) if n != at]
        assert lines[-1] == {"lost": 1}


def hurt(folder, pattern, numbers):
    """Flips a bit of each message of the pattern that has one of the numbers."""
    found = 0
    for segment in (folder / "log").iterdir():
        data = bytearray(segment.read_bytes())
        for match in re.finditer(pattern, bytes(data)):
            if int(match[1]) in numbers:
                data[match.start()] ^= 0x80
                found += 1
        segment.write_bytes(data)
    return found


def test_a_reader_hears_of_all_damage(start, tmp_path):
    """Much of it, in each of many reads; the last message is part of it."""
    words = f"brokers.local.directory={tmp_path / 'data'}", "workers.count=4"
    topics, count = ["a", "b"], 10000
    damaged = {*range(50, count, 97), count - 1}
    daemon = start(*words, folder=tmp_path / "whole")
    for topic in topics:
        ok(run(daemon, "pub", topic, input="".join(f"{topic}@{n:06}\n" for n in range(count))))
    kill_behind_them(daemon)
    assert hurt(tmp_path / "data", rb"[ab]@(\d{6})", damaged) == len(topics) * len(damaged)
    daemon = start(*words, folder=tmp_path / "damaged")
    for topic in topics * 2:
        read = run(daemon, "read", topic, "--json")
        assert read.returncode == 65
        lines = [json.loads(line) for line in read.stdout.splitlines()]
        assert [m["payload"] for m in lines[:-1]] == [
            f"{topic}@{n:06}" for n in range(count) if n not in damaged]
        assert lines[-1] == {"lost": len(damaged)}


def test_a_follower_that_is_stopped_tells_of_damage(kept, start, tmp_path):
    kill_behind_them(kept)
    assert hurt(tmp_path / "data", rb"message (\d+)", {250}) == 1
    daemon = start(f"brokers.local.directory={tmp_path / 'data'}")
    with Background(daemon, "read", TOPIC, "--follow") as reader:
        for n in range(500):
            if n != 250:
                assert reader.line() == b"message %d" % n
        reader.signal(signal.SIGINT)
        assert reader.wait() == (b"", 65)
        assert "passed over 1 damaged in the store" in reader.stderr()


def test_a_broker_without_a_store_has_no_figures(start):
    daemon = start("brokers.local.durability=memory")
    assert json.loads(ok(run(daemon, "stats", "--json")))["stores"] == []


def test_a_stopped_store_and_a_flipped_byte(kept, tmp_path):
    kept.stop()
    done = hulsed_store("check", tmp_path / "data")
    assert done.returncode == 0, done
    assert findings(done.stdout)["messages"] == 500
    done = hulsed_store("backup", tmp_path / "data", tmp_path / "copy")
    assert done.returncode == 0, done
    segment = min((tmp_path / "copy" / "log").iterdir())
    data = bytearray(segment.read_bytes())
    data[data.index(b"message 250")] ^= 1
    segment.write_bytes(data)
    done = hulsed_store("check", tmp_path / "copy")
    assert done.returncode == 65
    assert findings(done.stdout)["damaged_records"] == 1
    assert done.stderr == "hulsed: the store is damaged\n"


def test_a_damaged_format(kept, tmp_path):
    """A running backup writes one of its own; a check names it, and changes nothing."""
    path = tmp_path / "data" / "format"
    whole = path.read_bytes()
    damaged = whole.replace(b"segment_bytes", b"segment_bites")
    path.write_bytes(damaged)
    ok(run(kept, "store", "backup", str(tmp_path / "copy")))
    assert (tmp_path / "copy" / "format").read_bytes() == whole
    path.unlink()
    ok(run(kept, "store", "backup", str(tmp_path / "other")))
    assert hulsed_store("check", tmp_path / "other").returncode == 0
    kept.stop()
    path.write_bytes(damaged)
    done = hulsed_store("check", tmp_path / "data")
    assert done.returncode == 65
    found = findings(done.stdout)
    assert (found["format_damaged"], found["messages"]) == (1, 500)
    assert path.read_bytes() == damaged


def test_a_store_that_cannot_be_opened_is_told_by_the_configurations_check(kept, tmp_path):
    def checked():
        return subprocess.run(
            [program("hulsed"), "--check", "--set", f"brokers.local.directory={tmp_path / 'data'}"],
            env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)

    kept.stop()
    assert checked().returncode == 0
    (tmp_path / "data" / "format").write_bytes(b"junk")
    assert checked().returncode == 0
    for segment in (tmp_path / "data" / "log").glob("*.segment"):
        with open(segment, "r+b") as file:
            file.write(bytes(4096))
    done = checked()
    assert done.returncode == 78
    assert "all segments are unreadable" in done.stderr
