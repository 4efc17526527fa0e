# SPDX-License-Identifier: Apache-2.0
"""Goal:   a daemon that is a service in Athenz is let in by the broker's own provider, and when the ZTS does not give
        what it should, that is said and what is good stays in force.
Method: a real broker with its provider for Athenz, which checks role tokens by the key of a ZTS of the tests' own;
        that ZTS checks the principal token's signature, or the certificate."""

import json
import subprocess

import pytest

from admitted import await_stats, goes_through, health, refused
from certificates import Certificates
from command import Background, broker_stats, ok, run
from conftest import clean_environment, program
from zts import KEY_ID, PROVIDER, SERVICE, TENANT, Zts

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", name="broker")
def broker_with_athenz(new_broker):
    with new_broker("athenz") as broker:
        yield broker


@pytest.fixture(name="zts")
def honest_zts(broker):
    zts = Zts(broker.athenz)
    yield zts
    zts.close()


def athenz(broker, zts, key="tenant", **more):
    return {"athenz": {"zts_url": zts.url, "provider_domain": PROVIDER, "tenant_domain": TENANT,
                       "tenant_service": SERVICE, "key_id": KEY_ID,
                       "private_key_file": broker.athenz.path(key), **more}}


@pytest.mark.parametrize("key", ["tenant", "tenant_ec"])
def test_a_service(broker, hulsed, zts, topic, key):
    """One role token for all, and the REST API takes it too; nothing of it is told."""
    daemon = hulsed(broker.service_url, operation_timeout="30s", admin_url=broker.admin_url,
                    auth=athenz(broker, zts, key))
    for n in range(3):
        assert goes_through(daemon, f"{topic}-{n}")
    assert f"{topic}-0" in ok(run(daemon, "topics", "list", "public/default", timeout=60)).decode()
    assert zts.asked == [(f"{TENANT}.{SERVICE}",
                          {"minExpiryTime": "7200", "maxExpiryTime": "86400"})]
    got = broker_stats(daemon)
    assert got["token_failures"] == 0 and 7000 < got["token_seconds_to_expiry"] <= 7200
    log = daemon.log.read_text()
    assert "v=Z1" not in log and "v=S1" not in log


def test_a_name_in_capitals_and_another_header(broker, hulsed, topic):
    """As the client for Java, which makes both small before it signs; its URL has a path."""
    zts = Zts(broker.athenz, header="X-Who-Asks")
    daemon = hulsed(broker.service_url, operation_timeout="30s",
                    auth=athenz(broker, zts, tenant_domain=TENANT.upper(),
                                tenant_service=SERVICE.title(), zts_url=f"{zts.url}/zts/v1/",
                                principal_header="X-Who-Asks"))
    assert goes_through(daemon, topic)
    zts.close()


def test_a_certificate(broker, hulsed, topic, tmp_path):
    """Copper Argos: the ZTS sees who it is, and gets no principal token."""
    tls = Certificates(tmp_path / "tls")
    tls.sign(f"{TENANT}.{SERVICE}", "DNS:elsewhere.invalid")
    zts = Zts(broker.athenz, tls=tls)
    auth = {"athenz": {"zts_url": zts.url, "provider_domain": PROVIDER, "ca_file": tls.path("ca"),
                       "cert_file": tls.path(f"{TENANT}.{SERVICE}"),
                       "private_key_file": str(tls.folder / "server.key")}}
    daemon = hulsed(broker.service_url, operation_timeout="30s", auth=auth)
    assert goes_through(daemon, topic)
    assert [who for who, _ in zts.asked] == [f"{TENANT}.{SERVICE}"]
    zts.close()


def test_a_zts_that_is_not_trusted(broker, hulsed, tmp_path):
    tls = Certificates(tmp_path / "tls")
    zts = Zts(broker.athenz, tls=tls)
    daemon = hulsed(broker.service_url, operation_timeout="3s",
                    auth=athenz(broker, zts, ca_file=tls.path("stranger")))
    got = await_stats(daemon, lambda s: s["token_failures"] > 0)
    assert "certificate" in got["token_failure"] and zts.asked == [], got
    zts.close()


