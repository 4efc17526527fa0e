# SPDX-License-Identifier: Apache-2.0
"""What tests do with the official client for Python again and again."""

import pulsar as library

RECEIVE_MS = 20000


def received(client, topic, count, subscription="official", **options):
    """The next messages that a new consumer gets, acknowledged."""
    consumer = client.subscribe(topic, subscription,
                                initial_position=library.InitialPosition.Earliest, **options)
    got = []
    for _ in range(count):
        got.append(consumer.receive(RECEIVE_MS))
        consumer.acknowledge(got[-1])
    consumer.close()
    return got
