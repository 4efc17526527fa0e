# SPDX-License-Identifier: Apache-2.0
"""The default answers of a scripted broker: what a correct one does, as far as clients see."""

import frames
from fake_topics import Consumer, Entry, Producer, Refused

NONE = (1 << 64) - 1  # -1 on the wire


def answer(request, **options):
    handler = HANDLERS.get(request.name)
    if handler is None:
        raise ValueError(f"{request.name} is nothing for a broker")
    try:
        handler(request, **options)
    except Refused as refused:
        request.fail(refused.error, refused.text)


# ---- connections


def connect(request):
    request.connection.connect = request.fields
    request.connection.send("CONNECTED", server_version="fake",
                            protocol_version=min(21, request.fields.get("protocol_version", 0)),
                            max_message_size=request.fake.message_bytes_max,
                            feature_flags=request.fake.features)


def ping(request):
    request.connection.send("PONG")


def nothing(_):
    pass


def leave(connection):
    """The connection has gone."""
    for producer in list(connection.producers.values()):
        remove_producer(producer)
    for consumer in list(connection.consumers.values()):
        remove_consumer(consumer)


# ---- lookups


def partitions(request):
    name = request.fields["topic"]
    fake = request.fake
    create = fake.auto_create and request.fields.get("metadata_auto_creation_enabled", True)
    if name not in fake.partitions and name not in fake.topics and not create:
        request.reply("PARTITIONED_METADATA_RESPONSE", response=1, error="TopicNotFound",
                      message=f"Topic not found: {name}")
        return
    request.reply("PARTITIONED_METADATA_RESPONSE", response=0,
                  partitions=fake.partitions.get(name, 0))


def lookup(request):
    url = {"brokerServiceUrlTls" if request.fake.tls else "brokerServiceUrl": request.fake.url}
    request.reply("LOOKUP_RESPONSE", response=1, authoritative=True, **url)


def topics_of_namespace(request):
    prefix = f"persistent://{request.fields['namespace']}/"
    names = [name for name in request.fake.topics if name.startswith(prefix)]
    request.reply("GET_TOPICS_OF_NAMESPACE_RESPONSE", topics=names)


# ---- producers


def find_topic(request):
    topic = request.fake.topic(request.fields["topic"], request.fake.auto_create)
    if topic is None:
        raise Refused("TopicNotFound", f"Topic {request.fields['topic']} not found")
    return topic


def check_access(topic, mode):
    others = list(topic.producers.values())
    if mode == "ExclusiveWithFencing":
        for other in others:
            other.connection.drop()
            remove_producer(other)
    elif others and mode != "Shared":
        raise Refused("ProducerFenced", "Topic has an existing producer")
    elif any(other.mode != "Shared" for other in others):
        raise Refused("ProducerBusy", "Topic has an existing exclusive producer")


def producer(request, last_sequence_id=None):
    fields, fake = request.fields, request.fake
    topic = find_topic(request)
    if topic.terminated:
        raise Refused("TopicTerminatedError", "Topic was already terminated")
    name = fields.get("producer_name") or fake.new_name("producer")
    mode = frames.API.name_of("ProducerAccessMode", fields.get("producer_access_mode", 0))
    other = topic.producers.get(name)
    if other is not None and (other.connection is not request.connection or
                              other.number != fields["producer_id"]):
        raise Refused("ProducerBusy", f"Producer with name '{name}' is already connected to topic")
    if other is None:
        check_access(topic, mode)
        made = Producer(request.connection, fields["producer_id"], name, topic, mode)
        request.connection.producers[made.number] = topic.producers[name] = made
        request.connection.told_closed.discard(made.number)
    last = topic.last_sequence.get(name, -1) if fake.deduplication else -1
    request.reply("PRODUCER_SUCCESS", producer_name=name, schema_version=b"",
                  last_sequence_id=last if last_sequence_id is None else last_sequence_id)


def remove_producer(made):
    made.connection.producers.pop(made.number, None)
    if made.topic.producers.get(made.name) is made:
        del made.topic.producers[made.name]


def close_producer(request):
    made = request.connection.producers.get(request.fields["producer_id"])
    if made is not None:
        remove_producer(made)
    request.reply("SUCCESS")


def store(topic, rest, metadata, highest):
    index = topic.append(Entry(rest, metadata, highest))
    topic.dispatch()
    return index


def receipt(request, ledger=NONE, entry=NONE):
    fields = {key: request.fields[key] for key in ("producer_id", "sequence_id", "highest_sequence_id")
              if key in request.fields}
    request.connection.send("SEND_RECEIPT", message_id={"ledgerId": ledger, "entryId": entry},
                            **fields)


