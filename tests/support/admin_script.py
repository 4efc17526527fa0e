# SPDX-License-Identifier: Apache-2.0
"""The REST API of a cluster as tests want it: the name of a topic, or of a tenant, says what becomes of a request.

  tell           refused (409), the reason being method, path, body and what was shown as authorization
  code-N         refused with N, "because"
  page-N, text-N the same with a page, with a text in place of JSON
  to-N           sent on to to-(N-1), and from to-0 to nothing: done
  loop, plain    sent on to itself; to a server without TLS
  garbage, odd   JSON that ends too soon; of another form
  endless        an answer without an end
  slow           none
  cut            the first request is cut off, later ones are done
  noise          bytes that are not HTTP

A topic has as many partitions as its name says in front: "3-tell", none for "0-tell". Others have what is asked as
a question about partitions answered by their names. A namespace "many" has 1,100 topics with partitions; a tenant "crowd" 1,100
namespaces, "pair" two, "names" one of each kind of wrong name.
"""

import json

CUT = set()
STATS = {"msgInCounter": 7, "bytesInCounter": 70, "msgOutCounter": -3, "msgRateIn": 1.5,
         "msgRateOut": "fast", "publishers": [{}, {}],
         "subscriptions": {
             "a": {"type": "Shared", "msgBacklog": 5, "unackedMessages": 2, "msgDelayed": 1,
                   "consumers": [{}], "durable": True},
             "b": {"type": "Key_Shared", "msgBacklog": 1 << 62, "consumers": "none"},
             "reader": {"type": "Exclusive", "durable": False},
             "odd": 12}}


def tell(handler, code, reason):
    handler.json({"reason": reason}, code)


def told(handler, body):
    return " ".join([handler.command, handler.path, body or "-",
                     handler.headers.get("Authorization", "-")])


def move(handler, to):
    handler.answer(b"", 307, Location=to)


def drip(handler):
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while True:
        handler.wfile.write(b"[1,2,3] " * 8192)


def cut(handler, name):
    if name in CUT:
        handler.answer(b"", 204)
        return
    CUT.add(name)
    handler.close_connection = True


def odd(handler, name, word):
    if word == "garbage":
        handler.answer(b'{"partitions": 1')
    elif word == "odd":
        handler.json([{"partitions": -1}])
    elif word == "endless":
        drip(handler)
    elif word == "slow":
        handler.do_slow(0)
    elif word == "cut":
        cut(handler, name)
    elif word == "noise":
        handler.do_noise(0)
    else:
        handler.answer(b"", 204)


def act(handler, name, body):
    word, _, number = name.partition("-")
    if word == "tell":
        tell(handler, 409, told(handler, body))
    elif word == "code":
        tell(handler, int(number), "because\n\x07")
    elif word == "page":
        handler.answer(b"<html>because</html>", int(number))
    elif word == "text":
        handler.answer(b"because\n", int(number))
    elif word == "to" and int(number) > 0:
        move(handler, handler.path.replace(name, f"to-{int(number) - 1}"))
    elif word == "loop":
        move(handler, handler.path)
    elif word == "plain":
        move(handler, "http://one.test:1/")
    else:
        odd(handler, name, word)


def list_names(handler, rest):
    kind, tenant, *more = rest
    if kind == "namespaces" and not more:
        names = {"crowd": [f"crowd/{i}" for i in range(1100)], "pair": ["pair/a", "pair/b"],
                 "names": ["names/a", 7]}.get(tenant, {"a": 1})
        handler.json(names)
    elif kind == "namespaces":
        name = f"persistent://{tenant}/{more[0]}/t"
        handler.json([f"{name}-partition-{i}" for i in range(1100)] + [f"{name}-partition-", name + "2"])
    else:
        handler.json([f"{kind}://{tenant}/{more[0]}/t"])


def tell_schemas(handler, rest):
    """Two versions; those of another topic are no number."""
    first = {"version": 0, "type": "JSON", "timestamp": 1700000000000, "data": "{}", "properties": {}}
    second = {"version": 1 if rest[0] == "versions" else "two", "type": "NEWS"}
    handler.json({"getSchemaResponses": [first, second]})


def play(handler, rest):
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode()
    if rest == ["tenants"]:
        handler.json(["pair"])
    elif rest[0] == "namespaces" or rest[-1] == "partitioned":
        list_names(handler, rest)
    elif rest[0] == "schemas" and rest[3].startswith("version"):
        tell_schemas(handler, rest[3:])
    elif rest[3][0].isdigit():
        count, _, word = rest[3].partition("-")
        if rest[-1] == "partitions" and handler.command == "GET":
            handler.json({"partitions": int(count), "deleted": False})
        elif word == "figures":
            handler.json(STATS)
        else:
            act(handler, word, body)
    else:
        act(handler, rest[3], body)
