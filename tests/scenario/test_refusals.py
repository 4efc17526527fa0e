# SPDX-License-Identifier: Apache-2.0
"""Goal:   whatever goes wrong has its exit code, a text that says what to do, and nothing on standard
        output.
Method: one wrong thing per test."""

import json
import os
import pathlib
import resource
import subprocess
import tempfile

import pytest

from command import Subscriber, environment, new_topic, program, publish, run

NOBODY = 65534

SOME_TOPIC = "non-persistent://public/default/refusals"


@pytest.mark.smoke
@pytest.mark.parametrize("args", [
    ("pub", SOME_TOPIC, "x"),
    ("sub", SOME_TOPIC, "-s", "s"),
    ("read", SOME_TOPIC),
    ("topics", "list"),
    ("stats",),
    ("health",),
    ("drain",),
])
def test_no_daemon_is_69(tmp_path, args):
    class Nobody:
        socket = tmp_path / "hulse.sock"
        admin_socket = tmp_path / "admin.sock"

    result = run(Nobody, *args)
    assert result.returncode == 69
    assert result.stdout == b""
    assert b"start `hulsed`" in result.stderr


@pytest.mark.parametrize("args", [
    (),
    ("nonsense",),
    ("--nonsense", "pub"),
    ("pub",),
    ("pub", SOME_TOPIC, "--rate", "fast"),
    ("pub", SOME_TOPIC, "--repeat", "0"),
    ("pub", SOME_TOPIC, "-p", "novalue", "x"),
    ("pub", SOME_TOPIC, "--wait", "never", "x"),
    ("pub", SOME_TOPIC, "-v", "--wait", "accepted", "x"),
    ("pub", SOME_TOPIC, "--partition", "-1", "x"),
    ("pub", SOME_TOPIC, "--file", "/dev/null", "x"),
    ("pub", SOME_TOPIC, "--timeout", "later", "x"),
    ("pub", "non-persistent://public/default/t", "--delay", "5s", "x"),
    ("sub", SOME_TOPIC),
    ("sub", "-s", "s"),
    ("sub", SOME_TOPIC, "-s", "s", "-t", "private"),
    ("sub", SOME_TOPIC, "-s", "s", "-n", "0"),
    ("sub", SOME_TOPIC, "-s", "s", "--format", "xml"),
    ("sub", SOME_TOPIC, "-s", "s", "--from", "1:2:3:4:5"),
    ("sub", *["a"] * 17, "-s", "s", "--regex"),
    ("sub", SOME_TOPIC, "-s", "s", "--filter", "key == 'a'"),
    ("read",),
    ("topics",),
    ("topics", "burn", SOME_TOPIC),
    ("stats", "more"),
    ("drain", "now"),
    ("drain", "--wait", "soon"),
    ("drain", "--wait"),
    ("help", "nonsense"),
])
def test_usage_is_64_with_a_hint(args):
    result = run(None, *args)
    assert result.returncode == 64
    assert result.stdout == b""
    assert result.stderr.startswith(b"hulse: ")
    assert b"`hulse help" in result.stderr


def test_what_this_version_cannot_do_is_said(daemon):
    result = run(daemon, "sub", SOME_TOPIC, "-s", "s", "--filter", "size > 1")
    assert b"not in this version" in result.stderr
    for word in ("failover", "key_shared"):
        result = run(daemon, "sub", SOME_TOPIC, "-s", "s", "-t", word)
        assert result.returncode == 69 and b"local broker" in result.stderr
    result = run(daemon, "pub", SOME_TOPIC, "--delay", "5s", "x")
    assert result.returncode == 64 and b"keeps no message" in result.stderr
    line = run(daemon, "pub", SOME_TOPIC, "--json-lines", "-v",
               input='{"payload":1,"deliver_after_ms":5}\n{"payload":2}\n')
    assert line.returncode == 1 and b"cannot do what it asks for" in line.stderr
    assert b"published 1, failed 1" in line.stderr


@pytest.mark.parametrize("topic", [
    "non-persistent://public/default",
    "non-persistent://public//name",
    "strange://public/default/name",
    "a/b",
    "",
])
def test_a_bad_topic_name_is_64(daemon, topic):
    for args in (("pub", topic, "x"), ("sub", topic, "-s", "s", "-n", "1")):
        result = run(daemon, *args)
        assert result.returncode == 64, result.stderr
        assert result.stdout == b""


def test_the_hint_of_a_bad_name_is_a_name_that_works(daemon):
    for topic in ("a/b", "strange://public/default/name"):
        errors = run(daemon, "pub", topic, "x").stderr.decode()
        hint = errors.splitlines()[1]
        assert "persistent://TENANT/NAMESPACE/NAME" in hint


def test_partition_0_of_a_topic_in_memory_is_all_of_it(daemon):
    topic = new_topic()
    with Subscriber(daemon, topic, "-s", "s", "-n", "1", "--timeout", "60s") as sub:
        assert run(daemon, "pub", topic, "--partition", "0", "x").returncode == 0
        assert sub.wait() == (b"x\n", 0)