def highest_of(request):
    """The sequence id of the last message of a SEND."""
    return max(request.fields["sequence_id"], request.fields.get("highest_sequence_id", 0))


def send_error(request, error, message):
    request.connection.send("SEND_ERROR", producer_id=request.fields["producer_id"],
                            sequence_id=highest_of(request), error=error, message=message)


def persist(made, request):
    metadata, _, _ = frames.unpack_entry(request.rest)
    made.topic.last_sequence[made.name] = highest_of(request)
    made.topic.append(Entry(request.rest, metadata, highest_of(request)))


def send(request, stored=True, answered=True):
    """Options: without being stored, or answered."""
    fields, fake = request.fields, request.fake
    made = request.connection.producers.get(fields["producer_id"])
    if made is None and fields["producer_id"] in request.connection.told_closed:
        return  # it does not know yet
    if made is None:
        raise ValueError("SEND of a producer that is not there")
    topic = made.topic
    if made.failed:
        # Nothing is stored behind what could not be, until it is opened again.
        send_error(request, made.failed, "after one that was not stored")
        return
    if frames.unpack_entry(request.rest)[2] is False:
        send_error(request, "ChecksumError", "Checksum failed on the broker")
        return
    if topic.terminated:
        send_error(request, "TopicTerminatedError", "Topic was already terminated")
        return
    if fake.deduplication and fields["sequence_id"] <= topic.last_sequence.get(made.name, -1):
        if answered:
            receipt(request)
        return
    index = len(topic.entries)
    if stored:
        persist(made, request)
    if answered:
        receipt(request, topic.ledger_id, index)
    topic.dispatch()


# ---- consumers


def subscribe(request):
    fields = request.fields
    topic = find_topic(request)
    if fields["consumer_id"] in request.connection.consumers:
        request.reply("SUCCESS")
        return
    kind = frames.API.name_of("CommandSubscribe.SubType", fields["subType"])
    subscription = topic.subscribe(fields, kind)
    made = Consumer(request.connection, fields["consumer_id"],
                    fields.get("consumer_name") or request.fake.new_name("consumer"),
                    fields.get("priority_level", 0))
    request.connection.consumers[made.number] = made
    request.reply("SUCCESS")
    subscription.add(made)


def remove_consumer(made):
    made.connection.consumers.pop(made.number, None)
    if made in made.subscription.consumers:
        made.subscription.remove(made)


def consumer_of(request):
    return request.connection.consumers.get(request.fields["consumer_id"])


def wanted_consumer(request):
    made = consumer_of(request)
    if made is None:
        raise Refused("MetadataError", "Consumer not found")
    return made


def flow(request):
    made = consumer_of(request)
    if request.fields["messagePermits"] == 0:
        raise ValueError("FLOW of nothing")
    if made is not None:
        made.permits += request.fields["messagePermits"]
        made.subscription.dispatch()


def ack(request):
    made = consumer_of(request)
    if made is None:
        return
    subscription = made.subscription
    for message_id in request.fields.get("message_id", []):
        if message_id["ledgerId"] != subscription.topic.ledger_id:
            continue
        index, ack_set = message_id["entryId"], message_id.get("ack_set")
        if request.fields["ack_type"] == 1:
            subscription.ack_up_to(index - 1 if ack_set else index)
        elif not ack_set:
            subscription.ack(index)
        elif request.fake.batch_index_acks:
            subscription.ack_part(index, ack_set)
    if "request_id" in request.fields:
        request.reply("ACK_RESPONSE", consumer_id=made.number)
    subscription.dispatch()


def redeliver(request):
    made = consumer_of(request)
    if made is not None:
        ids = request.fields.get("message_ids")
        made.subscription.redeliver(made, ids and {each["entryId"] for each in ids})


def seek(request):
    """Closes all consumers of the subscription, as brokers do."""
    subscription = wanted_consumer(request).subscription
    topic = subscription.topic
    if "message_id" in request.fields:
        subscription.move(topic.index_of(request.fields["message_id"]))
    elif "message_publish_time" in request.fields:
        subscription.move(topic.index_at(request.fields["message_publish_time"]))
    else:
        raise Refused("MetadataError", "Message id and message publish time were not present")
    topic.subscriptions[subscription.name] = subscription
    for other in list(subscription.consumers):
        other.connection.consumers.pop(other.number, None)
        subscription.consumers.remove(other)
        other.connection.send("CLOSE_CONSUMER", consumer_id=other.number, request_id=NONE)
    request.reply("SUCCESS")


