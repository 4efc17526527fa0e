# SPDX-License-Identifier: Apache-2.0
"""Goal:   an operator makes, lists, looks at, moves and deletes topics and subscriptions of a cluster through
        the daemon, and hears the cluster's own reasons when it refuses.
Method: the command against hulsed with an admin_url of a real broker: without security, with a token, with
        TLS; official clients for what is published and consumed."""

import datetime
import json
import time

import pytest

from command import ok, run
from conftest import Hulsed
from tokens import PASSWORD

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(name="cluster")
def daemon_of_the_cluster(pulsar, hulsed):
    return hulsed(pulsar.service_url, admin_url=pulsar.admin_url)


def told(daemon, *words):
    return json.loads(ok(run(daemon, *words, "--json", timeout=60)))


def refused(daemon, code, word, *words):
    done = run(daemon, *words, timeout=60)
    assert done.returncode == code, done.stderr
    assert word in done.stderr.decode(), done.stderr


def put(official, pulsar, topic, count, subscription=None):
    client = official(pulsar.service_url)
    if subscription is not None:
        client.subscribe(topic, subscription).close()
    producer = client.create_producer(topic, batching_enabled=False)
    return [str(producer.send(str(i).encode())) for i in range(count)]


def backlog(daemon, topic, subscription):
    """As the cluster counts it, which takes a moment."""
    (one,) = told(daemon, "subs", "stats", topic, subscription)["subscriptions"]
    return one["backlog"]


def await_backlog(daemon, topic, subscription, wanted):
    end = time.monotonic() + 60
    while backlog(daemon, topic, subscription) != wanted:
        assert time.monotonic() < end, backlog(daemon, topic, subscription)
        time.sleep(0.1)


# ---- topics ----------------------------------------------------------------------------------

@pytest.mark.parametrize("partitions", [0, 3])
def test_create_look_delete(cluster, topic, partitions):
    assert told(cluster, "topics", "create", topic, "--partitions", partitions) == \
        {"topic": topic, "broker": "main"}
    refused(cluster, 69, "already exist", "topics", "create", topic, "--partitions", partitions)
    assert told(cluster, "topics", "list", "public/default").count(topic) == 1
    assert topic in told(cluster, "topics", "list", "public")
    assert topic in told(cluster, "topics", "list")
    figures = told(cluster, "topics", "stats", topic)
    assert (figures["broker"], figures["producers"], figures["subscriptions"]) == ("main", 0, [])
    assert "acknowledged" not in figures
    told(cluster, "topics", "unload", topic)
    told(cluster, "topics", "delete", topic)
    assert topic not in told(cluster, "topics", "list", "public/default")
    for words in (("delete", topic), ("stats", topic)):
        refused(cluster, 65, "not found", "topics", *words)


def test_topics_that_are_in_use(cluster, pulsar, official, topic):
    client = official(pulsar.service_url)
    client.subscribe(topic, "s")
    refused(cluster, 69, "connected", "topics", "delete", topic)
    figures = told(cluster, "topics", "stats", topic)
    assert figures["consumers"] == 1
    (one,) = figures["subscriptions"]
    assert (one["name"], one["type"], one["consumers"]) == ("s", "exclusive", 1)
    told(cluster, "topics", "delete", topic, "--force")


def test_names_are_what_they_are(cluster, topic):
    name = f"{topic}-Zürich a?b#c%d..e"
    told(cluster, "topics", "create", name)
    assert told(cluster, "topics", "list", "public/default").count(name) == 1
    assert told(cluster, "topics", "stats", name)["topic"] == name
    told(cluster, "topics", "delete", name)
    assert name not in told(cluster, "topics", "list", "public/default")


def test_what_is_not_there(cluster, topic):
    refused(cluster, 69, "not found", "topics", "list", "nobody")
    refused(cluster, 69, "not exist", "topics", "list", "public/nothing")
    refused(cluster, 65, "", "subs", "list", topic)
    refused(cluster, 65, "", "topics", "create", topic.replace("public", "nobody"))


def test_without_an_admin_url(pulsar, hulsed, topic):
    daemon = hulsed(pulsar.service_url)
    for words in (("topics", "create", topic), ("topics", "list"), ("subs", "stats", topic),
                  ("subs", "skip", topic, "s", "-n", "all")):
        refused(daemon, 69, "admin_url", *words)


def test_the_next_host_is_asked(pulsar, hulsed, topic):
    host = pulsar.admin_url.removeprefix("http://")
    daemon = hulsed(pulsar.service_url, admin_url=f"http://127.0.0.1:9,{host}")
    told(daemon, "topics", "create", topic)
    daemon.stop()
    nowhere = hulsed(pulsar.service_url, admin_url="http://127.0.0.1:9")
    refused(nowhere, 69, "127.0.0.1:9", "topics", "create", topic)


# ---- subscriptions ---------------------------------------------------------------------------

