# SPDX-License-Identifier: Apache-2.0
"""Goal:   what an application wants of its subscription the broker has; what the broker has noted of a message, and has to say
        of a topic and a subscription, the application hears.
Method: an application that does what the test says (application.py), or the command; hulsed; real brokers, one of which notes
        when it stores what."""

import json

import pytest

from application import Application
from by_hand import eventually
from command import Background, ok, run, stats

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above

pytestmark = pytest.mark.timeout(300)

COUNT = 20
BATCHES = {"single": {"batching_enabled": False},
           "batched": {"batching_enabled": True, "batching_max_publish_delay_ms": 1000,
                       "batching_max_messages": 7}}
KINDS = ["exclusive", "shared", "failover", "key_shared"]


@pytest.fixture(scope="module")
def noting_broker(new_broker):
    with new_broker("entry_metadata") as broker:
        yield broker


def path_of(topic):
    return topic.replace("://", "/", 1)


def publish(client, topic, numbers, **options):
    producer = client.create_producer(topic, block_if_queue_full=True, **options)
    for n in numbers:
        producer.send_async(b"%d" % n, lambda *_: None, partition_key=str(n))
    producer.flush()
    producer.close()


def subscription_of(broker, topic, name="s"):
    return broker.admin("GET", f"{path_of(topic)}/stats")[1]["subscriptions"].get(name)


def objects(output):
    return [json.loads(line) for line in output.splitlines()]


# ---- what the broker notes of a message ----------------------------------------------------------


@pytest.mark.parametrize("batch", BATCHES)
def test_number_and_time_of_a_message(noting_broker, official, begin, topic, batch):
    daemon = begin(noting_broker)
    publish(official(noting_broker.service_url), topic, range(COUNT), **BATCHES[batch])
    got = objects(ok(run(daemon, "read", topic, "--json", "--timeout", "30s")))
    assert [(m["payload"], m["index"]) for m in got] == [(str(n), n) for n in range(COUNT)]
    assert all(m["broker_time_ms"] >= m["publish_time_ms"] for m in got)
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest", "--json") as sub:
        assert [json.loads(sub.line())["index"] for _ in range(COUNT)] == list(range(COUNT))


def test_each_partition_counts_its_own(noting_broker, official, begin, topic):
    daemon = begin(noting_broker)
    assert noting_broker.admin("PUT", f"{path_of(topic)}/partitions", 3)[0] == 204
    publish(official(noting_broker.service_url), topic, range(COUNT), **BATCHES["batched"])
    parts = {}
    for m in objects(ok(run(daemon, "read", topic, "--json", "--timeout", "30s"))):
        parts.setdefault(m["id"].split(":")[2], []).append(m["index"])
    assert len(parts) == 3
    assert all(indexes == list(range(len(indexes))) for indexes in parts.values())


def test_a_broker_that_notes_nothing_says_nothing(pulsar, official, begin, topic):
    daemon = begin(pulsar)
    publish(official(pulsar.service_url), topic, range(3), **BATCHES["single"])
    for m in objects(ok(run(daemon, "read", topic, "--json", "--timeout", "30s"))):
        assert "index" not in m and "broker_time_ms" not in m


# ---- what the broker is told ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_properties_are_seen_at_the_broker_and_again_after_the_daemons_death(pulsar, begin, topic, kind):
    daemon = begin(pulsar)
    more = [["property", "where", "here ü"], ["subscription_property", "filter", "a=1"],
            ["subscription_property", "empty", ""]]
    with Application(daemon, topic, "s", kind, more=more) as app:
        def seen():
            stats = subscription_of(pulsar, topic)
            return stats["subscriptionProperties"], [c["metadata"] for c in stats["consumers"]]

        wanted = ({"filter": "a=1", "empty": ""}, [{"where": "here ü"}])
        assert seen() == wanted
        daemon.kill()
        eventually(lambda: seen()[1] == [], 30)
        begin(pulsar)
        app.next(1, 100)
        eventually(lambda: (app.next(1, 100), seen() == wanted)[1], 30)


@pytest.mark.parametrize("how", ["option", "rule"])
def test_a_replicated_subscription(pulsar, begin, topic, how):
    rule = {"match": "**", "consume": {"replicate_subscription_state": True}}
    daemon = begin(pulsar, topics=[rule] if how == "rule" else [])
    with Application(daemon, topic, "s", more=[["replicated"]] if how == "option" else []):
        assert subscription_of(pulsar, topic)["isReplicated"]
    with Application(daemon, topic + "-plain", "s"):
        assert subscription_of(pulsar, topic + "-plain")["isReplicated"] is (how == "rule")
    volatile = topic.replace("persistent", "non-persistent", 1)
    if how == "rule":  # it has no meaning there, and takes nothing away
        with Application(daemon, volatile, "s"):
            pass
    else:
        refused = run(daemon, "sub", volatile, "-s", "s", "--replicated")
        assert refused.returncode != 0 and b"persistent topic can be replicated" in refused.stderr


@pytest.mark.parametrize("kind", ["exclusive", "key_shared"])
def test_a_priority_where_it_has_no_effect_is_refused(pulsar, begin, topic, kind):
    refused = run(begin(pulsar), "sub", topic, "-s", "s", "-t", kind, "--priority", 1, "-n", 1, "--timeout", "5s")
    assert refused.returncode == 64 and b"has a priority" in refused.stderr


