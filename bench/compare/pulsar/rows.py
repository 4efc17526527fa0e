# SPDX-License-Identifier: Apache-2.0
"""What is measured of a client: each row begins with a topic of its own and ends when nothing is missing."""

import contextlib
import itertools
import os
import time

import process
from load import App, Broken, expect, measured

NUMBERS = itertools.count(1)
SETTLE_S = 10  # for the broker's counters
WINDOW = 10000
SIZE = 128
RATE = 1000
CHUNKED_SIZE = 20 << 20
CHUNKED_WINDOW = 16  # of some clients in chunks
CHUNKS = 5
HELD_MESSAGES = 100
PARTITIONS = 16


class Topic:
    """With a subscription, so that what is published stays until it is acknowledged."""

    suffix = ""

    def __init__(self, broker, subscribed=True):
        self.broker = broker
        self.name = f"bench-{os.getpid()}-{next(NUMBERS)}{self.suffix}"
        self.url = f"persistent://public/default/{self.name}"
        self.create()
        if subscribed:
            self.ask("PUT", "/subscription/bench")

    def create(self):
        self.ask("PUT")

    def ask(self, method, path="", body=None):
        status, answer = self.broker.admin(method, f"persistent/public/default/{self.name}{path}",
                                           body)
        if status >= 300:
            raise Broken(f"{method} {self.name}{path}: {status} {answer}")
        return answer

    def stats(self):
        return self.ask("GET", "/stats")

    def entries(self):
        return self.ask("GET", "/internalStats")["entriesAddedCounter"]

    def await_counters(self, what, stored, backlog=None):
        """The broker has so many, and so many of them are not acknowledged."""
        end = time.monotonic() + SETTLE_S
        while True:
            stats = self.stats()
            got = stats["msgInCounter"], stats["subscriptions"].get("bench", {}).get("msgBacklog")
            if got[0] == stored and backlog in (None, got[1]):
                return
            if time.monotonic() > end:
                raise Broken(f"{what}: the broker has {got[0]} messages, {got[1]} of them not "
                             f"acknowledged, not {stored} and {backlog}")
            time.sleep(0.1)

    def remove(self):
        self.ask("DELETE", "?force=true")


class Chunked(Topic):
    """The name says it to Hulse's rules."""

    suffix = "-chunks"


class Partitioned(Topic):
    def create(self):
        self.ask("PUT", "/partitions", PARTITIONS)

    def stats(self):
        return self.ask("GET", "/partitioned-stats")

    def entries(self):
        parts = self.ask("GET", "/partitioned-internalStats")["partitions"]
        return sum(part["entriesAddedCounter"] for part in parts.values())

    def remove(self):
        self.ask("DELETE", "/partitions?force=true")


@contextlib.contextmanager
def stage(client, broker, kind=Topic):
    """Its daemon, if it has one, and a topic."""
    topic = kind(broker)
    try:
        yield client.begin(broker), topic
    finally:
        client.end()
    topic.remove()


def publish_and_consume(client, broker, size, delay, times):
    """Two rows: all that the first publishes the second consumes and acknowledges, one by one."""
    common = {"size": size, "window": WINDOW}
    with stage(client, broker) as (url, topic):
        published = measured(client, broker, url, "publish", topic=topic.url, delay=delay,
                             warm=times.warm, measure=times.measure, **common)
        sent = published["sent"]
        expect(published, receipts=sent, wrong=0)
        topic.await_counters(published["what"], sent)
        published["per_entry"] = sent / topic.entries()
        consumed = measured(client, broker, url, "consume", topic=topic.url, count=sent, **common)
        expect(consumed, received=sent, acknowledged=sent, wrong=0)
        topic.await_counters(consumed["what"], sent, backlog=0)
    for found in (published, consumed):
        found["rate"] = found["measured"] / found["seconds"]
    return published, consumed


