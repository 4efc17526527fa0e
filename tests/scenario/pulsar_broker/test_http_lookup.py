# SPDX-License-Identifier: Apache-2.0
"""Goal:   with a service URL that is http:// or https:// topics are looked up over HTTP, and all else goes as ever; a door
        that lies, hangs or sends one around is survived, with its reason.
Method: real brokers by their HTTP doors; the scripted broker behind a door of the tests' own."""

import pytest

from admitted import goes_through, refused
from command import broker_stats, ok, run
from issuer import CLIENT, SECRET, Issuer
from tokens import PASSWORD
from web_lookup import WebLookup

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(name="door")
def scripted_door(fake):
    door = WebLookup(fake.url)
    yield door
    door.close()


# ---- real brokers


def test_topics_and_partitions(pulsar, hulsed, topic):
    daemon = hulsed(pulsar.admin_url)
    assert goes_through(daemon, topic)
    assert pulsar.admin("PUT", f"{topic.replace('://', '/')}-3/partitions", 3)[0] == 204
    for part in range(3):
        ok(run(daemon, "pub", f"{topic}-3", "--partition", part, str(part), timeout=60))
    out = ok(run(daemon, "sub", f"{topic}-3", "-s", "s", "--from", "earliest", "-n", 3, timeout=60))
    assert sorted(out.split()) == [b"0", b"1", b"2"]


def test_it_is_the_admin_url_too(pulsar, hulsed, topic):
    daemon = hulsed(pulsar.admin_url)
    ok(run(daemon, "topics", "create", topic, timeout=60))
    assert topic.encode() in ok(run(daemon, "topics", "list", timeout=60))


def test_what_is_not_there(pulsar, hulsed):
    daemon = hulsed(pulsar.admin_url)
    assert refused(daemon, "persistent://public/nowhere/t", "amespace not found").returncode == 65


def test_a_token_over_tls(pulsar_secure, hulsed, topic):
    daemon = hulsed(pulsar_secure.https_url, auth={"token": pulsar_secure.tokens.admin},
                    tls={"ca_file": pulsar_secure.certificates.path("ca")})
    assert goes_through(daemon, topic)
    assert pulsar_secure.tokens.admin not in daemon.log.read_text()


def test_a_certificate_alone(pulsar_secure, hulsed, topic):
    certificates = pulsar_secure.certificates
    daemon = hulsed(pulsar_secure.https_url, tls={"ca_file": certificates.path("ca")},
                    auth={"tls": {"cert_file": certificates.path("admin"),
                                  "key_file": str(certificates.folder / "server.key")}})
    assert goes_through(daemon, topic)


