# SPDX-License-Identifier: Apache-2.0
"""The real broker that the other tests of this folder rely on, seen by the official client."""


import pytest

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from by_hand import eventually  # noqa: E402: the same
from certificates import await_presented  # noqa: E402: the same

RECEIVE_MS = 20000

# On a busy machine a broker may take 90 s to start and 60 s to stop.
pytestmark = pytest.mark.timeout(300)


def produce(client, topic, *messages):
    producer = client.create_producer(topic)
    for message in messages:
        producer.send(message)
    producer.close()


def consume(client, topic, count):
    """The next messages of one subscription, acknowledged."""
    consumer = client.subscribe(topic, "sub", initial_position=library.InitialPosition.Earliest)
    got = []
    for _ in range(count):
        message = consumer.receive(RECEIVE_MS)
        got.append(message.data())
        consumer.acknowledge(message)
    consumer.close()
    return got


def numbered(first, end):
    return [b"message %d" % number for number in range(first, end)]


def test_what_is_produced_is_consumed(pulsar, official, topic):
    client = official(pulsar.service_url)
    produce(client, topic, *numbered(0, 10))
    assert consume(client, topic, 10) == numbered(0, 10)


def test_a_message_of_the_greatest_size_is_stored(pulsar, official, topic):
    client = official(pulsar.service_url)
    body = bytes(5 * 1024 * 1024 - 1024)
    produce(client, topic, body)
    assert consume(client, topic, 1) == [body]


def test_the_admin_door_answers(pulsar, official, topic):
    name = topic.rpartition("/")[2]
    assert pulsar.admin("PUT", f"persistent/public/default/{name}/partitions", 3)[0] == 204
    assert len(official(pulsar.service_url).get_topic_partitions(topic)) == 3
    assert pulsar.admin("GET", f"persistent/public/default/{name}-none/stats")[0] == 404


@pytest.mark.failover
@pytest.mark.ends_broker
def test_a_restart_keeps_messages_and_cursors(pulsar, official, topic):
    before = official(pulsar.service_url)
    produce(before, topic, *numbered(0, 5))
    assert consume(before, topic, 2) == numbered(0, 2)
    # The client tells the broker of its acknowledgements a little later; closing it sends them.
    before.close()
    eventually(lambda: pulsar.backlog(topic, "sub") == 3)
    url = pulsar.service_url

    pulsar.stop()
    pulsar.start()

    assert pulsar.service_url == url
    after = official(url)
    produce(after, topic, b"after")
    assert consume(after, topic, 4) == [*numbered(2, 5), b"after"]


@pytest.mark.failover
@pytest.mark.ends_broker
def test_a_broker_that_is_killed_keeps_its_messages(pulsar, official, topic):
    """Not its cursors: it writes them down once in a second."""
    before = official(pulsar.service_url)
    produce(before, topic, *numbered(0, 5))

    pulsar.kill()
    pulsar.start()

    # The client that has lost it finds it again.
    produce(before, topic, b"after")
    assert consume(before, topic, 6) == [*numbered(0, 5), b"after"]


def test_a_token_of_the_key_is_accepted(pulsar_secure, official, topic):
    token = pulsar_secure.tokens.token("admin", expires_in_s=600)
    client = official(pulsar_secure.service_url, authentication=library.AuthenticationToken(token))
    produce(client, topic, b"with a token")
    assert consume(client, topic, 1) == [b"with a token"]


@pytest.mark.parametrize("options", [
    {"role": "admin", "expires_in_s": -60},
    {"role": "admin", "key": b"of somebody else"},
    None,
], ids=["expired", "other-key", "none"])
def test_a_wrong_token_is_refused(pulsar_secure, official, topic, options):
    more = {}
    if options is not None:
        token = pulsar_secure.tokens.token(**options)
        more["authentication"] = library.AuthenticationToken(token)
    refusals = pulsar_secure.lines("Failed to authenticate")
    with pytest.raises((library.AuthenticationError, library.Timeout)):
        official(pulsar_secure.service_url, operation_timeout_seconds=2,
                 **more).create_producer(topic)
    assert len(pulsar_secure.lines("Failed to authenticate")) > len(refusals)


def test_a_role_without_rights_is_refused(pulsar_secure, official, topic):
    token = pulsar_secure.tokens.token("nobody")
    client = official(pulsar_secure.service_url, authentication=library.AuthenticationToken(token))
    with pytest.raises(library.AuthorizationError):
        client.create_producer(topic)


def tls_client(official, broker, authority, hostname=True):
    return official(broker.service_url_tls, tls_validate_hostname=hostname,
                    tls_trust_certs_file_path=broker.certificates.path(authority),
                    authentication=library.AuthenticationToken(broker.tokens.admin))


def test_tls_of_a_trusted_authority_is_accepted(pulsar_secure, official, topic):
    await_presented(pulsar_secure, "server")
    client = tls_client(official, pulsar_secure, "ca")
    produce(client, topic, b"over TLS")
    assert consume(client, topic, 1) == [b"over TLS"]


def test_tls_of_an_untrusted_authority_is_refused(pulsar_secure, official, topic):
    await_presented(pulsar_secure, "server")
    with pytest.raises(library.PulsarException):
        tls_client(official, pulsar_secure, "stranger").create_producer(topic)


def test_tls_of_another_host_is_refused(pulsar_secure, official, topic):
    pulsar_secure.certificates.present("wrong_host")
    await_presented(pulsar_secure, "wrong_host")
    with pytest.raises(library.PulsarException):
        tls_client(official, pulsar_secure, "ca").create_producer(topic)
    # It was the name: who does not look at it is served.
    client = tls_client(official, pulsar_secure, "ca", hostname=False)
    produce(client, topic, b"unchecked")