def consumed(client, topic, subscription, count):
    consumer = client.subscribe(topic, subscription)
    found = [consumer.receive(30000).data().decode() for _ in range(count)]
    consumer.close()
    return found


def test_a_subscription_is_moved(cluster, pulsar, official, topic):
    put(official, pulsar, topic, 10, "s")
    assert told(cluster, "subs", "list", topic)["subscriptions"] == ["s"]
    await_backlog(cluster, topic, "s", 10)
    assert told(cluster, "subs", "skip", topic, "s", "-n", 4) == \
        {"topic": topic, "broker": "main", "subscription": "s"}
    await_backlog(cluster, topic, "s", 6)
    assert consumed(official(pulsar.service_url), topic, "s", 1) == ["4"]
    told(cluster, "subs", "seek", topic, "s", "--to", "earliest")
    await_backlog(cluster, topic, "s", 10)
    told(cluster, "subs", "seek", topic, "s", "--to", "latest")
    await_backlog(cluster, topic, "s", 0)
    told(cluster, "subs", "seek", topic, "s", "--to", "1970-01-01T00:00:01Z")
    await_backlog(cluster, topic, "s", 10)
    told(cluster, "subs", "skip", topic, "s", "-n", "all")
    await_backlog(cluster, topic, "s", 0)


def test_a_subscription_is_moved_to_an_id_and_a_time(cluster, pulsar, official, topic):
    client = official(pulsar.service_url)
    client.subscribe(topic, "s").close()
    producer = client.create_producer(topic, batching_enabled=False)
    ids = [producer.send(b"%d" % i) for i in range(3)]
    time.sleep(1)
    between = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    producer.send(b"3")
    third = ids[2]
    told(cluster, "subs", "seek", topic, "s", "--to", f"{third.ledger_id()}:{third.entry_id()}")
    assert consumed(client, topic, "s", 1) == ["2"]
    told(cluster, "subs", "seek", topic, "s", "--to", between)
    assert consumed(client, topic, "s", 1) == ["3"]


def test_subscriptions_of_partitions(cluster, pulsar, official, topic):
    told(cluster, "topics", "create", topic, "--partitions", 3)
    put(official, pulsar, topic, 30, "s")
    await_backlog(cluster, topic, "s", 30)
    told(cluster, "subs", "seek", topic, "s", "--to", "latest")
    await_backlog(cluster, topic, "s", 0)
    told(cluster, "subs", "seek", topic, "s", "--to", "earliest")
    await_backlog(cluster, topic, "s", 30)
    told(cluster, "subs", "seek", topic, "s", "--to", "1970-01-01T00:00:01Z")
    await_backlog(cluster, topic, "s", 30)
    refused(cluster, 69, "partition", "subs", "skip", topic, "s", "-n", 1)
    told(cluster, "subs", "skip", f"{topic}-partition-1", "s", "-n", 1)
    await_backlog(cluster, topic, "s", 29)
    refused(cluster, 64, "no such partition", "subs", "seek", topic, "s", "--to", "1:1:3:-1")
    told(cluster, "subs", "skip", topic, "s", "-n", "all")
    await_backlog(cluster, topic, "s", 0)
    told(cluster, "subs", "delete", topic, "s")
    assert told(cluster, "subs", "list", topic)["subscriptions"] == []


def test_a_subscription_in_use(cluster, pulsar, official, topic):
    client = official(pulsar.service_url)
    client.subscribe(topic, "s")
    refused(cluster, 69, "", "subs", "delete", topic, "s")
    told(cluster, "subs", "delete", topic, "s", "--force")
    client.close()
    run(cluster, "subs", "delete", topic, "s", "--force", timeout=60)  # its consumer came back meanwhile, perhaps
    for words in (("delete", topic, "s"), ("stats", topic, "s"), ("skip", topic, "s", "-n", 1),
                  ("seek", topic, "s", "--to", "latest")):
        refused(cluster, 65, "", "subs", *words)


# ---- schemas ---------------------------------------------------------------------------------

def record(*fields):
    return json.dumps({"type": "record", "name": "Order", "fields":
                       [{"name": name, "type": "string", **more} for name, more in fields]})


def test_schemas(cluster, topic, tmp_path):
    file = tmp_path / "order.avsc"
    refused(cluster, 65, "", "schema", "get", topic)
    told(cluster, "topics", "create", topic)
    file.write_text(record(("id", {})))
    assert told(cluster, "schema", "put", topic, file) == \
        {"topic": topic, "broker": "main", "version": 0, "type": "AVRO"}
    file.write_text(record(("id", {}), ("name", {"default": ""})))
    assert told(cluster, "schema", "put", topic, file)["version"] == 1
    file.write_text(record(("id", {}), ("other", {})))
    refused(cluster, 69, "ncompatible", "schema", "put", topic, file)
    versions = told(cluster, "schema", "list", topic)["schemas"]
    assert [(v["version"], v["type"]) for v in versions] == [(0, "AVRO"), (1, "AVRO")]
    newest = told(cluster, "schema", "get", topic)
    assert (newest["version"], json.loads(newest["definition"])["fields"][1]["name"]) == (1, "name")
    text = ok(run(cluster, "schema", "get", topic, "--version", 0, timeout=60))
    assert json.loads(json.loads(text)["schema"]) == json.loads(record(("id", {})))
    refused(cluster, 65, "", "schema", "get", topic, "--version", 9)


