# SPDX-License-Identifier: Apache-2.0
"""Goal:   through Pulsar's proxy everything goes that goes without it, and what a proxy does in its own way is understood.
Method: real proxies in front of real brokers; hulsed has the proxy's URL alone."""

import json
import subprocess

import pytest

from admitted import goes_through, refused
from command import Background, Feed, Subscriber, broker_stats, ok, run
import faults  # of the folder that conftest.py names
from java_program import running

pytest.importorskip("_pulsar", reason="no pulsar-client for this Python")
import pulsar as library  # noqa: E402: needs the line above
from tokens import PASSWORD  # noqa: E402: the same
from official import received  # noqa: E402: the same

pytestmark = pytest.mark.timeout(300)
ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}]}


@pytest.fixture(scope="module")
def plain_proxy(new_proxy, plain_broker):
    with new_proxy(plain_broker) as proxy:
        yield proxy


@pytest.fixture
def proxy(pulsar, plain_proxy):
    return running(plain_proxy)


def test_it_goes_through(proxy, pulsar, hulsed, official, topic):
    daemon = hulsed(proxy.service_url)
    with Subscriber(daemon, topic, "-s", "s", "--from", "earliest", "-n", 3) as sub:
        for n in range(3):
            ok(run(daemon, "pub", topic, str(n), timeout=60))
        assert sub.wait(60) == (b"0\n1\n2\n", 0)
    got = received(official(pulsar.service_url), topic, 3, "other")
    assert [m.data() for m in got] == [b"0", b"1", b"2"]


def path_of(topic):
    return topic.replace("://", "/")


@pytest.mark.parametrize("kind", ["exclusive", "shared", "failover", "key_shared"])
def test_partitions(proxy, hulsed, topic, kind):
    assert proxy.broker.admin("PUT", f"{path_of(topic)}/partitions", 3)[0] == 204
    daemon = hulsed(proxy.service_url)
    with Subscriber(daemon, topic, "-s", "s", "-t", kind, "--from", "earliest", "-n", 30) as sub:
        for part in range(3):
            ok(run(daemon, "pub", topic, "--partition", part, *range(part * 10, part * 10 + 10), timeout=60))
        out, code = sub.wait(60)
    assert code == 0 and sorted(map(int, out.split())) == list(range(30))


def test_a_schema(proxy, official, hulsed, topic, tmp_path):
    """Registered with the producer and got by the command; messages have its version."""
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(ORDER))
    daemon = hulsed(proxy.service_url, topics=[{"match": "**", "publish": {
        "schema": {"file": str(path), "type": "json"}, "validate": True}}])
    ok(run(daemon, "pub", topic, '{"id": 7}', timeout=60))
    assert json.loads(json.loads(ok(run(daemon, "schema", "get", topic, "--json")))["definition"]) == ORDER
    (got,) = received(official(proxy.broker.service_url), topic, 1)
    assert (got.data(), got.schema_version().encode("latin-1")) == (b'{"id": 7}', bytes(8))
    assert run(daemon, "pub", topic, '{"id": "seven"}', timeout=60).returncode == 1


def test_topics_of_a_pattern(proxy, hulsed, topic):
    """What a proxy cannot watch is asked for again and again, through it."""
    space = f"public/{topic.rpartition('/')[2]}"
    assert proxy.broker.admin("PUT", f"namespaces/{space}")[0] == 204
    for name in ("a-1", "b"):
        assert proxy.broker.admin("PUT", f"persistent/{space}/{name}")[0] == 204
    daemon = hulsed(proxy.service_url, topics_refresh="1s")
    with Subscriber(daemon, f"{space}/a-.*", "-s", "s", "--regex", "--from", "earliest", "-n", 2) as sub:
        ok(run(daemon, "pub", f"persistent://{space}/a-1", "1", timeout=60))
        assert sub.line() == b"1"
        ok(run(daemon, "pub", f"persistent://{space}/b", "no", timeout=60))
        ok(run(daemon, "pub", f"persistent://{space}/a-2", "2", timeout=60))
        assert sub.wait(60) == (b"2\n", 0)


