# SPDX-License-Identifier: Apache-2.0
"""Goal:   a daemon with a key in a keytab is let in by the broker's own provider for SASL, each connection with tickets of
        its own; what is wrong with the centre, the key or the broker is said, and disturbs no other broker.
Method: a real key distribution centre (MIT's) and a real broker with its provider, both of the tests' own; the centre is
        stopped and frozen; a scripted broker says what a real one does not."""

import json
import os
import subprocess

import pytest

import kdc as centre
from admitted import goes_through, refused
from command import Background, ok, run
from conftest import clean_environment, program

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", name="broker")
def broker_with_kerberos(new_broker):
    why = centre.missing()
    if why:
        pytest.skip(why)
    with new_broker("kerberos") as broker:
        yield broker
        broker.kdc.stop()


@pytest.fixture(name="kdc")
def running_centre(broker):
    if broker.kdc.process is None:
        broker.kdc.start()
    yield broker.kdc
    if broker.kdc.process is not None:
        broker.kdc.thaw()


@pytest.fixture(name="start")
def start_daemon(kdc, configured):
    """start(URL, principal, keytab, other brokers, **members of the broker)"""
    def begin(url, principal=centre.CLIENT, keytab="client", others=None, service=None, **members):
        auth = {"principal": f"{principal}@{centre.REALM}", "keytab_file": kdc.keytab(keytab)}
        auth |= {"service": service} if service else {}
        return configured({"default_broker": "main", "brokers": {
            "main": {"type": "pulsar", "service_url": url.replace("127.0.0.1", "localhost"),
                     "operation_timeout": "5s", "auth": {"kerberos": auth}, **members},
            **(others or {})},
            "topics": [{"match": "persistent://public/default/other-*", "broker": name}
                       for name in others or ()]}, **kdc.environment)

    return begin


# ---- a real broker


def test_a_keytab(broker, start, topic):
    """Many topics over several connections."""
    daemon = start(broker.service_url)
    for n in range(4):
        assert goes_through(daemon, f"{topic}-{n}")
    assert broker.lines(f"connected with role={centre.CLIENT}@{centre.REALM} using authMethod=sasl")
    assert "failed" not in daemon.log.read_text()


def test_an_identity_that_is_not_allowed(broker, start, topic):
    daemon = start(broker.service_url, centre.OTHER, "other", operation_timeout="3s")
    refused(daemon, topic, "AuthenticationError")


def test_a_key_that_is_not_valid_any_more(broker, kdc, start, topic):
    kdc.admin(f"addprinc -randkey hulse/old@{centre.REALM}")
    kdc.admin(f"ktadd -k {kdc.keytab('old')} hulse/old@{centre.REALM}")
    kdc.admin(f"cpw -randkey hulse/old@{centre.REALM}")
    daemon = start(broker.service_url, "hulse/old", "old", operation_timeout="3s")
    refused(daemon, topic, f"Kerberos: no ticket for hulse/old@{centre.REALM} by its key")


def test_a_service_that_the_centre_does_not_know(broker, start, topic):
    daemon = start(broker.service_url, service="nobody", operation_timeout="3s")
    refused(daemon, topic, f"nobody/localhost@{centre.REALM} not found in Kerberos database")


def test_a_centre_that_is_away(broker, kdc, start, topic):
    """Whoever is connected goes on; who comes hears why not, until it is there again."""
    daemon = start(broker.service_url, operation_timeout="3s")
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest") as sub:
        ok(run(daemon, "pub", topic, "before", timeout=60))
        assert sub.line() == b"before"
        kdc.stop()
        ok(run(daemon, "pub", topic, "meanwhile", timeout=60))
        assert sub.line() == b"meanwhile"
    daemon.stop()
    daemon = start(broker.service_url, operation_timeout="3s")
    refused(daemon, f"{topic}-1", "Kerberos: no ticket for hulse/worker@HULSE.TEST by its key in "
                                  "the keytab: Cannot contact any KDC")
    kdc.start()
    while run(daemon, "pub", topic, "after", timeout=60).returncode != 0:
        pass


