# SPDX-License-Identifier: Apache-2.0
"""Goal:   one consumer of several topics, or of those that match a pattern: everything once, verdicts reach the topic they
        are of, whoever dies meanwhile; topics that come and go are noticed at once; each topic's rules hold for it.
Method: an application that does what the test says (application.py), hulsed, the real broker, whose official client
        publishes. A namespace of its own for each test."""

import os

import pytest

from application import Application
from by_hand import eventually
from command import broker_stats, publish as publish_locally

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")

pytestmark = pytest.mark.timeout(300)

QUIET_MS = 1500
PERSISTENT, ALL = 0, 2


@pytest.fixture(name="space")
def namespace(pulsar, topic):
    name = f"public/several-{topic.rpartition('/')[2]}"
    assert pulsar.admin("PUT", f"namespaces/{name}")[0] == 204
    return name


@pytest.fixture(name="begin")
def beginner(begin):
    """begin(broker, topics, roles, members of the broker)"""
    return lambda broker, *, topics=(), roles=None, **members: begin(
        broker, members, topics=list(topics), **({"roles": roles} if roles else {}))


def name_of(space, word):
    return f"persistent://{space}/{word}"


def publish(client, topic, *payloads):
    producer = client.create_producer(topic, block_if_queue_full=True)
    for each in payloads:
        producer.send_async(each.encode(), lambda *_: None)
    producer.flush()
    producer.close()


def divide(broker, topic, count):
    assert broker.admin("PUT", f"{topic.replace('://', '/', 1)}/partitions", count)[0] == 204


def payloads(messages):
    return sorted(m["payload"] for m in messages)


def test_a_list_over_both_brokers(pulsar, official, begin, space):
    """Also one with 97 partitions."""
    ours = f"non-persistent://{space}/ours"
    daemon = begin(pulsar, topics=[{"match": ours, "broker": "local"}])
    plain, parted = name_of(space, "plain"), name_of(space, "parted")
    divide(pulsar, parted, 97)
    with Application(daemon, plain, "s", topics=[parted, ours]) as app:
        publish(official(pulsar.service_url), plain, *(f"plain-{n}" for n in range(50)))
        publish(official(pulsar.service_url), parted, *(f"parted-{n}" for n in range(200)))
        publish_locally(daemon, ours, b"ours-0", b"ours-1")
        got = app.next(252)
        assert len(set(payloads(got))) == 252
        assert {m["topic"] for m in got} == {plain, parted, ours}
        assert all(m["payload"].startswith(m["topic"].rpartition("/")[2]) for m in got)
        app.ack(*range(252))
        assert not app.next(1, QUIET_MS)
        app.close()
    eventually(lambda: pulsar.backlog(plain, "s") == 0)


def test_a_cumulative_acknowledgement_is_of_its_topic(pulsar, official, begin, space):
    daemon = begin(pulsar)
    first, second = name_of(space, "first"), name_of(space, "second")
    with Application(daemon, first, "s", kind="exclusive", topics=[second]) as app:
        for topic in (first, second):
            publish(official(pulsar.service_url), topic, *(str(n) for n in range(10)))
        got = app.next(20)
        last = max(m["number"] for m in got if m["topic"] == first)
        app.ack_cumulative(last)
        app.settle()
        eventually(lambda: pulsar.backlog(first, "s") == 0)
        assert pulsar.backlog(second, "s") == 10
        app.close()
    with Application(daemon, first, "s", kind="exclusive", topics=[second]) as app:
        again = app.next(10)
        assert {m["topic"] for m in again} == {second} and not app.next(1, QUIET_MS)


def test_one_that_cannot_be_opened_fails_the_list(pulsar, begin, space):
    daemon = begin(pulsar, topics=[{"match": name_of(space, "missing"), "publish": {"auto_create": False}}])
    with pytest.raises(AssertionError, match="missing"):
        Application(daemon, name_of(space, "there"), "s", topics=[name_of(space, "missing")])


def test_a_pattern_with_topics_that_come_and_go(pulsar, official, begin, space):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    divide(pulsar, name_of(space, "a-parted"), 3)
    for word in ("a-1", "b", "a-parted"):
        publish(client, name_of(space, word), *(f"{word}-{n}" for n in range(6)))
    with Application(daemon, f"{space}/a-[1-9a-z]+", "s", pattern=PERSISTENT) as app:
        got = app.next(12)
        assert {m["topic"] for m in got} == {name_of(space, "a-1"), name_of(space, "a-parted")}
        assert broker_stats(daemon)["topic_watchers"] == 1
        # Later ones, from their beginning, long before a list would be asked for.
        publish(client, name_of(space, "a-2"), "new-0", "new-1")
        assert payloads(app.next(2)) == ["new-0", "new-1"]
        app.ack(*range(14))
        app.settle()
        assert pulsar.admin("DELETE", f"persistent/{space}/a-1?force=true")[0] == 204
        eventually(lambda: daemon.lines("consumer.pattern", topics=2) or
                   daemon.lines("consumer.topic_ended"))
        publish(client, name_of(space, "a-2"), "after")
        assert payloads(app.next(1)) == ["after"]
        publish(client, name_of(space, "a-1"), "back")
        assert payloads(app.next(1)) == ["back"]
        assert not app.next(1, QUIET_MS)


