"""The systemd units: their command run as they say, as a user without rights; the test plays the service manager."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "packaging" / "systemd"
BOTHWAYS = Path(sys.executable).with_name("bothways")
NOBODY = 65534
WATCHDOG_S = 2.0
CONFIG = """
[server]
port = 0
web_port = 0
[[site]]
id = "house"
tz = "UTC"
[site.prices]
import_per_kwh = 0.3
"""


class Unit:
    """A unit file, with the folders that systemd would make for it."""

    def __init__(self, name, folder):
        self.lines = [line.partition("=")[::2] for line in (UNITS / name).read_text(encoding="utf-8").splitlines()]
        self.folders = {"%S": folder / "lib", "%C": folder / "cache", "%E": folder / "etc", "%i": "gateway"}
        for mark in ("%S", "%C"):
            (self.folders[mark] / "bothways").mkdir(parents=True)
        (self.folders["%E"] / "bothways").mkdir(parents=True)
        self.config = self.folders["%E"] / "bothways" / "bothways.toml"
        self.config.write_text(CONFIG, encoding="utf-8")

    def all(self, key):
        found = [value for name, value in self.lines if name == key]
        for mark, folder in self.folders.items():
            found = [value.replace(mark, str(folder)) for value in found]
        return found

    @property
    def environment(self):
        return dict(line.split("=", 1) for line in self.all("Environment"))

    @property
    def command(self):
        (line,) = self.all("ExecStart")
        program, *words = line.split()
        assert program == "/opt/bothways/bin/bothways"
        return [BOTHWAYS, *words]


@pytest.fixture
def unit(tmp_path):
    return Unit("bothways.service", tmp_path)


def without_rights(unit, folder):
    """Words before a command that make it the service user's, where this test may choose and that user can read it."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    for parent in (folder, *folder.parents):
        if parent == Path("/tmp") or parent == parent.parent:
            break
        parent.chmod(parent.stat().st_mode | 0o055)
    words = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs",
             "--bounding-set=-all", "--inh-caps=-all"]  # fmt: skip
    tried = [*words, sys.executable, "-c", "import bothways.app.live.serve"]
    if subprocess.run(tried, check=False, capture_output=True).returncode:
        return []  # the program lies where nobody else may read
    for mark in ("%S", "%C"):
        for path in (unit.folders[mark] / "bothways", *(unit.folders[mark] / "bothways").rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    return words


def said(listener, wanted, seconds):
    """What the service told its manager until something wanted came."""
    heard, end = [], time.monotonic() + seconds
    while wanted not in heard:
        listener.settimeout(max(0.01, end - time.monotonic()))
        heard.append(listener.recv(1000).decode())
    return heard


@pytest.mark.slow
def test_the_command_of_the_unit_is_ready_alive_and_ends_in_order(unit, tmp_path):
    kernels = Path(unit.environment["NUMBA_CACHE_DIR"])
    if (compiled := Path(os.environ.get("NUMBA_CACHE_DIR", "nowhere"))).is_dir():
        shutil.copytree(compiled, kernels)  # as after the first start, which compiles them
    who = without_rights(unit, tmp_path)
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        address.chmod(0o777)
        environment = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": str(address), **unit.environment}
        environment["WATCHDOG_USEC"] = str(int(WATCHDOG_S * 1e6))
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen(
            [*who, *unit.command], env=environment, cwd=unit.all("WorkingDirectory")[0], umask=0o077, stdout=log,
            stderr=log,
        )  # fmt: skip
        try:
            said(listener, "READY=1", 120.0)
            began = time.monotonic()
            assert said(listener, "WATCHDOG=1", 60.0)
            if who:
                assert f"Uid:\t{NOBODY}" in Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            process.send_signal(signal.SIGTERM)
            said(listener, "STOPPING=1", 60.0)
            assert process.wait(30) == 0
            assert time.monotonic() - began < 90.0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            log.close()
    store = unit.folders["%S"] / "bothways" / "bothways.db"
    assert store.stat().st_mode & 0o777 == 0o600
    assert kernels.is_dir()
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_configuration_that_cannot_be_used_is_not_tried_again(unit):
    unit.config.write_text(CONFIG.replace("web_port", "webport"), encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], **unit.environment}
    done = subprocess.run(unit.command, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert unit.all("RestartPreventExitStatus") == [str(done.returncode)]
    assert "web_port" in done.stderr


@pytest.mark.parametrize("name", ["bothways.service", "bothways@.service"])
def test_systemd_finds_nothing_to_complain_of_and_little_exposed(name, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze on this machine")
    text = (UNITS / name).read_text(encoding="utf-8").replace("/opt/bothways/bin/bothways", sys.executable)
    file = tmp_path / name.replace("@", "@gateway")
    file.write_text(text, encoding="utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], check=False, capture_output=True, text=True
    )
    assert file.name not in checked.stderr, checked.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", file],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if "nknown" in judged.stderr or "not supported" in judged.stderr:
        pytest.skip("this systemd judges no files")
    assert judged.returncode == 0, judged.stdout[-300:] + judged.stderr
