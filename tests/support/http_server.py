#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server for tests: http_server.py ADDRESS [FOLDER].

Prints its port, serves until its standard input ends. With a FOLDER it speaks TLS and makes there:
ca.pem and other.pem, two authorities; server.pem, signed by the first for localhost, one.test and
127.0.0.1; client.pem, also signed by the first.

  /hello         "hello"
  /echo          method, path, the headers that were sent and the body, or its size if it is large
  /size/N        N bytes, announced
  /stream/N      N bytes, not announced
  /status/N      answers with that code and the text "status"
  /redirect      to /hello
  /head/N        N headers of 1000 bytes
  /slow          no answer
  /drip          a byte every 50 ms, without an end
  /cut           100 bytes announced, 10 sent
  /noise         bytes that are not HTTP
  /peer          common name of the client's certificate
  /oidc/N/...    discovery document of an issuer; 1: none, 2: no endpoint, 3: one without TLS
  /token/N       a token: what was posted, for an hour; 5: refused; 6: no token; 7: not JSON;
                 8: of another type; 9: no life; 10: slow; 11: refused with what was posted;
                 1000 + S: another one each time, for S seconds; 2000 + S: the same one each time
  /lookup/...    what a cluster says of a topic's owner: one.test
  /zts/v1/domain/dN/token  a role token that lives for an hour: who asks (the header who-asks); 1: refused;
                 2: no token; 3: no end; 4: not JSON; 5: two words; 6: slow; 7: has ended; 8: who the
                 certificate says
  /admin/v2/...  the REST API of a cluster, as admin_script.py plays it
"""

import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading
import time

from admin_script import play

ENDED = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *unused):
        pass

    def answer(self, body, code=200, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_hello(self, _):
        self.answer(b"hello")

    def do_echo(self, _):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if len(body) > 1000:
            body = str(len(body)).encode()
        lines = [self.command, self.path, *sorted(f"{k}: {v}" for k, v in self.headers.items())]
        self.answer("\n".join(lines).encode() + b"\n\n" + body)

    def do_size(self, size):
        self.answer(b"x" * size)

    def do_stream(self, size):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"x" * size)
        self.close_connection = True

    def do_status(self, code):
        self.answer(b"status", code)

    def do_redirect(self, _):
        self.answer(b"", 302, Location="/hello")

    def do_head(self, count):
        self.answer(b"hello", **{f"X-{i}": "x" * 1000 for i in range(count)})

    def do_slow(self, _):
        ENDED.wait()

    def do_drip(self, _):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        while not ENDED.wait(0.05):
            self.wfile.write(b"x")

    def do_cut(self, _):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"x" * 10)
        self.close_connection = True

    def do_noise(self, _):
        self.wfile.write(b"\x00\xff noise\r\n\r\n" * 20)
        self.close_connection = True

    def do_peer(self, _):
        subject = dict(pair[0] for pair in (self.connection.getpeercert() or {}).get("subject", ()))
        self.answer(subject.get("commonName", "nobody").encode())

    def json(self, content, code=200):
        self.answer(json.dumps(content).encode(), code, **{"Content-Type": "application/json"})

    def do_oidc(self, kind):
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        host = self.headers["Host"]
        if not self.path.endswith(f"/{kind}/.well-known/openid-configuration") or kind == 1:
            self.json({}, 404)
        elif kind == 2:
            self.json({"issuer": "somebody"})
        elif kind == 3:
            self.json({"token_endpoint": "http://one.test:1/"})
        else:
            self.json({"token_endpoint": f"{scheme}://{host}/token/{kind}"})

    def do_token(self, kind):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = {"access_token": body, "token_type": "Bearer", "expires_in": 3600}
        if self.headers["Content-Type"] != "application/x-www-form-urlencoded":
            self.json({"error": "invalid_request"}, 400)
        elif kind == 5:
            self.json({"error": "invalid_client", "error_description": body}, 401)
        elif kind == 6:
            self.json({"token_type": "Bearer"})
        elif kind == 7:
            self.answer(body.encode())
        elif kind == 8:
            self.json(answer | {"token_type": "mac"})
        elif kind == 9:
            self.json({"access_token": "for-ever"})
        elif kind == 10:
            ENDED.wait()
        elif kind == 11:
            self.json({"error": body}, 400)
        elif kind >= 2000:
            self.json({"access_token": "the-same", "expires_in": kind - 2000})
        elif kind >= 1000:
            self.json(answer | {"access_token": f"token-{time.monotonic_ns()}",
                                "expires_in": kind - 1000})
        else:
            self.json(answer)

    def do_zts(self, _):
        kind = int(self.path.split("/")[4][1:])
        answer = {"token": self.headers.get("who-asks", "nobody"),
                  "expiryTime": int(time.time()) + 3600}
        if kind == 1:
            self.json({"code": 403, "message": answer["token"]}, 403)
        elif kind == 2:
            self.json({"expiryTime": 1})
        elif kind == 3:
            self.json(answer | {"expiryTime": True})
        elif kind == 4:
            self.answer(b"<html>")
        elif kind == 5:
            self.json(answer | {"token": "two words"})
        elif kind == 6:
            ENDED.wait()
        elif kind == 7:
            self.json(answer | {"expiryTime": 1})
        elif kind == 8:
            subject = dict(pair[0] for pair in (self.connection.getpeercert() or {})["subject"])
            self.json(answer | {"token": f"{subject['commonName']}/{answer['token']}"})
        else:
            self.json(answer)

    def do_any(self):
        _, name, *rest = self.path.partition("?")[0].split("/")
        if name == "lookup":
            self.json({"brokerUrl": "pulsar://one.test:7", "brokerUrlTls": "pulsar+ssl://one.test:8"})
            return
        if name == "admin":
            play(self, rest[1:])
            return
        if name == "zts":
            self.do_zts(0)
            return
        getattr(self, "do_" + name)(int(rest[0]) if rest else 0)

    do_GET = do_POST = do_PUT = do_DELETE = do_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *unused):
        pass


def openssl(*arguments, **options):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, **options)


def make_authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", 2, "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key",
            "-out", folder / f"{name}.pem")


def make_certificate(folder, name, extensions):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out",
            folder / f"{name}.csr")
    (folder / f"{name}.ext").write_text(extensions)
    openssl("x509", "-req", "-days", 2, "-in", folder / f"{name}.csr", "-CA", folder / "ca.pem",
            "-CAkey", folder / "ca.key", "-CAcreateserial", "-extfile", folder / f"{name}.ext",
            "-out", folder / f"{name}.pem")


def make_tls(folder):
    make_authority(folder, "ca")
    make_authority(folder, "other")
    make_certificate(folder, "server", "subjectAltName=DNS:localhost,DNS:one.test,IP:127.0.0.1\n")
    make_certificate(folder, "client", "extendedKeyUsage=clientAuth\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def main():
    server = Server((sys.argv[1], 0), Handler)
    if len(sys.argv) > 2:
        context = make_tls(pathlib.Path(sys.argv[2]))
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    ENDED.set()


main()