def test_a_name_and_a_password(pulsar_secure, hulsed, topic, tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    daemon = hulsed(pulsar_secure.admin_url, auth={"basic": {"user": "admin", "password_file": str(path)}})
    assert goes_through(daemon, topic)


def test_a_client_of_an_issuer(pulsar_secure, hulsed, topic, tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET)
    issuer = Issuer(lambda: pulsar_secure.tokens.token("admin", expires_in_s=3600))
    daemon = hulsed(pulsar_secure.admin_url, auth={"oauth2": {
        "issuer": issuer.url, "client_id": CLIENT, "client_secret_file": str(path)}})
    assert goes_through(daemon, topic)
    issuer.close()


def test_a_wrong_token_is_refused_with_its_reason(pulsar_secure, hulsed, topic):
    tokens = pulsar_secure.tokens
    daemon = hulsed(pulsar_secure.admin_url, operation_timeout="3s",
                    auth={"token": tokens.token("admin", key=b"another key that is 32 bytes long")})
    refused(daemon, topic, "AuthenticationError")


def test_a_certificate_of_somebody_else(pulsar_secure, hulsed, topic):
    daemon = hulsed(pulsar_secure.https_url, auth={"token": pulsar_secure.tokens.admin},
                    tls={"ca_file": pulsar_secure.certificates.path("stranger")}, operation_timeout="3s")
    refused(daemon, topic, "certificate")


# ---- a scripted door


def test_what_is_asked(door, hulsed, topic):
    daemon = hulsed(door.url, auth={"token": "abc"}, listener="inner door")
    ok(run(daemon, "pub", topic, "hello", timeout=60))
    (partitions, _), (owner, headers) = door.asked
    assert partitions.endswith("/partitions?checkAllowAutoCreation=true")
    assert owner == f"/lookup/v2/topic/{topic.replace('://', '/')}?listenerName=inner%20door"
    assert headers["Authorization"] == "Bearer abc"


def redirects(door, count):
    """So many one after another, then the answer; it is asked by who follows them."""
    def hook(request):
        path, _, query = request.path.partition("?")
        done = int(query.partition("hop=")[2] or 0)
        if "/lookup/" in path and done < count:
            request.answer(307, b"", Location=f"{door.url}{path}?hop={done + 1}")
        else:
            request.usual()
    return hook


def test_redirects_are_followed(door, hulsed, topic):
    """With the credentials, as the official clients do; 20 of them."""
    door.hook = redirects(door, 20)
    daemon = hulsed(door.url, auth={"token": "abc"})
    ok(run(daemon, "pub", topic, "hello", timeout=60))
    assert door.asked[-1][0].endswith("hop=20") and door.asked[-1][1]["Authorization"] == "Bearer abc"


def test_redirects_without_an_end(door, hulsed, topic):
    door.hook = redirects(door, 21)
    daemon = hulsed(door.url, operation_timeout="3s")
    refused(daemon, topic, "from one broker to the next")
    assert not any(path.endswith("hop=21") for path, _ in door.asked)


LIES = {"not JSON": b"<html>", "nothing": b"", "another thing": [1], "no address": {"brokerUrl": 7},
        "an address that is none": {"brokerUrl": "pulsar://-"}, "two addresses": {"brokerUrl": "pulsar://a,b"},
        "another scheme": {"brokerUrl": "http://a"}, "too much": b"[" * (1 << 20)}


@pytest.mark.parametrize("lie", LIES)
def test_lies_about_the_owner(door, hulsed, topic, lie):
    """Said, tried again, and when it is true all goes on."""
    door.hook = lambda r: r.answer(200, LIES[lie]) if "/lookup/" in r.path else r.usual()
    daemon = hulsed(door.url, operation_timeout="2s")
    done = run(daemon, "pub", topic, "hello", timeout=60)
    assert done.returncode != 0 and done.stderr, done
    said = broker_stats(daemon)["last_failure"]  # each attempt says it anew, of the one or the other
    assert "127.0.0.1" in said or topic in said
    door.hook = None
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass


@pytest.mark.parametrize("count", [-1, 1 << 40, "3", None, 2.5])
def test_lies_about_partitions(door, hulsed, topic, count):
    door.hook = lambda r: r.answer(200, {"partitions": count})
    daemon = hulsed(door.url, operation_timeout="2s")
    done = run(daemon, "pub", topic, "hello", timeout=60)
    assert done.returncode != 0 and b"how many partitions" in done.stderr, done.stderr


def test_a_door_that_hangs(door, hulsed, topic):
    """The daemon ends while it waits, and goes on when it is answered."""
    door.hook = lambda request: request.hang()
    daemon = hulsed(door.url, operation_timeout="3s")
    done = run(daemon, "pub", topic, "hello", timeout=60)
    assert done.returncode != 0 and b"no answer" in done.stderr, done.stderr
    assert "no answer" in broker_stats(daemon)["last_failure"]
    door.hook = None
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass
    door.hook = lambda request: request.hang()
    asked = len(door.asked)
    assert run(daemon, "pub", topic + "-other", "hello", "--timeout", "100ms", timeout=60).returncode != 0
    assert len(door.asked) > asked
    assert daemon.stop() == 0


def test_a_door_that_is_not_ready(door, hulsed, topic):
    door.hook = lambda r: r.answer(503, b"busy") if len(door.asked) < 4 else r.usual()
    daemon = hulsed(door.url)
    ok(run(daemon, "pub", topic, "hello", timeout=60))


def test_the_next_host_is_asked(door, hulsed, topic):
    daemon = hulsed(f"http://127.0.0.1:9,{door.url.removeprefix('http://')}")
    ok(run(daemon, "pub", topic, "hello", timeout=60))


def test_nobody_is_there(hulsed, topic):
    daemon = hulsed("http://127.0.0.1:9", operation_timeout="2s")
    refused(daemon, topic, "127.0.0.1:9")
    assert run(daemon, "health", timeout=60).returncode == 69