@pytest.mark.parametrize("mood, word", [
    ("refuses", "ZTS: HTTP 403"), ("garbage", "no token"), ("no token", "no token"),
    ("no expiry", "no expiryTime"), ("down", "ZTS: HTTP 503"), ("huge", "too large"),
    ("hangs", "no answer within"), ("expired", "expired")])
def test_a_zts_that_gives_none(broker, hulsed, zts, topic, mood, word):
    """It is said in all places, and when it does the daemon goes on by itself."""
    zts.mood = mood
    daemon = hulsed(broker.service_url, auth=athenz(broker, zts), operation_timeout="3s")
    got = await_stats(daemon, lambda s: s["token_failures"] > 0)
    assert word in got["token_failure"], got
    assert word in health(daemon)["token"]
    assert word in run(daemon, "pub", topic, "x", timeout=60).stderr.decode()
    zts.mood = "good"
    await_stats(daemon, lambda s: s["token_failures"] == 0)
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass


@pytest.mark.parametrize("mood", ["forges", "elsewhere"])
def test_a_role_token_that_the_broker_does_not_take(broker, hulsed, zts, topic, mood):
    """It is refused, another one is fetched because of that, and what is good then is used."""
    zts.mood = mood
    daemon = hulsed(broker.service_url, auth=athenz(broker, zts), operation_timeout="3s")
    refused(daemon, topic, "AuthenticationError")
    zts.mood = "good"
    while run(daemon, "pub", topic, "hello", timeout=60).returncode != 0:
        pass
    assert len(zts.asked) > 1


def test_a_key_that_the_zts_does_not_know(broker, hulsed, zts):
    daemon = hulsed(broker.service_url, auth=athenz(broker, zts, "other"), operation_timeout="3s")
    got = await_stats(daemon, lambda s: s["token_failures"] > 0)
    assert "ZTS: HTTP 403" in got["token_failure"]
    assert zts.asked[0][0] is None


def test_a_token_that_cannot_be_renewed_stays_in_force(broker, hulsed, zts, topic):
    zts.life_s = 10
    daemon = hulsed(broker.service_url, operation_timeout="30s", auth=athenz(broker, zts))
    with Background(daemon, "sub", topic, "-s", "s", "--from", "earliest") as sub:
        ok(run(daemon, "pub", topic, "before", timeout=60))
        assert sub.line() == b"before"
        zts.mood = "down"
        got = await_stats(daemon, lambda s: s["token_failures"] > 0)
        assert "HTTP 503" in got["token_failure"] and got["healthy"], got
        ok(run(daemon, "pub", topic, "meanwhile", timeout=60))
        assert sub.line() == b"meanwhile"
        zts.mood = "good"
        await_stats(daemon, lambda s: s["token_failures"] == 0)
        ok(run(daemon, "pub", topic, "after", timeout=60))
        assert sub.line() == b"after"


@pytest.mark.parametrize("change, key, word", [
    ({"private_key_file": "/nowhere/key"}, "private_key_file", "No such file"),
    ({"private_key_file": "/etc/passwd"}, "private_key_file", "PEM"),
    ({"private_key_file": "LOCKED"}, "private_key_file", "without a passphrase"),
    ({"ca_file": "/nowhere/ca"}, "ca_file", "No such file"),
    ({"tenant_service": None}, "athenz", "tenant_domain and tenant_service"),
    ({"provider_domain": "a/b"}, "provider_domain", "letters"),
    ({"cert_file": "/c"}, "cert_file", "certificate says who")])
def test_check_finds_what_is_wrong(broker, zts, tmp_path, change, key, word):
    config = tmp_path / "hulse.yaml"
    auth = athenz(broker, zts)
    auth["athenz"].update({k: broker.athenz.path("locked") if v == "LOCKED" else v
                           for k, v in change.items()})
    config.write_text(json.dumps({"brokers": {"main": {
        "type": "pulsar", "service_url": "pulsar://127.0.0.1", "auth": auth}}}))
    done = subprocess.run([program("hulsed"), "--check", "--config", config], text=True,
                          env=clean_environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode == 78
    assert key in done.stderr and word in done.stderr, done.stderr