def unsubscribe(request):
    made = wanted_consumer(request)
    subscription = made.subscription
    if len(subscription.consumers) > 1 and not request.fields.get("force"):
        raise Refused("MetadataError", "Unconnected or shared consumer attempting to unsubscribe")
    subscription.topic.subscriptions.pop(subscription.name, None)
    for other in list(subscription.consumers):
        other.connection.consumers.pop(other.number, None)
    request.reply("SUCCESS")


def close_consumer(request):
    made = consumer_of(request)
    if made is not None:
        remove_consumer(made)
    request.reply("SUCCESS")


def last_message_id(request):
    subscription = wanted_consumer(request).subscription
    topic = subscription.topic
    last = {"ledgerId": NONE, "entryId": NONE, "partition": -1}
    if topic.entries:
        last = topic.id_of(len(topic.entries) - 1)
        if "num_messages_in_batch" in topic.entries[-1].metadata:
            last["batch_index"] = topic.entries[-1].count - 1
    mark = {"ledgerId": topic.ledger_id, "entryId": subscription.mark - 1, "partition": -1}
    request.reply("GET_LAST_MESSAGE_ID_RESPONSE", last_message_id=last,
                  consumer_mark_delete_position=mark)


def consumer_stats(request):
    made = consumer_of(request)
    if made is None:
        raise ValueError("CONSUMER_STATS of a consumer that is not there")
    subscription = made.subscription
    request.reply("CONSUMER_STATS_RESPONSE", availablePermits=made.permits % (1 << 64),
                  consumerName=made.name, type=subscription.kind,
                  unackedMessages=sum(c is made for c in subscription.unacked.values()),
                  blockedConsumerOnUnackedMsgs=False,
                  msgBacklog=len(subscription.topic.entries) - subscription.mark)


# ---- schemas


def get_schema(request):
    request.reply("GET_SCHEMA_RESPONSE", error_code="TopicNotFound", error_message="no schema")


def get_or_create_schema(request):
    schemas = find_topic(request).schemas
    if request.fields["schema"] not in schemas:
        schemas.append(request.fields["schema"])
    version = schemas.index(request.fields["schema"])
    request.reply("GET_OR_CREATE_SCHEMA_RESPONSE", schema_version=version.to_bytes(8, "big"))


# ---- by itself


def send_producer_away(made, **where):
    remove_producer(made)
    made.connection.told_closed.add(made.number)
    made.connection.send("CLOSE_PRODUCER", producer_id=made.number, request_id=NONE, **where)


def terminate(topic):
    topic.terminated = True
    for made in list(topic.producers.values()):
        send_producer_away(made)
    topic.dispatch()


def unload(topic, assigned):
    where = {} if assigned is None else {
        "assignedBrokerServiceUrlTls" if assigned.startswith("pulsar+ssl") else
        "assignedBrokerServiceUrl": assigned}
    for made in list(topic.producers.values()):
        send_producer_away(made, **where)
    for subscription in list(topic.subscriptions.values()):
        for made in list(subscription.consumers):
            remove_consumer(made)
            made.connection.send("CLOSE_CONSUMER", consumer_id=made.number, request_id=NONE, **where)


def migrate(topic, url):
    """Its users hear of the other cluster, and are sent away."""
    name = "brokerServiceUrlTls" if url.startswith("pulsar+ssl") else "brokerServiceUrl"
    consumers = [made for subscription in topic.subscriptions.values()
                 for made in subscription.consumers]
    for kind, users in (("Producer", topic.producers.values()), ("Consumer", consumers)):
        for made in users:
            made.connection.send("TOPIC_MIGRATED", resource_id=made.number, resource_type=kind,
                                 **{name: url})
    unload(topic, None)


HANDLERS = {
    "CONNECT": connect, "PING": ping, "PONG": nothing, "AUTH_RESPONSE": nothing,
    "PARTITIONED_METADATA": partitions, "LOOKUP": lookup,
    "GET_TOPICS_OF_NAMESPACE": topics_of_namespace,
    "PRODUCER": producer, "SEND": send, "CLOSE_PRODUCER": close_producer,
    "SUBSCRIBE": subscribe, "FLOW": flow, "ACK": ack, "SEEK": seek, "UNSUBSCRIBE": unsubscribe,
    "REDELIVER_UNACKNOWLEDGED_MESSAGES": redeliver, "CLOSE_CONSUMER": close_consumer,
    "GET_LAST_MESSAGE_ID": last_message_id, "CONSUMER_STATS": consumer_stats,
    "GET_SCHEMA": get_schema, "GET_OR_CREATE_SCHEMA": get_or_create_schema,
}
