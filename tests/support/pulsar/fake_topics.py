# SPDX-License-Identifier: Apache-2.0
"""What a scripted broker keeps: topics in memory, their producers, subscriptions and consumers.

A topic is one ledger, the number of an entry is its index. Keys stick to consumers by the hash of their bytes."""

import time

import frames

INT64_MAX = (1 << 63) - 1


def signed(number):
    """An unsigned number of the wire that is meant as a signed one."""
    return number - (1 << 64) if number > INT64_MAX else number


class Refused(Exception):
    """With the name of a ServerError."""

    def __init__(self, error, text):
        super().__init__(text)
        self.error, self.text = error, text


class Entry:
    def __init__(self, rest, metadata, highest_sequence_id):
        self.rest, self.metadata = rest, metadata
        self.highest_sequence_id = highest_sequence_id
        self.count = metadata.get("num_messages_in_batch", 1)
        self.published_ms = int(time.time() * 1000)
        self.deliver_ms = metadata.get("deliver_at_time", 0)
        self.key = metadata.get("ordering_key") or metadata.get("partition_key", "").encode()

    @property
    def messages(self):
        """The payload, as it is on the wire."""
        return frames.unpack_entry(self.rest)[1]


class Producer:
    def __init__(self, connection, number, name, topic, mode):
        self.connection, self.number, self.name = connection, number, name
        self.topic, self.mode = topic, mode
        self.failed = None  # an error after which nothing is stored


class Consumer:
    def __init__(self, connection, number, name, priority):
        self.connection, self.number, self.name = connection, number, name
        self.priority, self.permits = priority, 0
        self.subscription = None
        self.told_active = None
        self.told_end = False


class Subscription:
    def __init__(self, topic, name, kind, durable, read):
        self.topic, self.name, self.kind, self.durable = topic, name, kind, durable
        self.read = read          # the next one that was never handed out
        self.mark = read          # all before are acknowledged
        self.acked = set()        # at or behind the mark
        self.replay = set()
        self.unacked = {}         # index -> consumer
        self.redeliveries = {}
        self.ack_sets = {}        # index -> what is left of a batch
        self.consumers = []
        self.turn = 0
        self.timer = None

    # ---- who gets what

    def active(self):
        return min(self.consumers, key=lambda c: c.priority) if self.consumers else None

    def choose(self, entry):
        if self.kind in ("Exclusive", "Failover"):
            active = self.active()
            return active if active and active.permits > 0 else None
        if self.kind == "Key_Shared":
            # The broker's own ranges are none of a client's business: that one has a key is.
            chosen = self.consumers[frames.crc32c(entry.key) % len(self.consumers)]
            return chosen if chosen.permits > 0 else None
        for _ in self.consumers:
            self.turn += 1
            consumer = self.consumers[self.turn % len(self.consumers)]
            if consumer.permits > 0:
                return consumer
        return None

    def is_acked(self, index):
        return index < self.mark or index in self.acked

    def candidates(self):
        yield from sorted(self.replay)
        while self.read < len(self.topic.entries):
            if not self.is_acked(self.read):
                yield self.read
            else:
                self.read += 1

    def dispatch(self):
        now_ms, waits = time.time() * 1000, None
        for index in self.candidates():
            entry = self.topic.entries[index]
            if self.kind in ("Shared", "Key_Shared") and entry.deliver_ms > now_ms:
                waits = min(waits or entry.deliver_ms, entry.deliver_ms)
                self.replay.add(index)
                self.read = max(self.read, index + 1)
                continue
            consumer = self.choose(entry) if self.consumers else None
            if consumer is None:
                break
            self.deliver(index, entry, consumer)
        if waits is not None and self.timer is None:
            self.timer = self.topic.later((waits - now_ms) / 1000, self.wake)
        self.tell_end()

    def wake(self):
        self.timer = None
        self.dispatch()

    def deliver(self, index, entry, consumer):
        self.replay.discard(index)
        self.read = max(self.read, index + 1)
        self.unacked[index] = consumer
        consumer.permits -= entry.count
        fields = {"consumer_id": consumer.number,
                  "message_id": self.topic.id_of(index),
                  "redelivery_count": self.redeliveries.get(index, 0)}
        if index in self.ack_sets:
            fields["ack_set"] = self.ack_sets[index]
        consumer.connection.send("MESSAGE", rest=entry.rest, **fields)

    def tell_active(self):
        if self.kind == "Failover":
            active = self.active()
            for consumer in self.consumers:
                if consumer.told_active != (consumer is active):
                    consumer.told_active = consumer is active
                    consumer.connection.send("ACTIVE_CONSUMER_CHANGE",
                                             consumer_id=consumer.number,
                                             is_active=consumer is active)

    def tell_end(self):
        if self.topic.terminated and self.mark == len(self.topic.entries):
            for consumer in self.consumers:
                if not consumer.told_end:
                    consumer.told_end = True
                    consumer.connection.send("REACHED_END_OF_TOPIC", consumer_id=consumer.number)

    # ---- verdicts

    def ack(self, index):
        if not self.is_acked(index):
            self.acked.add(index)
        self.unacked.pop(index, None)
        self.replay.discard(index)
        self.ack_sets.pop(index, None)
        while self.mark in self.acked:
            self.acked.discard(self.mark)
            self.mark += 1

    def ack_part(self, index, ack_set):
        """Of a batch, where the broker keeps that."""
        left = self.ack_sets.get(index, [-1] * len(ack_set))
        left = [a & b for a, b in zip(left, ack_set)]
        if any(left):
            self.ack_sets[index] = left
        else:
            self.ack(index)

    def ack_up_to(self, index):
        for each in range(self.mark, index + 1):
            self.ack(each)

    def redeliver(self, consumer, indexes=None):
        for index, holder in list(self.unacked.items()):
            if holder is consumer and (indexes is None or index in indexes):
                del self.unacked[index]
                self.replay.add(index)
                if self.kind in ("Shared", "Key_Shared"):
                    self.redeliveries[index] = self.redeliveries.get(index, 0) + 1
        self.dispatch()

    def add(self, consumer):
        consumer.subscription = self
        self.consumers.append(consumer)
        self.tell_active()

    def remove(self, consumer):
        self.consumers.remove(consumer)
        for index, holder in list(self.unacked.items()):
            if holder is consumer:
                del self.unacked[index]
                self.replay.add(index)
        if not self.consumers and not self.durable:
            self.topic.subscriptions.pop(self.name, None)
        self.tell_active()
        self.dispatch()

    def move(self, index):
        self.read = self.mark = index
        self.acked, self.replay = set(), set()
        self.unacked, self.redeliveries, self.ack_sets = {}, {}, {}


