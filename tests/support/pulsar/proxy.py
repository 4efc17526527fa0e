# SPDX-License-Identifier: Apache-2.0
"""Pulsar's proxy in front of a Broker: its process and its doors."""

import http.client
import pathlib
import string

import java_program
from ports import free_ports

READY_S = 60
CONF = pathlib.Path(__file__).resolve().parent / "conf"


class Proxy(java_program.JavaProgram):
    """It is started and ready once it exists, and dies with the thread that has started it. Its doors are as the
    broker's: with TLS, with a token, both or none."""

    def __init__(self, folder, libraries, broker, **settings):
        """`libraries`: `fetch --proxy`, and behind it the folder of the default broker's jars.
        `settings`: of proxy.conf."""
        super().__init__(folder, "proxy.log")
        self.libraries = libraries
        self.broker = broker
        self.ports = dict(zip(("binary_port", "http_port", "tls_port", "https_port"), free_ports(4)))
        self.configure(settings)
        self.start()

    @property
    def service_url(self):
        return f"pulsar://127.0.0.1:{self.ports['binary_port']}"

    @property
    def service_url_tls(self):
        return f"pulsar+ssl://localhost:{self.ports['tls_port']}"

    @property
    def admin_url(self):
        return f"http://127.0.0.1:{self.ports['http_port']}"

    def configure(self, settings):
        kinds = [f"proxy_{name}" for name in ("token", "tls") if name in self.broker.variants]
        text = "".join((CONF / f"{name}.conf").read_text(encoding="ascii")
                       for name in ("proxy", *kinds))
        text = string.Template(text).substitute(
            self.ports, broker_url=self.broker.service_url, broker_admin_url=self.broker.admin_url,
            broker_folder=self.broker.folder)
        text += "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "proxy.conf").write_text(text, encoding="utf-8")

    def command(self):
        return ["java", "-Xmx128m", "-XX:MaxDirectMemorySize=128m", "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1", *java_program.opened(),
                f"-Dlog4j2.configurationFile={CONF / 'log4j2.properties'}",
                "-cp", ":".join(f"{folder}/*" for folder in self.libraries),
                "org.apache.pulsar.proxy.server.ProxyServiceStarter",
                "-c", str(self.folder / "proxy.conf")]

    def start(self):
        """On the ports that it has; returns when it is ready."""
        self.run_program(READY_S)

    start_new = start  # it keeps nothing

    def ready(self):
        try:
            door = http.client.HTTPConnection("127.0.0.1", self.ports["http_port"], timeout=5)
            try:
                door.request("GET", "/status.html")
                return door.getresponse().status in (200, 401, 404)
            finally:
                door.close()
        except (OSError, http.client.HTTPException):
            return False
