# SPDX-License-Identifier: Apache-2.0
"""Goal:   hulse-bench runs in every mode, its JSON has the promised members, and what makes no sense
        is refused.
Method: tiny counts; no figure of speed is looked at."""

import json
import pathlib
import subprocess

import pytest

from conftest import clean_environment, program

MEMBERS = set("""mode size publishers consumers seconds sent stored received lost duplicates
    out_of_order rate rate_min rate_max publish_ns receipt_us end_to_end_us cpu_us_per_message pss_mb
    rss_mb syscalls_per_message ping_pong_ns host version""".split())
SMALL = ("--count", "5000", "--warmup", "10ms", "--no-syscalls")
MEMORY = pathlib.Path("/dev/shm")


def bench(*args):
    return subprocess.run([program("hulse-bench"), *args], env=clean_environment(),
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=100, check=False)


def figures(*args):
    result = bench(*args, "--json")
    assert result.returncode == 0, result.stderr.decode()
    out = json.loads(result.stdout.splitlines()[-1])
    assert out["lost"] == out["duplicates"] == out["out_of_order"] == 0
    return out


@pytest.fixture
def disk(tmp_path):
    """Options for a log on a disk; nothing of it is left."""
    if bench("sync", "--count", "1", "--warmup", "0", "--no-syscalls", "--directory",
             str(tmp_path)).returncode == 64:
        pytest.skip("no disk below the folder of this test")
    yield ("--directory", str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("args", [
    ("ring", "--count", "5000", "--warmup", "10ms"),
    ("ring", "--count", "500", "--warmup", "0", "--window", "1", "--size", "1KiB"),
    ("null", *SMALL, "--idle", "50ms"),
    ("null", *SMALL, "--idle", "0", "--window", "1", "--size", "1000"),
    ("null", *SMALL, "--idle", "0", "--wait", "accepted", "--publishers", "2", "--keys", "7"),
    ("null", *SMALL, "--idle", "0", "--beside", "garbage"),
    ("local", *SMALL),
    ("local", *SMALL, "--wait", "stored", "--publishers", "2", "--consumers", "2", "--topics", "2"),
    ("local", *SMALL, "--publishers", "2", "--consumers", "3"),
], ids=" ".join)
def test_modes(args):
    out = figures(*args)
    assert MEMBERS <= set(out)
    assert out["mode"] == args[0]
    count = int(args[args.index("--count") + 1])
    assert out["measured"] == count
    assert out["sent"] >= count
    for members in ("stored", "received"):
        assert out[members] in (None, out["sent"])
    assert (out["received"] is None) == (args[0] == "null")


@pytest.mark.parametrize("args", [
    ("durable", *SMALL),
    ("durable", *SMALL, "--size", "128", "--consumers", "1"),
    ("durable", *SMALL, "--publishers", "2", "--consumers", "3", "--window", "100"),
    ("durable", *SMALL, "--publishers", "2", "--consumers", "2", "--topics", "2", "--keys", "5"),
    ("sync", "--count", "100", "--warmup", "10ms", "--no-syscalls"),
], ids=" ".join)
def test_modes_with_a_disk(args, disk):
    out = figures(*args, *disk)
    assert MEMBERS <= set(out)
    assert out["measured"] == int(args[args.index("--count") + 1])
    assert out["stored"] == out["sent"]
    consumers = args[args.index("--consumers") + 1] if "--consumers" in args else "0"
    assert out["consumers"] == int(consumers)
    assert out["received"] == (out["sent"] if consumers != "0" else None)
    assert out["disk"]["filesystem"] and out["disk"]["fdatasync_us"]["p50"] > 0
    if args[0] == "sync":
        assert out["goal_us"] == pytest.approx(out["disk"]["fdatasync_us"]["p50"] +
                                               4 * out["park_us"])
        assert out["goal_ratio"] == pytest.approx(out["receipt_us"]["p50"] / out["goal_us"])


@pytest.mark.parametrize("args", [(), ("--kill",), ("--size", "128", "--repeat", "2")], ids=" ".join)
def test_a_restarted_daemon_gives_everything_back(args, disk):
    out = figures("restart", "--count", "3000", *args, *disk)
    assert out["sent"] == out["stored"] == out["received"] == 3000
    assert out["kill"] == ("--kill" in args)
    assert out["restart_ms"] > 0 and out["backlog_rate"] > 0


def test_a_publisher_outlives_its_daemons(disk):
    out = figures("resume", "--kills", "3", *disk)
    assert out["sent"] == out["stored"] == out["received"] > 0
    assert out["kills"] == 3
    for what in ("start_ms", "outage_ms", "resume_ms"):
        assert out[what]["p50"] > 0


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no /dev/shm")
def test_a_log_in_memory_is_refused():
    result = bench("durable", *SMALL, "--directory", str(MEMORY))
    assert result.returncode == 64
    assert b"in memory" in result.stderr


def test_a_directory_that_is_not_there_is_74():
    result = bench("durable", *SMALL, "--directory", "/no/such/directory")
    assert result.returncode == 74
    assert b"/no/such/directory" in result.stderr


def test_repeats_are_medians():
    out = figures("ring", "--count", "2000", "--warmup", "0", "--repeat", "3")
    assert out["rate_min"] <= out["rate"] <= out["rate_max"]


def test_people_get_a_table_and_histograms():
    result = bench("ring", "--count", "20000", "--warmup", "0")
    assert result.returncode == 0
    text = result.stdout.decode()
    assert "msg/s" in text
    assert "end to end," in text and "#" in text


@pytest.mark.parametrize("args", [
    (),
    ("pulsar",),
    ("ring", "--publishers", "2"),
    ("ring", "--set", "x=1"),
    ("null", "--consumers", "1"),
    ("null", "--transport", "http"),
    ("null", "--size", "8"),
    ("null", "--ring-size", "100000"),
    ("null", "--count"),
    ("null", "--count", "many"),
    ("null", "--service-url", "pulsar://127.0.0.1"),
    ("null", "--topics", "2"),
    ("local", "--window", "1000000"),
    ("local", "--socket", "/tmp/none", "--set", "x=1"),
    ("local", "--consumers", "0"),
    ("tune", "--count", "5"),
    ("null", "--directory", "."),
    ("durable", "--wait", "accepted"),
    ("durable", "--topics", "2", "--publishers", "2", "--consumers", "1"),
    ("durable", "--socket", "/tmp/none"),
    ("sync", "--publishers", "2"),
    ("restart", "--window", "5"),
    ("restart", "--kills", "5"),
    ("resume", "--count", "5"),
    ("resume", "--kill"),
    ("null", "extra"),
], ids=" ".join)
def test_what_makes_no_sense_is_64(args):
    result = bench(*args)
    assert result.returncode == 64
    assert result.stdout == b""
    assert b"hulse-bench" in result.stderr


def test_no_daemon_is_69(tmp_path):
    result = bench("null", "--socket", str(tmp_path / "none.sock"))
    assert result.returncode == 69
    assert b"no daemon" in result.stderr


def test_a_daemon_that_refuses_its_flags_is_69():
    result = bench("null", "--set", "no.such.key=1")
    assert result.returncode == 69
    assert b"no.such.key" in result.stderr


def test_somebody_elses_daemon(daemon):
    out = figures("local", *SMALL, "--socket", str(daemon.socket))
    assert out["received"] == out["sent"]
    assert out["ready_ms"] is None
    assert out["pss_mb"]["daemon"] is None
