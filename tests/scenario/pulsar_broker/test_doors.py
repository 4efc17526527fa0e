# SPDX-License-Identifier: Apache-2.0
"""Goal:   whatever door of a cluster the daemon uses, and whoever it is there, official clients read what it publishes and it
        reads what they do: partitions, keys, properties, batches, compression, acknowledgements.
Method: each door and each way to say who one is, against the official client for Python at the broker's own door."""

import json

import pytest

from command import Subscriber, ok, run
from issuer import CLIENT, SECRET, Issuer
from tokens import PASSWORD

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from official import RECEIVE_MS  # noqa: E402: the same

pytestmark = pytest.mark.timeout(300)
COUNT = 60
# Doors: of the broker or of the proxy in front of it; over HTTP topics are looked up alone.
DOORS = {"broker": "service_url", "broker TLS": "service_url_tls", "HTTP": "admin_url", "HTTPS": "https_url",
         "proxy": "service_url", "proxy TLS": "service_url_tls"}
# A certificate ends at a proxy (test_proxy.py).
IDENTITIES = {"token": DOORS, "password": ("broker TLS", "HTTP", "proxy"),
              "OAuth2": ("broker TLS", "HTTPS", "proxy TLS"), "certificate": ("broker TLS", "HTTPS")}


@pytest.fixture(name="identity")
def made_identity(secure_proxy, tmp_path):
    """identity(name): brokers.main.auth of the configuration."""
    broker, issuers = secure_proxy.broker, []

    def make(name):
        if name == "token":
            return {"token": broker.tokens.admin}
        if name == "certificate":
            return {"tls": {"cert_file": broker.certificates.path("admin"),
                            "key_file": str(broker.certificates.folder / "server.key")}}
        secret = tmp_path / "secret"
        secret.write_text(PASSWORD if name == "password" else SECRET)
        if name == "password":
            return {"basic": {"user": "admin", "password_file": str(secret)}}
        issuers.append(Issuer(lambda: broker.tokens.token("admin", expires_in_s=3600)))
        return {"oauth2": {"issuer": issuers[0].url, "client_id": CLIENT, "client_secret_file": str(secret)}}

    yield make
    for issuer in issuers:
        issuer.close()


def published(daemon, topic):
    """What the official client is to see."""
    lines = [{"payload": f"ж{n}", "key": f"k{n % 7}", "properties": {"n": str(n)}} for n in range(COUNT)]
    ok(run(daemon, "pub", topic, "--json-lines", input="\n".join(map(json.dumps, lines)), timeout=60))
    return sorted((line["payload"], line["key"], line["properties"]["n"]) for line in lines)


@pytest.mark.parametrize("who, door", [(who, door) for who, doors in IDENTITIES.items() for door in doors])
def test_both_ways(secure_proxy, hulsed, official, topic, identity, who, door):
    broker = secure_proxy.broker
    at = secure_proxy if "proxy" in door else broker
    assert broker.admin("PUT", f"{topic.replace('://', '/')}/partitions", 3)[0] == 204
    daemon = hulsed(getattr(at, DOORS[door]), auth=identity(who),
                    tls={"ca_file": broker.certificates.path("ca")})
    client = official(broker.service_url, authentication=library.AuthenticationToken(broker.tokens.admin))
    consumer = client.subscribe(topic, "official", initial_position=library.InitialPosition.Earliest)
    wanted = published(daemon, topic)
    got = [consumer.receive(RECEIVE_MS) for _ in range(COUNT)]
    assert sorted((m.data().decode(), m.partition_key(), m.properties()["n"]) for m in got) == wanted

    with Subscriber(daemon, topic, "-s", "mine", "-t", "shared", "-n", COUNT, "--format", "json") as sub:
        producer = client.create_producer(topic, compression_type=library.CompressionType.ZSTD,
                                          batching_max_publish_delay_ms=5)
        for text, key, n in wanted:
            producer.send_async(text.encode(), None, partition_key=key, properties={"n": n})
        producer.flush()
        out, code = sub.wait(60)
    assert code == 0
    got = [json.loads(line) for line in out.splitlines()]
    assert sorted((m["payload"], m["key"], m["properties"]["n"]) for m in got) == wanted
    for part in range(3):
        _, stats = broker.admin("GET", f"{topic.replace('://', '/')}-partition-{part}/stats")
        assert stats["subscriptions"]["mine"]["msgBacklog"] == 0
