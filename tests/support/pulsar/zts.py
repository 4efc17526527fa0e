# SPDX-License-Identifier: Apache-2.0
"""The parts of Athenz that a broker and its client see: keys, athenz.conf, and a ZTS, honest or not."""

import base64
import http.server
import json
import pathlib
import secrets
import ssl
import subprocess
import threading
import time
import urllib.parse

TENANT, SERVICE, PROVIDER, KEY_ID = "clients.hosts", "hulse", "pulsar", "k1"


def openssl(*args, data=None):
    done = subprocess.run(["openssl", *map(str, args)], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def y64(data):
    """Base64 as Athenz has it."""
    return base64.b64encode(data, b"._").replace(b"=", b"-").decode()


class Athenz:
    """<folder>/athenz.conf, which a broker reads; zts.key, and tenant.key, tenant_ec.key and other.key,
    of which the ZTS knows the first two; locked.key: tenant.key behind a passphrase."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o700)
        for name in ("zts", "tenant", "other"):
            self.make(name, "RSA", "rsa_keygen_bits:2048")
        self.make("tenant_ec", "EC", "ec_paramgen_curve:P-256")
        openssl("pkey", "-in", self.path("tenant"), "-aes256", "-passout", "pass:word", "-out",
                self.path("locked"))
        keys = [{"id": "0", "key": y64((self.folder / "zts.pub").read_bytes())}]
        (self.folder / "athenz.conf").write_text(json.dumps(
            {"ztsUrl": "https://127.0.0.1:1/", "zmsUrl": "https://127.0.0.1:1/",
             "ztsPublicKeys": keys, "zmsPublicKeys": keys}), encoding="ascii")

    def make(self, name, algorithm, option):
        openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", self.path(name))
        openssl("pkey", "-in", self.path(name), "-pubout", "-out", self.folder / f"{name}.pub")

    def path(self, name):
        return str(self.folder / f"{name}.key")

    def role_token(self, principal, life_s=7200, key="zts", domain=PROVIDER):
        now = int(time.time())
        text = (f"v=Z1;d={domain};r=writer,reader;p={principal};a={secrets.token_hex(8)};t={now};"
                f"e={now + life_s};k=0")
        signature = openssl("dgst", "-sha256", "-sign", self.path(key), data=text.encode())
        return f"{text};s={y64(signature)}", now + life_s

    def principal_of(self, token):
        """Who a principal token says it is of, and a ZTS that knows his keys believes; or None."""
        text, _, signature = (token or "").rpartition(";s=")
        parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
        now = time.time()
        if parts.get("v") != "S1" or not float(parts["t"]) <= now < float(parts["e"]) <= now + 3600 \
                or parts["k"] != KEY_ID or len(parts["a"]) != 16:
            return None
        proof = self.folder / f"{secrets.token_hex(8)}.sig"
        proof.write_bytes(base64.b64decode(signature.replace("-", "="), b"._"))
        for key in ("tenant", "tenant_ec"):
            done = subprocess.run(["openssl", "dgst", "-sha256", "-verify",
                                   self.folder / f"{key}.pub", "-signature", proof],
                                  input=text.encode(), capture_output=True, check=False)
            if done.returncode == 0:
                return f"{parts['d']}.{parts['n']}"
        return None


class Zts:
    """Serves on a port of its own until close(). A test changes what it does meanwhile:

    life_s     of a role token
    mood       "good"; "refuses" (403 to everybody), "garbage", "no token", "no expiry", "down" (503),
               "hangs" (no answer), "huge", "forges" (signs with another key), "expired", "elsewhere" (of
               another domain)
    asked      (principal or None, query) of each request"""

    def __init__(self, athenz, header="Athenz-Principal-Auth", tls=None):
        self.athenz, self.life_s, self.mood, self.asked = athenz, 7200, "good", []
        self.tls = tls
        self.ended = threading.Event()
        zts = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *unused):
                pass

            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                assert url.path == f"/zts/v1/domain/{PROVIDER}/token", self.path
                principal = zts.certified(self) or athenz.principal_of(self.headers[header])
                zts.asked.append((principal, dict(urllib.parse.parse_qsl(url.query))))
                zts.answer(self, principal)

            def answer(self, code, body):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.path("server"), tls.folder / "server.key")
            context.load_verify_locations(tls.path("ca"))
            context.verify_mode = ssl.CERT_OPTIONAL
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def certified(self, request):
        if self.tls is None:
            return None
        subject = dict(pair[0] for pair in (request.connection.getpeercert() or {}).get("subject", ()))
        return subject.get("commonName")

    @property
    def url(self):
        scheme, host = ("http", "127.0.0.1") if self.tls is None else ("https", "localhost")
        return f"{scheme}://{host}:{self.server.server_port}"

    def answer(self, request, principal):
        mood = self.mood
        token, end = self.athenz.role_token(principal, -60 if mood == "expired" else self.life_s,
                                            "other" if mood == "forges" else "zts",
                                            "elsewhere" if mood == "elsewhere" else PROVIDER)
        if mood == "hangs":
            self.ended.wait()
        elif mood == "down":
            request.answer(503, b"busy")
        elif mood == "garbage":
            request.answer(200, b"\xff\x00<html>{")
        elif mood == "huge":
            request.answer(200, b"[" * (1 << 20))
        elif mood == "no token":
            request.answer(200, {"token": 1, "expiryTime": end})
        elif mood == "no expiry":
            request.answer(200, {"token": token, "expiryTime": "soon"})
        elif mood == "refuses" or principal is None:
            request.answer(403, {"code": 403, "message": "forbidden"})
        else:
            request.answer(200, {"token": token, "expiryTime": end})

    def close(self):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