class Topic:
    def __init__(self, name, ledger_id, later):
        self.name, self.ledger_id, self.later = name, ledger_id, later
        self.entries = []
        self.producers = {}       # by name
        self.subscriptions = {}
        self.last_sequence = {}   # by producer's name, as a broker keeps it for deduplication
        self.terminated = False
        self.schemas = []

    def id_of(self, index):
        return {"ledgerId": self.ledger_id, "entryId": index, "partition": -1}

    def index_of(self, message_id):
        """Of an id that may be before the first or behind the last entry."""
        ledger, entry = signed(message_id["ledgerId"]), signed(message_id["entryId"])
        if ledger != self.ledger_id:
            return 0 if ledger < self.ledger_id else len(self.entries)
        return max(0, min(entry, len(self.entries)))

    def index_at(self, time_ms):
        return next((i for i, entry in enumerate(self.entries) if entry.published_ms >= time_ms),
                    len(self.entries))

    def append(self, entry):
        self.entries.append(entry)
        return len(self.entries) - 1

    def dispatch(self):
        for subscription in list(self.subscriptions.values()):
            subscription.dispatch()

    def subscribe(self, fields, kind):
        """The subscription of a SUBSCRIBE, made if need be."""
        name = fields["subscription"]
        subscription = self.subscriptions.get(name)
        if subscription is None:
            if fields.get("start_message_id"):
                read = self.index_of(fields["start_message_id"])
            elif fields.get("initialPosition", 0) == 1:
                read = 0
            else:
                read = len(self.entries)
            durable = fields.get("durable", True)
            subscription = self.subscriptions[name] = Subscription(self, name, kind, durable, read)
        elif subscription.consumers and subscription.kind != kind:
            raise Refused("ConsumerBusy", "Subscription is of different type")
        elif subscription.consumers and kind == "Exclusive":
            raise Refused("ConsumerBusy", "Exclusive consumer is already connected")
        subscription.kind = kind
        return subscription
