# SPDX-License-Identifier: Apache-2.0
"""Goal:   hulse-bench runs in every mode, its JSON has the promised members, and what makes no sense
        is refused.
Method: tiny counts; no figure of speed is looked at."""

import json
import subprocess

import pytest

from conftest import clean_environment, program

MEMBERS = set("""mode size publishers consumers seconds sent stored received lost duplicates
    out_of_order rate rate_min rate_max publish_ns receipt_us end_to_end_us cpu_us_per_message pss_mb
    rss_mb syscalls_per_message ping_pong_ns host version""".split())
SMALL = ("--count", "5000", "--warmup", "10ms", "--no-syscalls")


def bench(*args):
    return subprocess.run([program("hulse-bench"), *args], env=clean_environment(),
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=100, check=False)


def figures(*args):
    result = bench(*args, "--json")
    assert result.returncode == 0, result.stderr.decode()
    out = json.loads(result.stdout.splitlines()[-1])
    assert out["lost"] == out["duplicates"] == out["out_of_order"] == 0
    return out


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
    ("tune", "--count", "5"),
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