def test_without_a_store_a_persistent_topic_is_refused(start):
    daemon = start("brokers.local.durability=memory")
    for args in (("pub", "orders", "x"), ("sub", "orders", "-s", "s", "-n", "1")):
        result = run(daemon, *args)
        assert result.returncode == 65
        assert b"brokers.local.durability: disk" in result.stderr


def test_what_this_version_cannot_do_on_disk_is_refused(daemon):
    delayed = run(daemon, "pub", "orders", "--delay", "5s", "x")
    assert delayed.returncode == 1
    assert b"cannot do what it asks for" in delayed.stderr
    counts = json.loads(run(daemon, "topics", "stats", "orders", "--json").stdout)
    assert counts["refused"]["unsupported"] == 1 and counts["published"] == 0
    elsewhere = run(daemon, "pub", "orders", "-v", "--partition", "2", "x")
    assert elsewhere.returncode == 1 and b"cannot do what it asks for" in elsewhere.stderr


def test_a_message_that_is_too_large_fails_and_the_others_go_on(daemon):
    topic = new_topic()
    large = b"x" * (5 * 1024 * 1024 + 1)
    with Subscriber(daemon, topic, "-s", "s", "-n", "2", "--timeout", "60s") as sub:
        result = run(daemon, "pub", topic, input=b"before\n" + large + b"\nbehind\n", timeout=60)
        assert sub.wait() == (b"before\nbehind\n", 0)
    assert result.returncode == 1
    assert b"line 2: too large" in result.stderr
    assert result.stderr.splitlines()[-1] == b"published 2, failed 1"


def test_the_largest_message_goes_through(daemon):
    topic = new_topic()
    largest = b"x" * (5 * 1024 * 1024)
    with Subscriber(daemon, topic, "-s", "s", "-n", "1", "--timeout", "60s") as sub:
        publish(daemon, topic, largest)
        assert sub.wait() == (largest + b"\n", 0)
    alone = run(daemon, "pub", topic, "--file", "-", input=largest + b"x", timeout=60)
    assert alone.returncode == 65 and b"too large" in alone.stderr


def test_a_file_that_is_not_there_is_74(daemon):
    result = run(daemon, "pub", SOME_TOPIC, "--file", "/nonexistent/file")
    assert result.returncode == 74 and b"/nonexistent/file" in result.stderr
    assert run(daemon, "pub", SOME_TOPIC, "--file", "/").returncode == 74


def test_standard_output_that_cannot_be_written_is_74(daemon):
    with open("/dev/full", "wb") as full:
        for args in (("stats",), ("help",), ("pub", SOME_TOPIC, "-v", "x")):
            result = subprocess.run([program(), *args], stdin=subprocess.DEVNULL, stdout=full,
                                    stderr=subprocess.PIPE, check=False, timeout=30,
                                    env=environment(daemon))
            assert result.returncode == 74
            assert b"No space left" in result.stderr


def test_a_command_that_is_out_of_descriptors_is_told_whose_limit_it_is(daemon):
    """Wherever it runs out of them: the daemon has enough."""
    met = set()
    for count in range(4, 32):
        result = run(daemon, "pub", SOME_TOPIC, "x", preexec_fn=lambda count=count:
                     resource.setrlimit(resource.RLIMIT_NOFILE, (count, count)))
        if result.returncode == 0:
            break
        if b"error while loading" in result.stderr:
            continue
        assert result.returncode == 69, result.stderr
        assert b"this process is out of descriptors" in result.stderr
        assert b"`ulimit -n`" in result.stderr and b"the daemon's limit" not in result.stderr
        met.add(result.stderr)
    assert result.returncode == 0
    assert len(met) >= 2, met


def as_nobody(daemon, *args):
    return run(daemon, *args, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a command as another user")
def test_another_user_has_no_permission(start):
    # pytest's own temporary folders are closed to others.
    with tempfile.TemporaryDirectory(prefix="hulse-") as folder:
        os.chmod(folder, 0o755)
        try:
            as_nobody(None, "version")
        except PermissionError:
            pytest.skip(f"another user cannot run {program()}")
        daemon = start("listen.mode=0666", folder=pathlib.Path(folder) / "open")
        for args in (("pub", SOME_TOPIC, "x"), ("sub", SOME_TOPIC, "-s", "s", "-n", "1"),
                     ("stats",)):
            result = as_nobody(daemon, *args)
            assert (result.returncode, result.stdout) == (77, b""), result.stderr
            assert b"run the command as that user" in result.stderr
        # The same with the default mode of the socket: the system refuses.
        daemon = start(folder=pathlib.Path(folder) / "closed")
        assert as_nobody(daemon, "pub", SOME_TOPIC, "x").returncode == 77