def test_who_comes_first_gets_messages_first(pulsar, official, begin, topic):
    """Nothing goes to the other while the first one has permits; before it knows how large messages are it has one."""
    daemon = begin(pulsar)
    client = official(pulsar.service_url)
    with Application(daemon, topic, "s", "shared", more=[["priority", 0]]) as first:
        publish(client, topic, range(COUNT), **BATCHES["single"])
        assert len(first.next(COUNT)) == COUNT
        with Application(daemon, topic, "s", "shared", more=[["priority", 1]]) as second:
            publish(client, topic, range(COUNT), **BATCHES["single"])
            assert len(first.next(COUNT)) == COUNT
            assert second.next(1, 500) == []


def test_the_embedded_engine_has_none_of_it(begin, pulsar):
    daemon = begin(pulsar, topics=[{"match": "**", "broker": "own"}], brokers={
        "main": {"type": "pulsar", "service_url": pulsar.service_url}, "own": {"type": "local"}})
    for option in (["--replicated"], ["--priority", "1"], ["--property", "a=b"],
                   ["--subscription-property", "a=b"], ["--compacted", "-t", "exclusive"]):
        refused = run(daemon, "sub", "t", "-s", "s", *option)
        assert refused.returncode == 69 and b"broker of type local has no" in refused.stderr


@pytest.mark.parametrize("option", [["--priority", "-1"], ["--key-range", "5"], ["--key-range", "9-1"],
                                    ["--key-range", "0-65536"], ["--property", "a"], ["--property", "=b"],
                                    ["--subscription-property", ""]])
def test_what_the_command_refuses(begin, pulsar, option):
    refused = run(begin(pulsar), "sub", "t", "-s", "s", *option)
    assert refused.returncode == 64 and option[0].encode() in refused.stderr


# ---- news ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", [0, 3])
def test_the_active_one_of_a_failover_subscription_knows_it(pulsar, official, begin, topic, partitions):
    if partitions:
        assert pulsar.admin("PUT", f"{path_of(topic)}/partitions", partitions)[0] == 204
    daemon = begin(pulsar)
    with Application(daemon, topic, "s", "failover", more=[["priority", 1]]) as first:
        eventually(first.is_active, 30)
        with Application(daemon, topic, "s", "failover", more=[["priority", 0]]) as second:
            eventually(lambda: second.is_active() and not first.is_active(), 30)
            publish(official(pulsar.service_url), topic, range(COUNT), **BATCHES["single"])
            assert len(second.next(COUNT)) == COUNT
            second.kill()
            eventually(first.is_active, 30)
        daemon.kill()
        begin(pulsar)
        eventually(lambda: (first.next(1, 100), first.is_active())[1], 30)


@pytest.mark.parametrize("partitions", [0, 3])
def test_the_end_of_a_topic_is_heard_behind_its_last_message(pulsar, official, begin, topic, partitions):
    if partitions:
        assert pulsar.admin("PUT", f"{path_of(topic)}/partitions", partitions)[0] == 204
    daemon = begin(pulsar)
    publish(official(pulsar.service_url), topic, range(COUNT), **BATCHES["batched"])
    with Application(daemon, topic, "s", "exclusive") as app, \
            Background(daemon, "sub", topic, "-s", "other", "--from", "earliest") as sub, \
            Background(daemon, "read", topic, "--follow") as reader:
        assert len(app.next(COUNT)) == COUNT
        end = f"{path_of(topic)}/terminate" + ("/partitions" if partitions else "")
        assert pulsar.admin("POST", end)[0] == 200
        assert not app.at_end_of_topic()
        for m in app.got:
            app.ack(m["number"])
        eventually(app.at_end_of_topic, 30)
        for command in (sub, reader):
            output, code = command.wait()
            assert (sorted(map(int, output.split())), code) == (list(range(COUNT)), 0)
            assert "terminated" in command.stderr()
        app.seek("earliest")
        assert len(app.next(COUNT)) == COUNT
        assert not app.at_end_of_topic()
        for m in app.got[COUNT:]:
            app.ack(m["number"])
        eventually(app.at_end_of_topic, 30)


@pytest.mark.parametrize("partitions", [0, 3])
def test_how_far_a_subscription_is_behind(pulsar, official, begin, topic, partitions):
    """Of all partitions together, as long as somebody consumes; asked every 15 s."""
    if partitions:
        assert pulsar.admin("PUT", f"{path_of(topic)}/partitions", partitions)[0] == 204
    daemon = begin(pulsar)

    def behind():
        return stats(daemon)["consumer_lag"].get(topic)

    with Application(daemon, topic, "s") as app, Application(daemon, topic, "other"):
        publish(official(pulsar.service_url), topic, range(COUNT), **BATCHES["single"])
        app.next(COUNT)
        eventually(lambda: behind() == {"s": COUNT, "other": COUNT}, 60)
        for m in app.got[:COUNT - 2]:
            app.ack(m["number"])
        eventually(lambda: behind() == {"s": 2, "other": COUNT}, 60)
        app.close()
        eventually(lambda: behind() == {"other": COUNT}, 30)
