# SPDX-License-Identifier: Apache-2.0
"""Goal:   one consumer takes the topics of a list, or those that match a pattern: those that are there and those that come; one
        that goes does not end a pattern. Topics in memory and in the store.
Method: a namespace for each test, topics made by publishing to them; the daemon is killed in between."""

import itertools
import os

import pytest

from command import Subscriber, ok, publish, run
from conftest import Hulsed

NUMBERS = itertools.count(1)
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(name="space")
def namespace():
    return f"patterns/n{os.getpid()}-{next(NUMBERS)}"


def topic_of(space, name):
    return f"persistent://{space}/{name}"


def test_those_that_match_and_no_others(daemon, space):
    for name in ("a-1", "a-2", "b-1"):
        publish(daemon, topic_of(space, name), name.encode())
    done = run(daemon, "sub", f"{space}/a-.*", f"{space}/(a|x)-2", "-s", "s", "--regex",
               "--from", "earliest", "--timeout", "2s")
    assert sorted(ok(done).split()) == [b"a-1", b"a-2"]
    assert done.stderr.count(b"subscribed ") == 2


@pytest.mark.parametrize("pattern,words", [
    ("a/b", "only the part behind TENANT/NAMESPACE/"), ("a/b/(", "a group without its )"),
    ("(a)\\1", "back references"), ("(a{1,255}){1,255}", "too large")])
def test_what_is_no_pattern_is_a_mistake_of_the_caller(daemon, pattern, words):
    done = run(daemon, "sub", pattern, "-s", "s", "--regex")
    assert done.returncode == 64
    assert words in done.stderr.decode()


def test_one_that_comes_later_from_its_beginning(daemon, space):
    publish(daemon, topic_of(space, "a-1"), b"old")
    with Subscriber(daemon, f"{space}/a-.*", "-s", "s", "--regex", "-n", 3) as sub:
        publish(daemon, topic_of(space, "a-1"), b"new")
        assert sub.line() == b"new"
        publish(daemon, topic_of(space, "b-1"), b"another")
        publish(daemon, topic_of(space, "a-2"), b"first", b"second")
        assert sub.wait(60) == (b"first\nsecond\n", 0)


def test_it_waits_where_nothing_matches(daemon, space):
    with Subscriber(daemon, f"{space}/.*", "-s", "s", "--regex", "-n", 1) as sub:
        publish(daemon, topic_of(space, "a"), b"it came")
        assert sub.wait(60) == (b"it came\n", 0)


def test_one_that_goes_does_not_end_the_others(daemon, space):
    for name in ("a-1", "a-2"):
        publish(daemon, topic_of(space, name), b"x")
    with Subscriber(daemon, f"{space}/a-.*", "-s", "s", "--regex", "-n", 2) as sub:
        ok(run(daemon, "topics", "delete", topic_of(space, "a-1"), "--force"))
        publish(daemon, topic_of(space, "a-2"), b"still here")
        assert sub.line() == b"still here"
        publish(daemon, topic_of(space, "a-1"), b"and this one is back")
        assert sub.wait(60) == (b"and this one is back\n", 0)


def test_a_pattern_that_cannot_be_judged(daemon, space):
    for pattern, why in ((f"{space}/(a", "a group without its )"),
                         (f"{space}/(a)\\1", "back references"),
                         ("x/y*/z", "only the part behind")):
        done = run(daemon, "sub", pattern, "-s", "s", "--regex", "-n", "1")
        assert done.returncode != 0 and why.encode() in done.stderr, done.stderr


def test_a_list_of_topics(daemon, space):
    names = [topic_of(space, name) for name in ("a", "b")] + [f"non-persistent://{space}/c"]
    with Subscriber(daemon, *names, "-s", "s", "--from", "earliest", "-n", 3, topics=3) as sub:
        for name in names:
            publish(daemon, name, name.encode())
        out, code = sub.wait(60)
        assert (sorted(out.split()), code) == (sorted(n.encode() for n in names), 0)


def test_a_list_with_one_that_is_refused(daemon, space):
    done = run(daemon, "sub", topic_of(space, "a"), f"{space}/b", "-s", "s", "-n", "1", "-t", "key_shared")
    assert done.returncode != 0 and topic_of(space, "a").encode() in done.stderr
    done = run(daemon, "sub", f"{space}/a", topic_of(space, "a"), "-s", "s", "-n", "1")
    assert done.returncode != 0 and b"stands twice" in done.stderr


def test_the_daemon_dies_and_comes_back(tmp_path, space):
    daemon = Hulsed(tmp_path)
    try:
        publish(daemon, topic_of(space, "a-1"), b"x")
        with Subscriber(daemon, f"{space}/a-.*", "-s", "s", "--regex", "-n", 2) as sub:
            daemon.kill()
            daemon = Hulsed(tmp_path)
            publish(daemon, topic_of(space, "a-1"), b"again")
            assert sub.line() == b"again"
            publish(daemon, topic_of(space, "a-2"), b"new")
            assert sub.wait(60) == (b"new\n", 0)
    finally:
        daemon.kill()
