# SPDX-License-Identifier: Apache-2.0
"""Goal:   an operator looks at the subscriptions of the embedded engine, empties and deletes them.
Method: the command against a daemon with publishers and consumers, on topics in memory and on disk."""

import json
import subprocess

import pytest

from command import Subscriber, environment, new_topic, ok, program, publish, run


def told(daemon, *words):
    return json.loads(ok(run(daemon, "subs", *words, "--json")))


@pytest.mark.smoke
@pytest.mark.parametrize("domain", ["persistent", "non-persistent"])
def test_look_empty_delete(daemon, domain):
    topic = new_topic("subs").replace("non-persistent", domain)
    with Subscriber(daemon, topic, "-s", "mine", "-t", "shared", "--no-ack") as sub:
        publish(daemon, topic, b"one")
        assert sub.line() == b"one"
        assert told(daemon, "list", topic) == \
            {"topic": topic, "broker": "local", "subscriptions": ["mine"]}
        (mine,) = told(daemon, "stats", topic, "mine")["subscriptions"]
        assert (mine["name"], mine["type"], mine["consumers"], mine["backlog"]) == \
            ("mine", "shared", 1, 1)
        assert told(daemon, "stats", topic)["subscriptions"][0]["name"] == "mine"
        refused = run(daemon, "subs", "delete", topic, "mine")
        assert (refused.returncode, refused.stderr) == (69, b"hulse: the subscription has consumers\n")
    publish(daemon, topic, b"two", b"three")
    assert told(daemon, "skip", topic, "mine", "-n", "all") == \
        {"topic": topic, "broker": "local", "subscription": "mine"}
    (mine,) = told(daemon, "stats", topic, "mine")["subscriptions"]
    assert mine["backlog"] == 0
    if domain == "persistent":  # the others keep nothing for who is not there
        publish(daemon, topic, b"four")
        assert ok(run(daemon, "sub", topic, "-s", "mine", "-n", 1)) == b"four\n"
    ok(run(daemon, "subs", "delete", topic, "mine", "--force"))
    assert told(daemon, "list", topic)["subscriptions"] == []
    for words in (("stats", topic, "mine"), ("delete", topic, "mine"),
                  ("skip", topic, "mine", "-n", "all")):
        gone = run(daemon, "subs", *words)
        assert (gone.returncode, gone.stderr) == \
            (65, b"hulse: the topic has no subscription of this name\n")
    assert len(daemon.await_lines("subscription.deleted", topic=topic)) == 1


@pytest.mark.parametrize("arguments, code, words", [
    ([], 64, "list, stats, seek, skip or delete"),
    (["burn"], 64, "list, stats, seek, skip or delete"),
    (["list"], 64, "a topic is expected"),
    (["skip", "t"], 64, "a topic and a subscription"),
    (["list", "t", "s"], 64, "a topic is expected"),
    (["skip", "t", "s"], 64, "how many?"),
    (["skip", "t", "s", "-n", "0"], 64, "all, or a number"),
    (["seek", "t", "s"], 64, "where to?"),
    (["seek", "t", "s", "--to", "there"], 64, "not earliest"),
    (["list", "t", "--force"], 64, "--force is not for it"),
    (["delete", "t", "s", "-n", "3"], 64, "--count is not for it"),
    (["stats", "t", b"\xff"], 64, "not UTF-8"),
    (["list", "no-such-topic"], 65, "does not exist"),
    (["seek", "t", "s", "--to", "latest"], 69, "cannot be sent elsewhere"),
    (["skip", "t", "s", "-n", "3"], 69, "all that waits"),
    (["delete", "t", "s" * 2000], 64, "at most 1023 bytes"),
])
def test_bad_words(daemon, arguments, code, words):
    result = subprocess.run([program(), "subs", *arguments], capture_output=True, check=False,
                            timeout=30, env=environment(daemon))
    assert result.returncode == code, result.stderr
    assert words in result.stderr.decode(errors="replace")
