# SPDX-License-Identifier: Apache-2.0
"""Goal:   a topic that its cluster has moved to another one is published to and consumed there, by those who were there;
        what cannot be followed changes nothing.
Method: two scripted brokers of different clusters; then two real ones."""

import subprocess

import pytest

from command import Background, broker_stats, ok, run
from fake import FakeBroker

pytestmark = pytest.mark.timeout(180)

@pytest.fixture(name="green")
def other_cluster():
    with FakeBroker() as broker:
        yield broker


def say(pub, text):
    pub.process.stdin.write(text + b"\n")
    pub.process.stdin.flush()


def test_producers_and_consumers_follow(fake, green, daemon, topic):
    with Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE) as pub, \
            Background(daemon, "sub", topic, "-s", "s", "--from", "earliest") as sub:
        say(pub, b"blue")
        assert sub.line() == b"blue"
        fake.wait_for("ACK")  # who has one in hand stays
        fake.migrate(topic, green.url)
        green.wait_for("PRODUCER")
        green.wait_for("FLOW")
        say(pub, b"green")
        assert sub.line() == b"green"
        # It stays there, whatever happens next.
        green.wait_for("ACK")
        green.unload(topic)
        green.wait_for("PRODUCER", 2)
        green.wait_for("FLOW", 2)
        say(pub, b"still")
        assert sub.line() == b"still"
    assert len(fake.topic(topic).entries) == 1 and len(green.topic(topic).entries) == 2
    assert len(daemon.lines("pulsar.migration")) == 1
    # Those who come later ask as ever.
    ok(run(daemon, "pub", topic, "new", timeout=60))
    assert len(fake.topic(topic).entries) == 2


def test_back_again(fake, green, daemon, topic):
    with Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE) as pub:
        say(pub, b"1")
        fake.wait_for("SEND")
        fake.migrate(topic, green.url)
        green.wait_for("PRODUCER")
        say(pub, b"2")
        green.wait_for("SEND")
        green.migrate(topic, fake.url)
        fake.wait_for("PRODUCER", 2)
        say(pub, b"3")
        fake.wait_for("SEND", 2)
    assert len(fake.topic(topic).entries) == 2 and len(green.topic(topic).entries) == 1


def test_what_was_not_answered_is_sent_there(fake, green, daemon, topic):
    fake.on("SEND", lambda request: None)
    with Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE) as pub:
        say(pub, b"x")
        fake.wait_for("SEND")
        fake.migrate(topic, green.url)
        pub.line()
    assert len(green.topic(topic).entries) == 1


@pytest.mark.parametrize("url", ["pulsar+ssl://127.0.0.1:1", "nonsense", "pulsar://", ""])
def test_what_cannot_be_followed(fake, daemon, topic, url):
    with Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE) as pub:
        say(pub, b"before")
        pub.line()
        fake.migrate(topic, url)
        fake.wait_for("PRODUCER", 2)
        say(pub, b"after")
        pub.line()
    assert len(fake.topic(topic).entries) == 2
    assert daemon.await_lines("pulsar.migration_refused")
    assert "last_failure" in broker_stats(daemon)


def test_what_is_in_hand_is_acknowledged_where_it_is_from(fake, green, daemon, topic):
    """No broker moves such a consumer; one that does is asked again."""
    with Background(daemon, "sub", topic, "-s", "s", "--no-ack") as sub:
        fake.wait_for("FLOW")
        fake.publish(topic, b"a")
        assert sub.line() == b"a"
        fake.migrate(topic, green.url)
        fake.wait_for("SUBSCRIBE", 2)
    assert not green.heard("SUBSCRIBE") and not green.heard("ACK")


def test_not_more_clusters_than_are_kept(fake, daemon, topic):
    with Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE) as pub:
        for n in range(16):
            say(pub, b"x")
            pub.line()
            fake.run(tell, fake.topic(topic), f"pulsar://127.0.0.1:{n + 1}")
        fake.run(tell, fake.topic(topic), fake.url)
        (line,) = daemon.await_lines("pulsar.migration_refused")
        assert "more than 15" in line["why"]
        fake.unload(topic)
        fake.wait_for("PRODUCER", 2)
        say(pub, b"x")
        pub.line()


def tell(topic, url):
    """Only the notice."""
    for made in topic.producers.values():
        made.connection.send("TOPIC_MIGRATED", resource_id=made.number, resource_type="Producer",
                             brokerServiceUrl=url)


def move_between(new_broker, hulsed, topic):
    """False: the broker, which terminates a topic before it knows that it has moved, told a consumer in between of the end."""
    with new_broker("migration") as pulsar, new_broker() as green:
        daemon = hulsed(pulsar.service_url)
        with Background(daemon, "pub", topic, "-v", stdin=subprocess.PIPE) as pub, \
                Background(daemon, "sub", topic, "-s", "s", "--from", "earliest") as sub:
            say(pub, b"blue")
            pub.line()
            assert sub.line() == b"blue"
            answer = pulsar.admin("POST", "clusters/standalone/migrate?migrated=true", {
                "serviceUrl": green.admin_url, "brokerServiceUrl": green.service_url})
            assert answer[0] in (200, 204), answer
            daemon.await_lines("pulsar.migration")
            say(pub, b"green")
            pub.line()
            try:
                assert sub.line() == b"green"
            except AssertionError as why:
                if "terminated, and read to the end" in str(why):
                    return False
                raise
        assert green.admin("GET", f"persistent/{topic.split('://')[1]}/stats")[1]["msgInCounter"] == 1
        return True


def test_two_real_clusters(new_broker, hulsed, topic):
    """The one that is given up has both users; what is in its backlog stays there."""
    assert any(move_between(new_broker, hulsed, f"{topic}-{n}") for n in range(3))
