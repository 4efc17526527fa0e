# SPDX-License-Identifier: Apache-2.0
"""Whether a cluster lets a daemon in."""

import json

from command import broker_stats, ok, run


def goes_through(daemon, topic):
    ok(run(daemon, "pub", topic, "hello", timeout=60))
    out = ok(run(daemon, "sub", topic, "-s", "s", "--from", "earliest", "-n", 1, timeout=60))
    return out == b"hello\n"


def refused(daemon, topic, word):
    """Nothing is published or consumed, and the command, the log and the status say why."""
    for words, event in ((("sub", topic, "-s", "s", "-n", 1), "pulsar.consumer_refused"),
                         (("pub", topic, "hello"), "pulsar.producer_refused")):
        done = run(daemon, *words, timeout=60)
        assert done.returncode != 0
        assert word in done.stderr.decode(), done.stderr
        (line,) = daemon.await_lines(event)
        assert word in line["why"], line
    assert word in broker_stats(daemon)["last_failure"], broker_stats(daemon)
    return done


def health(daemon):
    answer = json.loads(run(daemon, "health", "--json").stdout)
    return next(b for b in answer["brokers"] if b["name"] == "main")


def await_stats(daemon, condition):
    while not condition(got := broker_stats(daemon)):
        pass
    return got
