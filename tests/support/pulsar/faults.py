# SPDX-License-Identifier: Apache-2.0
"""Hooks for FakeBroker.on(): what brokers and networks do wrong."""

import fake_answers
import frames


def ignore(_):
    """Heard, and nothing said or done. Of a SEND: what follows is stored nevertheless, which no broker does."""


def drop(request):
    request.connection.drop()


def reset(request):
    request.connection.reset()


def half_close(request):
    request.connection.half_close()


def done_and_drop(request):
    """It is done, and the connection ends before the answer."""
    request.connection.hold()
    request.default()
    request.connection.drop()


def delay(seconds):
    """What comes behind it overtakes it."""
    return lambda request: request.later(seconds, request.default)


def late(seconds):
    """It is done at once, and nothing is said on the connection for so long."""
    def hook(request):
        request.connection.hold()
        request.default()
        request.later(seconds, request.connection.release)
    return hook


def fail(error, message="as the test wants it"):
    """In the form that the command has for it."""
    def hook(request):
        if request.name == "LOOKUP":
            request.reply("LOOKUP_RESPONSE", response=2, error=error, message=message)
        elif request.name == "PARTITIONED_METADATA":
            request.reply("PARTITIONED_METADATA_RESPONSE", response=1, error=error, message=message)
        elif request.name == "SEND":
            made = request.connection.producers.get(request.fields["producer_id"])
            if made is not None and error == "PersistenceError":
                made.failed = error
            fake_answers.send_error(request, error, message)
        elif request.name == "CONNECT":
            request.connection.send("ERROR", request_id=fake_answers.NONE, error=error,
                                    message=message)
            request.connection.drop()
        else:
            request.fail(error, message)
    return hook


def crossed(error, message="as a proxy says it"):
    """A failed PARTITIONED_METADATA as a failed LOOKUP, which is how a proxy answers it."""
    return lambda request: request.reply("LOOKUP_RESPONSE", response=2, error=error,
                                         message=message)


def redirect(url, authoritative=False, through_proxy=False):
    return lambda request: request.reply("LOOKUP_RESPONSE", response=0, brokerServiceUrl=url,
                                         authoritative=authoritative,
                                         proxy_through_service_url=through_proxy)


def redirect_to_self(request):
    """For ever, when it is asked for ever."""
    redirect(request.fake.url)(request)


def tear(bytes_before):
    """Only the first bytes of the answer go out; then the connection ends."""
    def hook(request):
        connection = request.connection
        connection.hold()
        request.default()
        connection.release(lambda data: [b"".join(data)[:bytes_before]])
        connection.drop()
    return hook


def dribble(size=1, pause_s=0.001):
    """The answer comes in pieces of this size, and whatever is said meanwhile behind it."""
    def hook(request):
        connection = request.connection
        if connection.held is not None:
            request.default()
            return
        connection.hold()
        request.default()
        data, connection.held = b"".join(connection.held), []
        pieces = [data[i:i + size] for i in range(0, len(data), size)]
        for i, piece in enumerate(pieces):
            request.later(i * pause_s, lambda piece=piece: connection.write(piece))
        request.later(len(pieces) * pause_s, connection.release)
    return hook


def garbage(data=b"\xff" * 64):
    """These bytes instead of an answer, and nothing is done from then on."""
    def hook(request):
        request.connection.raw(data)
        request.connection.mute = True
    return hook


def out_of_order(count):
    """The answers to so many commands go out in the reverse order."""
    waiting = []

    def hook(request):
        waiting.append(request)
        if len(waiting) == count:
            request.connection.hold()
            for each in waiting:
                each.default()
            waiting.clear()
            request.connection.release(reversed)
    return hook


def receipt(ledger=fake_answers.NONE, entry=fake_answers.NONE):
    """For SEND: a receipt with this id, by default -1:-1, for what is not stored."""
    return lambda request: fake_answers.receipt(request, ledger, entry)


def receipt_of_another(offset):
    """For SEND: a receipt for a sequence id that is so far away, then the right one."""
    def hook(request):
        fields = dict(request.fields, sequence_id=request.fields["sequence_id"] + offset)
        request.connection.send("SEND_RECEIPT", producer_id=fields["producer_id"],
                                sequence_id=fields["sequence_id"],
                                message_id={"ledgerId": 1, "entryId": 1})
        request.default()
    return hook


def stored_without_receipt(request):
    request.default(answered=False)


def lost_with_receipt(request):
    """The broker lies: a receipt for what it has not stored."""
    request.default(stored=False)


def pushed_not_persisted(times, error="PersistenceError"):
    """With deduplication. The connection breaks off at the first SEND, whose entry stays on its way to the disk: what comes
    again of it is answered with an error so many times, and then it is stored; and before what comes behind it."""
    state = {"made": None, "entry": None, "errors": 0, "stored": False}

    def store():
        if not state["stored"]:
            state["stored"] = True
            fake_answers.persist(state["made"], state["entry"])

    def hook(request):
        made = request.connection.producers[request.fields["producer_id"]]
        if state["made"] is None:
            state.update(made=made, entry=request)
            request.connection.drop()
            return
        again = request.fields["sequence_id"] <= fake_answers.highest_of(state["entry"])
        if again and not state["stored"] and state["errors"] < times:
            state["errors"] += 1
            fake_answers.send_error(request, error, "Cannot determine whether the message is a "
                                    "duplicate at this time")
            return
        store()
        request.default()
    return hook


def last_sequence_id(number):
    """For PRODUCER: this one, whatever is stored."""
    return lambda request: request.default(last_sequence_id=number)


def corrupt(topic, index):
    """Of FakeBroker.run(): one bit of the stored entry's checksum is wrong from now on."""
    entry = topic.entries[index]
    entry.rest = frames.with_wrong_checksum(entry.rest)