# ---- security --------------------------------------------------------------------------------

def test_a_token_over_tls(pulsar_secure, hulsed, topic):
    https = f"https://localhost:{pulsar_secure.ports['https_port']}"
    ca = pulsar_secure.certificates.path("ca")
    good = hulsed(pulsar_secure.service_url_tls, admin_url=https, tls={"ca_file": ca},
                  auth={"token": pulsar_secure.tokens.admin})
    told(good, "topics", "create", topic, "--partitions", 2)
    assert topic in told(good, "topics", "list")
    told(good, "topics", "delete", topic)
    assert pulsar_secure.tokens.admin not in good.log.read_text()


def test_a_certificate_alone(pulsar_secure, hulsed, topic):
    certificates = pulsar_secure.certificates
    daemon = hulsed(pulsar_secure.service_url_tls, tls={"ca_file": certificates.path("ca")},
                    admin_url=f"https://localhost:{pulsar_secure.ports['https_port']}",
                    auth={"tls": {"cert_file": certificates.path("admin"),
                                  "key_file": str(certificates.folder / "server.key")}})
    told(daemon, "topics", "create", topic)
    told(daemon, "topics", "delete", topic)


def test_a_name_and_a_password(pulsar_secure, hulsed, topic, tmp_path):
    password = tmp_path / "password"
    for text, code in ((PASSWORD, 0), ("guessed", 77)):
        password.write_text(text)
        daemon = hulsed(pulsar_secure.service_url, admin_url=pulsar_secure.admin_url,
                        auth={"basic": {"user": "admin", "password_file": str(password)}})
        if code == 0:
            told(daemon, "topics", "create", topic)
        else:
            refused(daemon, code, "", "topics", "create", topic)
        assert text not in daemon.log.read_text()
        daemon.stop()


def test_who_may_not(pulsar_secure, hulsed, topic):
    nobody = hulsed(pulsar_secure.service_url, admin_url=pulsar_secure.admin_url,
                    auth={"token": pulsar_secure.tokens.token("nobody")})
    refused(nobody, 77, "", "topics", "create", topic)
    refused(nobody, 69, "", "topics", "list", "public/default")


def test_without_a_token(pulsar_secure, hulsed, topic):
    stranger = hulsed(pulsar_secure.service_url, admin_url=pulsar_secure.admin_url)
    refused(stranger, 77, "", "topics", "create", topic)


def test_a_certificate_of_somebody_else(pulsar_secure, hulsed, topic):
    https = f"https://localhost:{pulsar_secure.ports['https_port']}"
    daemon = hulsed(pulsar_secure.service_url_tls, admin_url=https,
                    auth={"token": pulsar_secure.tokens.admin})
    refused(daemon, 69, "certificate", "topics", "create", topic)


# ---- deep health -----------------------------------------------------------------------------

def test_deep_health(pulsar, hulsed, topic):
    pulsar.admin("PUT", "namespaces/public/counted")
    wanted = len(pulsar.admin("GET", "namespaces/public")[1])
    daemon = hulsed(pulsar.service_url, admin_url=pulsar.admin_url)
    assert told(daemon, "health", "--deep") == \
        {"pulsar_broker": "healthy", "admin_api": "healthy", "namespaces_count": wanted}


def test_deep_health_of_who_is_not_there(hulsed):
    daemon = hulsed("pulsar://127.0.0.1:9", admin_url="http://127.0.0.1:9")
    done = run(daemon, "health", "--deep", "--json", timeout=60)
    assert done.returncode == 69
    answer = json.loads(done.stdout)
    assert answer["admin_api"] == "unhealthy" and "127.0.0.1:9" in answer["admin_error"]
    assert answer["namespaces_count"] is None


def test_deep_health_looks_a_topic_up(pulsar, topic, tmp_path):
    config = tmp_path / "hulse.yaml"
    for url, code, word in ((pulsar.service_url, 0, "healthy"), ("pulsar://127.0.0.1:9", 69, "unhealthy")):
        config.write_text(json.dumps({
            "brokers": {"main": {"type": "pulsar", "service_url": url, "operation_timeout": "2s"}},
            "health": {"topic": topic, "timeout": "10s"}}))
        daemon = Hulsed(tmp_path / word, args=["--config", config])
        done = run(daemon, "health", "--deep", "--json", timeout=60)
        daemon.stop()
        assert done.returncode == code, done.stdout
        answer = json.loads(done.stdout)
        assert (answer["pulsar_broker"], answer["admin_api"]) == (word, None)
        assert ("127.0.0.1:9" in answer.get("error", "")) == (code != 0), answer