def test_positions(proxy, hulsed, topic):
    """Seek, the last message and back."""
    daemon = hulsed(proxy.service_url, admin_url=proxy.admin_url)
    ok(run(daemon, "pub", topic, input="".join(f"{n}\n" for n in range(5)), timeout=60))
    assert ok(run(daemon, "read", topic, timeout=60)).split() == [b"%d" % n for n in range(5)]
    ok(run(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", 5, timeout=60))
    ok(run(daemon, "subs", "seek", topic, "s", "--to", "earliest", timeout=60))
    assert ok(run(daemon, "sub", topic, "-s", "s", "-n", 1, timeout=60)) == b"0\n"


def test_a_message_of_the_broker_s_limit(proxy, hulsed, topic, tmp_path):
    """The proxy says none where topics are looked up; the one that counts is the broker's."""
    daemon = hulsed(proxy.service_url)
    large = tmp_path / "large"
    large.write_bytes(bytes((5 << 20) - 10240))
    ok(run(daemon, "pub", topic, "--file", str(large), timeout=60))


def test_what_the_broker_refuses_says_so(proxy, hulsed):
    """A proxy answers the one question in the form of the other."""
    done = refused(hulsed(proxy.service_url), "persistent://public/nowhere/t", "Namespace not found")
    assert done.returncode == 65


def test_the_proxy_is_killed(proxy, official, hulsed, topic):
    """Publishers and subscribers find back, and nothing is lost."""
    daemon = hulsed(proxy.service_url, topics=[{"match": "**", "publish": {"send_timeout": 0}}])
    with Subscriber(daemon, topic, "-s", "s", "--from", "earliest") as sub, \
            Background(daemon, "pub", topic, stdin=subprocess.PIPE) as pub:
        feed = Feed(pub.process.stdin)
        seen = {}  # in the order of their first coming
        try:
            for _ in range(3):
                wanted = len(seen) + 100
                while len(seen) < wanted:
                    seen[int(sub.line())] = True
                proxy.kill()
                proxy.start()
        finally:
            count = feed.end()
        assert pub.process.wait(120) == 0, pub.stderr()
        while len(seen) < count:
            seen[int(sub.line())] = True
    assert list(seen) == list(range(count))


def test_a_broker_that_the_proxy_may_not_name(new_proxy, plain_broker, hulsed, topic):
    """The proxy lets nobody through to where it is told to; that is said, and is not said of the proxy itself."""
    with new_proxy(plain_broker, brokerProxyAllowedTargetPorts="1") as strict:
        daemon = hulsed(strict.service_url, operation_timeout="3s")
        done = run(daemon, "pub", topic, "hello", timeout=60)
        assert done.returncode == 69 and b"Target broker cannot be validated" in done.stderr, done.stderr


def test_a_broker_that_the_proxy_does_not_reach(fake, hulsed, topic):
    """The proxy closes without a word; whoever waits is told, and goes on when it is there."""
    def hang_up(request):
        if "proxy_to_broker_url" in request.fields and fake.dead:
            fake.refused += 1
            request.connection.drop()
        else:
            request.default()

    fake.dead, fake.refused = True, 0
    fake.on("CONNECT", hang_up)
    fake.on("LOOKUP", lambda r: r.reply("LOOKUP_RESPONSE", response=1, authoritative=True,
                                        brokerServiceUrl="pulsar://behind.invalid:6650",
                                        brokerServiceUrlTls="pulsar://behind.invalid:6650",
                                        proxy_through_service_url=True))
    daemon = hulsed(fake.url, operation_timeout="3s",
                    topics=[{"match": "**", "publish": {"send_timeout": 0}}])
    with Background(daemon, "pub", topic, stdin=subprocess.PIPE) as pub:
        feed = Feed(pub.process.stdin)
        fake.wait_until(lambda: fake.refused >= 2)
        assert "behind.invalid" in broker_stats(daemon)["last_failure"]
        fake.dead = False
        fake.wait_for("SEND")
        count = feed.end()
        assert pub.process.wait(60) == 0, pub.stderr()
    got = ok(run(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", count, timeout=60))
    assert list(map(int, got.split())) == list(range(count))
    assert all(c.fields["proxy_to_broker_url"] == "behind.invalid:6650" for c in fake.heard("CONNECT")
               if "proxy_to_broker_url" in c.fields)


def test_a_proxy_that_closes_without_a_word(fake, hulsed, topic):
    """Whatever it is asked."""
    daemon = hulsed(fake.url, operation_timeout="30s")
    for command in ("CONNECT", "PARTITIONED_METADATA", "LOOKUP", "PRODUCER"):
        fake.on(command, faults.drop, times=2)
        ok(run(daemon, "pub", topic, command, timeout=60))


# ---- with TLS and tokens


@pytest.mark.parametrize("door", ["service_url", "service_url_tls"])
def test_a_token(secure_proxy, hulsed, topic, door):
    """The proxy hands it on, and the broker judges it. Behind TLS the broker's own address has none."""
    daemon = hulsed(getattr(secure_proxy, door), auth={"token": secure_proxy.broker.tokens.admin},
                    tls={"ca_file": secure_proxy.broker.certificates.path("ca")})
    assert goes_through(daemon, topic)
    assert secure_proxy.broker.admin("PUT", f"{path_of(topic)}-parted/partitions", 3)[0] == 204
    assert goes_through(daemon, f"{topic}-parted")


def test_a_name_and_a_password(secure_proxy, hulsed, topic, tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    daemon = hulsed(secure_proxy.service_url_tls, auth={"basic": {"user": "admin", "password_file": str(path)}},
                    tls={"ca_file": secure_proxy.broker.certificates.path("ca")})
    assert goes_through(daemon, topic)


def certificate(broker, name="admin"):
    return {"auth": {"tls": {"cert_file": broker.certificates.path(name),
                             "key_file": str(broker.certificates.folder / "server.key")}},
            "tls": {"ca_file": broker.certificates.path("ca")}}


def test_a_certificate(new_broker, new_proxy, hulsed, topic):
    """It ends at the proxy, whose word the broker takes."""
    with new_broker("token", "tls", "proxied", "trusting") as broker, new_proxy(broker) as proxy:
        daemon = hulsed(proxy.service_url_tls, **certificate(broker))
        assert goes_through(daemon, topic)
        daemon.stop()
        daemon = hulsed(proxy.service_url_tls, **certificate(broker, "nobody"))
        assert refused(daemon, topic, "AuthorizationError").returncode == 77


def test_a_certificate_that_is_not_handed_on(secure_proxy, hulsed, topic):
    """A broker that authenticates whom the proxy speaks for has nothing to do it with."""
    daemon = hulsed(secure_proxy.service_url_tls, operation_timeout="3s",
                    **certificate(secure_proxy.broker))
    refused(daemon, topic, "Failed to authenticate")


@pytest.mark.parametrize("kind", ["none", "forged"])
def test_a_wrong_token(secure_proxy, hulsed, topic, kind):
    auth = {"none": {}, "forged": {"token": secure_proxy.broker.tokens.token("admin", key=bytes(32))}}[kind]
    refused(hulsed(secure_proxy.service_url, auth=auth, operation_timeout="3s"), topic, "AuthenticationError")


def test_a_role_without_rights(secure_proxy, hulsed, topic):
    daemon = hulsed(secure_proxy.service_url, auth={"token": secure_proxy.broker.tokens.token("nobody")})
    assert refused(daemon, topic, "AuthorizationError").returncode == 77


def test_tokens_are_renewed_behind_it(secure_proxy, hulsed, topic, tmp_path):
    """The broker asks through the proxy, the proxy asks for itself, and nobody is disconnected."""
    path = tmp_path / "token"

    def renew():
        fresh = tmp_path / "fresh"
        fresh.write_text(secure_proxy.broker.tokens.token("admin", expires_in_s=8))
        fresh.rename(path)

    renew()
    daemon = hulsed(secure_proxy.service_url_tls, auth={"token_file": str(path)},
                    tls={"ca_file": secure_proxy.broker.certificates.path("ca")})
    with Subscriber(daemon, topic, "-s", "s", "--from", "earliest") as sub:
        count = 0
        while broker_stats(daemon)["auth_refreshes"] < 6:
            if broker_stats(daemon)["token_seconds_to_expiry"] < 5:
                renew()
            ok(run(daemon, "pub", topic, str(count), timeout=60))
            assert sub.line() == b"%d" % count
            count += 1
    got = broker_stats(daemon)
    assert got["connections_closed_lost"] == 0, got