def test_a_centre_that_hangs(broker, kdc, start, topic, fake):
    """Other brokers of the same daemon do not notice, and its end waits for nobody."""
    kdc.freeze()
    daemon = start(broker.service_url, operation_timeout="2s",
                   others={"other": {"type": "pulsar", "service_url": fake.url}})
    refused(daemon, topic, "Kerberos: no ticket within its time")
    for _ in range(3):
        ok(run(daemon, "pub", "public/default/other-topic", "hello", timeout=60))
    kdc.thaw()
    while run(daemon, "pub", topic, "after", timeout=60).returncode != 0:
        pass
    kdc.freeze()
    assert daemon.stop() == 0
    kdc.thaw()


# ---- a broker that is none


def challenge(request, data):
    request.connection.connect = request.fields
    request.connection.send("AUTH_CHALLENGE", server_version="fake", protocol_version=21,
                            challenge={"auth_method_name": "sasl", "auth_data": data})


@pytest.mark.parametrize("data, word", [
    (b"garbage", "the broker does not prove who it is"), (b"", "Kerberos"),
    (b"x" * 3001, "challenge is too long")])
def test_a_broker_that_lies(fake, start, topic, data, word):
    fake.on("CONNECT", lambda request: challenge(request, data))
    daemon = start(fake.url, operation_timeout="3s")
    done = run(daemon, "pub", topic, "x", timeout=60)
    assert done.returncode != 0 and word in done.stderr.decode(), done.stderr
    assert fake.heard("CONNECT") and not fake.heard("AUTH_RESPONSE")


def test_a_broker_that_is_content_at_once(fake, start, topic):
    """As without a login: it has not proved who it is, no more than with a token."""
    daemon = start(fake.url)
    ok(run(daemon, "pub", topic, "hello", timeout=60))
    for said in fake.heard("CONNECT"):
        assert said.fields["auth_method_name"] == "sasl"
        assert said.fields["auth_data"][:1] == b"\x60"


def test_a_broker_that_asks_again(fake, start, topic):
    """On an open connection another login begins, with another ticket, and nothing is lost."""
    daemon = start(fake.url)
    ok(run(daemon, "pub", topic, "hello", timeout=60))
    connections = len(fake.heard("CONNECT"))
    for n in range(1, 4):
        fake.challenge()
        fake.wait_for("AUTH_RESPONSE", n * connections)
        ok(run(daemon, "pub", topic, "x", timeout=60))
    shown = [said.fields["response"]["auth_data"] for said in fake.heard("AUTH_RESPONSE")]
    assert len(set(shown)) == len(shown) and all(token[:1] == b"\x60" for token in shown)
    assert len(fake.heard("CONNECT")) == connections


# ---- mistakes of the operator


@pytest.mark.parametrize("change, key, word", [
    ({"keytab_file": "/nowhere/keytab"}, "keytab_file", "No such file"),
    ({"keytab_file": "/etc/passwd"}, "keytab_file", "not a keytab"),
    ({"keytab_file": None}, "kerberos", "principal and keytab_file"),
    ({"principal": "two words"}, "principal", "REALM"),
    ({"principal": None, "keytab_file": None, "service": "s"}, "kerberos", "needs a principal")])
def test_check_finds_what_is_wrong(tmp_path, change, key, word):
    config = tmp_path / "hulse.yaml"
    auth = {"principal": "p@R", "keytab_file": "/nowhere/keytab", **change}
    config.write_text(json.dumps({"brokers": {"main": {
        "type": "pulsar", "service_url": "pulsar://127.0.0.1", "auth": {"kerberos": auth}}}}))
    done = subprocess.run([program("hulsed"), "--check", "--config", config], text=True,
                          env=clean_environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode == 78
    assert key in done.stderr and word in done.stderr, done.stderr


def test_the_program_by_hand(broker, kdc):
    """An operator who looks for what is wrong runs it himself."""
    def by_hand(*words):
        return subprocess.run([program("hulse-kerberos"), *words], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False,
                              env={**os.environ, **kdc.environment})
    done = by_hand(kdc.keytab("client"), centre.CLIENT, "broker", "localhost")
    assert done.stdout.startswith("Y") and done.returncode == 1
    assert by_hand("too", "few").returncode == 64
    done = by_hand("/nowhere", centre.CLIENT, "broker", "localhost")
    assert done.returncode == 1 and "no ticket for" in done.stderr