def publish_and_consume_chunks(client, broker, times):
    """The same of messages that are larger than the broker takes; it counts their chunks."""
    common = {"size": CHUNKED_SIZE, "window": CHUNKED_WINDOW, "chunks": 1}
    with stage(client, broker, Chunked) as (url, topic):
        published = measured(client, broker, url, "publish", topic=topic.url, delay="default",
                             warm=times.warm, measure=times.measure, **common)
        sent = published["sent"]
        expect(published, receipts=sent, wrong=0)
        topic.await_counters(published["what"], sent * CHUNKS)
        consumed = measured(client, broker, url, "consume", topic=topic.url, count=sent, **common)
        expect(consumed, received=sent, acknowledged=sent, wrong=0)
        topic.await_counters(consumed["what"], sent * CHUNKS, backlog=0)
    for found in (published, consumed):
        found["rate"] = found["measured"] / found["seconds"]
    return published, consumed


def publish_to_partitions(client, broker, times):
    """By the client's own way to find one for a message without a key."""
    with stage(client, broker, Partitioned) as (url, topic):
        found = measured(client, broker, url, "publish", topic=topic.url, size=SIZE, window=WINDOW,
                         delay="default", warm=times.warm, measure=times.measure)
        expect(found, receipts=found["sent"], wrong=0)
        topic.await_counters(found["what"], found["sent"])
        found["per_entry"] = found["sent"] / topic.entries()
    found["rate"] = found["measured"] / found["seconds"]
    return found


def latency(client, broker, delay, times):
    """One process publishes at a rate and gets what it publishes."""
    with stage(client, broker) as (url, topic):
        found = measured(client, broker, url, "latency", topic=topic.url, size=SIZE, window=WINDOW,
                         rate=RATE, delay=delay, warm=times.warm, measure=times.paced)
        sent = found["sent"]
        expect(found, receipts=sent, received=sent, acknowledged=sent, wrong=0)
        topic.await_counters(found["what"], sent, backlog=0)
    return found


def held(client, broker, count):
    """So many processes that have published a little: their connections and their memory."""
    topics = [Topic(broker, subscribed=False) for _ in range(count)]
    apps = []
    try:
        url = client.begin(broker)
        for topic in topics:
            apps.append(App(client, url, "hold", topic=topic.url, size=SIZE,
                            window=HELD_MESSAGES, count=HELD_MESSAGES))
        for app in apps:
            found = app.hear()
            found["what"] = app.what
            expect(found, sent=HELD_MESSAGES, receipts=HELD_MESSAGES, wrong=0)
        pids = [app.pid for app in apps] + ([client.daemon_pid] if client.daemon_pid else [])
        result = {"sockets": process.connections(pids, broker.ports["binary_port"]),
                  "pss_mb": sum(map(process.pss_mb, pids)),
                  "app_pss_mb": sum(process.pss_mb(app.pid) for app in apps)}
        for app in apps:
            app.end()
        for topic in topics:
            topic.await_counters(client.title, HELD_MESSAGES)
    finally:
        for app in apps:
            app.close()
        client.end()
    for topic in topics:
        topic.remove()
    return result


def first(client, broker):
    """From the start of a process to the receipt of its first message. A daemon that was there before has its
    connection, and has never heard of the topic, which is the broker's already."""
    with stage(client, broker) as (url, topic):
        if client.daemon_pid:
            one(client, url, Topic(broker))
        app = one(client, url, topic)
        topic.await_counters(app.what, 1)
    return {"ms": app.first_ms}


def one(client, url, topic):
    app = App(client, url, "hold", topic=topic.url, size=SIZE, window=HELD_MESSAGES, count=1)
    try:
        found = app.hear()
        found["what"] = app.what
        expect(found, sent=1, receipts=1, wrong=0)
        app.first_ms = (found["last_ns"] - app.begun_ns) / 1e6
        app.end()
    finally:
        app.close()
    return app
