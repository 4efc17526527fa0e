# SPDX-License-Identifier: Apache-2.0
"""Goal:   an operator makes, looks at and deletes a topic while others use it.
Method: the command against a daemon with publishers and consumers."""

import json
import subprocess

import pytest

from command import Subscriber, environment, new_topic, ok, program, publish, run


def topic_stats(daemon, topic):
    return json.loads(ok(run(daemon, "topics", "stats", topic, "--json")))


def listed(daemon, topic):
    return topic in ok(run(daemon, "topics", "list")).decode().split()


@pytest.mark.smoke
def test_create_look_delete(daemon):
    topic = new_topic("made")
    text = ok(run(daemon, "topics", "create", topic)).decode()
    assert ["topic", topic] in [line.split() for line in text.splitlines()]
    assert listed(daemon, topic)
    again = run(daemon, "topics", "create", topic)
    assert again.returncode == 69
    assert again.stderr.decode() == "hulse: the topic exists\n"
    answer = topic_stats(daemon, topic)
    assert (answer["topic"], answer["broker"]) == (topic, "local")
    assert (answer["published"], answer["backlog"], answer["subscriptions"]) == (0, 0, [])
    assert json.loads(ok(run(daemon, "topics", "delete", topic, "--json"))) == \
        {"topic": topic, "broker": "local"}
    assert not listed(daemon, topic)
    gone = run(daemon, "topics", "delete", topic)
    assert (gone.returncode, gone.stderr.decode()) == (65, "hulse: the topic does not exist\n")
    assert run(daemon, "topics", "stats", topic).returncode == 65


def test_stats_count_what_happened(daemon):
    topic = new_topic("counted")
    with Subscriber(daemon, topic, "-s", "mine") as sub:
        publish(daemon, topic, b"one", b"two")
        assert sub.line() == b"one"
        assert sub.line() == b"two"
        answer = topic_stats(daemon, topic)
        assert answer["published"] == 2
        assert answer["published_bytes"] == 6
        assert answer["delivered"] == 2
        assert answer["consumers"] == 1
        assert not answer["terminated"]
        (mine,) = answer["subscriptions"]
        assert (mine["name"], mine["type"], mine["consumers"]) == ("mine", "shared", 1)
        assert set(answer["refused"].values()) == {0}
        text = ok(run(daemon, "topics", "stats", topic)).decode()
        assert ["published", "2"] in [line.split() for line in text.splitlines()]


def test_a_topic_in_use_is_deleted_by_force_only(daemon):
    topic = new_topic("used")
    with Subscriber(daemon, topic, "-s", "s", "--timeout", "60s") as sub:
        publish(daemon, topic, b"x")
        assert sub.line() == b"x"
        refused = run(daemon, "topics", "delete", topic)
        assert refused.returncode == 69
        assert "have the topic open" in refused.stderr.decode()
        publish(daemon, topic, b"y")
        assert sub.line() == b"y"
        ok(run(daemon, "topics", "delete", topic, "--force"))
        assert sub.wait()[1] == 65, sub.stderr()
        assert "the topic was deleted" in sub.stderr()
    # The name is free, and a topic of it has nothing of the old one.
    publish(daemon, topic, b"z")
    assert topic_stats(daemon, topic)["published"] == 1
    assert len(daemon.await_lines("topic.deleted", topic=topic)) == 1


def test_unknown_topics_only_by_order(configured):
    topic = new_topic("ordered")
    c = configured(json.dumps({"topics": [{"match": topic, "publish": {"auto_create": False}}]}))
    for command in (["pub", topic, "x"], ["sub", topic, "-s", "s", "-n", "1"]):
        result = run(c.daemon, *command)
        assert result.returncode == 65, result.stderr
    assert not listed(c.daemon, topic)
    ok(run(c.daemon, "topics", "create", topic))
    ok(run(c.daemon, "pub", topic, "x"))
    assert topic_stats(c.daemon, topic)["published"] == 1
    assert c.daemon.stop() == 0


def test_stats_tell_what_was_refused(configured):
    topic = new_topic("refused")
    c = configured(json.dumps({"topics": [{"match": topic, "publish": {"rate": {"messages": 5}}}]}))
    result = run(c.daemon, "pub", topic, "-v", *[str(i) for i in range(500)])
    assert result.returncode == 1
    answer = topic_stats(c.daemon, topic)
    assert answer["refused"]["topic_rate"] + answer["published"] == 500
    assert answer["refused"]["topic_rate"] > 0
    assert c.daemon.stop() == 0


def test_a_broker_without_figures_tells_what_the_daemon_knows(start):
    daemon = start("default_broker=null")
    topic = new_topic("nothing")
    nothing = run(daemon, "topics", "stats", topic)
    assert nothing.returncode == 69
    assert "does not tell figures of topics" in nothing.stderr.decode()
    ok(run(daemon, "pub", topic, "x"))
    answer = topic_stats(daemon, topic)
    assert list(answer) == ["topic", "broker", "refused", "missing"]
    assert "does not tell figures of topics" in answer["missing"]
    assert answer["broker"] == "null"
    create = run(daemon, "topics", "create", topic)
    assert create.returncode == 69
    assert "does not create, delete or list topics" in create.stderr.decode()


def test_short_names_are_completed(start):
    daemon = start("default_namespace=acme/orders")
    answer = json.loads(ok(run(daemon, "topics", "create", "short", "--json")))
    assert answer["topic"] == "persistent://acme/orders/short"
    answer = json.loads(ok(run(daemon, "topics", "create", "non-persistent://a/b/c", "--json")))
    assert answer["topic"] == "non-persistent://a/b/c"


@pytest.mark.parametrize("arguments, code, words", [
    ([], 64, "what about them?"),
    (["burn"], 64, "list, create, delete, stats or unload"),
    (["create"], 64, "which topic?"),
    (["delete", "--force"], 64, "which topic?"),
    (["stats", "a", "b"], 64, "one name at a time"),
    (["create", "x", "--force"], 64, "--force is not for it"),
    (["stats", "x", "--partitions", "3"], 64, "--partitions is not for it"),
    (["create", "x", "--partitions", "10001"], 64, "not a number from 0 to 10000"),
    (["create", "x", "--partitions", "two"], 64, "not a number from 0 to 10000"),
    (["create", "kafka://a/b/c"], 64, ""),
    (["create", ""], 64, "a name is expected"),
    (["create", b"\xff"], 64, "not UTF-8"),
    (["list", b"a/\xff"], 64, "not UTF-8"),
    (["create", "non-persistent://a/b/c", "--partitions", "2"], 69, "no partitions"),
    (["create", "n" * 2000], 64, "at most 1087 bytes"),
])
def test_bad_words(daemon, arguments, code, words):
    result = subprocess.run([program(), "topics", *arguments], capture_output=True, check=False,
                            timeout=30, env=environment(daemon))
    assert result.returncode == code, result.stderr
    assert words in result.stderr.decode(errors="replace")