def test_polling_where_no_topic_is_told(pulsar, official, begin, space):
    """Brokers tell nothing of topics that are not persistent."""
    daemon = begin(pulsar, topics_refresh="1s")
    client = official(pulsar.service_url)
    with Application(daemon, f"{space}/a.*", "s", pattern=ALL) as app:
        publish(client, name_of(space, "a-1"), "kept")
        assert payloads(app.next(1)) == ["kept"]
        assert broker_stats(daemon)["topic_watchers"] == 0


@pytest.mark.ends_broker
def test_the_broker_dies(pulsar, official, begin, space):
    daemon = begin(pulsar)
    for word in ("a-1", "a-2"):
        publish(official(pulsar.service_url), name_of(space, word), word)
    with Application(daemon, f"{space}/a.*", "s", pattern=PERSISTENT) as app:
        assert payloads(app.next(2)) == ["a-1", "a-2"]
        app.ack(0, 1)
        app.settle()
        pulsar.kill()
        pulsar.start()
        client = official(pulsar.service_url)
        publish(client, name_of(space, "a-1"), "again-1")
        publish(client, name_of(space, "a-3"), "new")
        # A broker that is killed forgets what it was told last.
        expected, found = {"again-1", "new"}, set()
        while not expected <= found:
            got = app.next(1, 60000)
            assert got, found
            found.add(got[0]["payload"])
        assert found <= expected | {"a-1", "a-2"}


def test_the_daemon_dies(pulsar, official, begin, space):
    """What the application holds it holds, and its verdicts find the topic in the next daemon."""
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    words = [f"a-{n}" for n in range(40)]
    for word in words:
        publish(client, name_of(space, word), f"{word} one", f"{word} two")
    with Application(daemon, f"{space}/a.*", "s", pattern=PERSISTENT) as app:
        got = app.next(80)
        assert len(set(payloads(got))) == 80
        daemon.kill()
        done = [m["number"] for m in got if m["payload"].endswith("one")]
        app.ack(*done[:20], settle=False)  # by their ids: no daemon is there
        publish(client, name_of(space, "a-99"), "meanwhile")
        daemon = begin(pulsar)
        assert payloads(app.next(1, 60000)) == ["meanwhile"]
        app.ack(*done[20:])
        app.ack(80)
        app.settle()
        assert not app.next(1, QUIET_MS)
        for word in words:
            eventually(lambda word=word: pulsar.backlog(name_of(space, word), "s") == 1)
        app.kill()
    with Application(daemon, f"{space}/a.*", "s", pattern=PERSISTENT) as app:
        again = app.next(40)
        assert payloads(again) == sorted(f"{word} two" for word in words)
        assert not app.next(1, QUIET_MS)


def test_what_may_not_be_consumed_is_passed_over(pulsar, official, begin, space):
    daemon = begin(pulsar, roles={"all": {
        "uids": [os.getuid()],
        "consume": [name_of(space, "a-*")], "produce": ["**"]}})
    client = official(pulsar.service_url)
    for word in ("a-1", "secret"):
        publish(client, name_of(space, word), word)
    with Application(daemon, f"{space}/.*", "s", pattern=PERSISTENT) as app:
        assert payloads(app.next(1)) == ["a-1"]
        assert not app.next(1, QUIET_MS)
        assert daemon.lines("consumer.pattern", topics=1, denied=1)


def test_more_than_there_may_be(pulsar, official, begin, space):
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    for n in range(6):
        publish(client, name_of(space, f"a-{n}"), f"a-{n}")
    with Application(daemon, f"{space}/.*", "s", pattern=PERSISTENT, topics_max=4) as app:
        assert len(app.next(4)) == 4
        assert not app.next(1, QUIET_MS)
        assert daemon.lines("consumer.pattern", topics=4, over_limit=2)


def test_all_of_them_seek(pulsar, official, begin, space):
    daemon = begin(pulsar)
    first, second = name_of(space, "first"), name_of(space, "second")
    with Application(daemon, first, "s", topics=[second]) as app:
        for topic in (first, second):
            publish(official(pulsar.service_url), topic, "x", "y")
        app.ack(*(m["number"] for m in app.next(4)))
        app.seek("earliest")
        assert payloads(app.next(4, 30000)) == ["x", "x", "y", "y"]


def test_a_pattern_where_topics_are_looked_up_over_http(pulsar, official, begin, space):
    """The broker that would have a topic of the namespace is asked; no topic is made by that."""
    daemon = begin(pulsar, service_url=pulsar.admin_url)
    client = official(pulsar.service_url)
    publish(client, name_of(space, "a-1"), "one")
    with Application(daemon, f"{space}/.*", "s", pattern=PERSISTENT) as app:
        assert payloads(app.next(1)) == ["one"]
        publish(client, name_of(space, "a-2"), "two")
        assert payloads(app.next(1)) == ["two"]
    status, names = pulsar.admin("GET", f"persistent/{space}")
    assert status == 200 and sorted(names) == [name_of(space, "a-1"), name_of(space, "a-2")]
