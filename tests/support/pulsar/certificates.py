# SPDX-License-Identifier: Apache-2.0
"""A certificate authority of the test's own, and what it has signed."""

import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import time

CONFIG = "[req]\ndistinguished_name = name\n[name]\n"
SERVER = "DNS:localhost,IP:127.0.0.1"
ELSEWHERE = "DNS:elsewhere.invalid"


class Certificates:
    """ca.pem; server.pem, wrong_host.pem, admin.pem and nobody.pem, the last two for clients, of the
    one server.key; stranger.pem: an authority that signed none of them. The broker shows
    presented.pem."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o700)
        (self.folder / "openssl.cnf").write_text(CONFIG, encoding="ascii")
        for authority in ("ca", "stranger"):
            self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                         f"{authority}.key", "-out", f"{authority}.pem", "-subj",
                         f"/CN=Hulse tests {authority}", "-addext",
                         "basicConstraints=critical,CA:TRUE", "-addext",
                         "keyUsage=critical,keyCertSign,cRLSign")
        self.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                     "server.key")
        self.sign("server", SERVER)
        self.sign("wrong_host", ELSEWHERE)
        self.sign("admin", ELSEWHERE)
        self.sign("nobody", ELSEWHERE)
        self.present("server")

    def openssl(self, command, *args):
        more = ["-config", "openssl.cnf", "-days", "30"] if command == "req" else []
        done = subprocess.run(["openssl", command, *more, *args], cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def sign(self, name, hosts):
        self.openssl("req", "-x509", "-key", "server.key", "-out", f"{name}.pem", "-subj",
                     f"/CN={name}", "-CA", "ca.pem", "-CAkey", "ca.key", "-addext",
                     f"subjectAltName={hosts}", "-addext", "basicConstraints=critical,CA:FALSE",
                     "-addext", "extendedKeyUsage=serverAuth,clientAuth")

    def path(self, name):
        return str(self.folder / f"{name}.pem")

    def present(self, name):
        """A running broker takes it up within about a second."""
        fresh = self.folder / "presented.new"
        shutil.copyfile(self.path(name), fresh)
        os.replace(fresh, self.path("presented"))


def await_presented(broker, name):
    """Until the running broker shows this certificate to whoever connects."""
    with open(broker.certificates.path(name), encoding="ascii") as file:
        wanted = ssl.PEM_cert_to_DER_cert(file.read())
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", broker.ports["tls_port"]), 10) as door:
            with context.wrap_socket(door) as inside:
                if inside.getpeercert(binary_form=True) == wanted:
                    return
        time.sleep(0.1)
    raise AssertionError(f"the broker does not take up {name}.pem")
