"""The doctor's checks of the machine: room for kernels and data, its clock, free ports."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import tempfile
from pathlib import Path

from bothways.app.live.config import Config
from bothways.app.live.finding import Finding

_LEAST_FREE_BYTES = 1 << 30
_UNSYNCHRONISED = 5
_TIMEX_BYTES = 1024


def machine(config: Config) -> list[Finding]:
    """Whether kernels can be kept, and whether there is room beside a SQLite store."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR", tempfile.gettempdir()))
    while not folder.exists() and folder != folder.parent:  # the folder is made where it is missing
        folder = folder.parent
    findings = [
        Finding("kernels", "good", f"compiled kernels can be kept in {folder}")
        if os.access(folder, os.W_OK)
        else Finding("kernels", "look", f"{folder} cannot be written", "Set NUMBA_CACHE_DIR to a folder that can.")
    ]
    if config.store.url.startswith("sqlite:///"):
        parent = Path(config.store.url.removeprefix("sqlite:///")).absolute().parent
        if not parent.is_dir():
            return [*findings, Finding("disk", "broken", f"{parent} does not exist", "Create the folder.")]
        if not os.access(parent, os.W_OK):
            remedy = "Give this user the right to write there, or choose another folder."
            return [*findings, Finding("disk", "broken", f"{parent} cannot be written", remedy)]
        free = shutil.disk_usage(parent).free
        few = free < _LEAST_FREE_BYTES
        text = f"{free / 1e9:.1f} GB free beside the store"
        findings.append(Finding("disk", "look" if few else "good", text, "Make room." if few else ""))
    return findings


def clock() -> list[Finding]:
    """What the kernel knows about its clock (Linux, adjtimex(2)); nothing where it cannot be asked."""
    synchronised = _synchronised()
    if synchronised is None:
        return []
    if synchronised:
        return [Finding("clock", "good", "synchronised, says the kernel")]
    remedy = "Run chrony or systemd-timesyncd: prices, orders and certificates go by this clock."
    return [Finding("clock", "look", "the kernel knows of no synchronisation", remedy)]


def _synchronised() -> bool | None:
    try:
        ask = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    answer = int(ask(ctypes.create_string_buffer(_TIMEX_BYTES)))  # zeros: change nothing, only tell
    return None if answer < 0 else answer != _UNSYNCHRONISED


def ports(config: Config) -> list[Finding]:
    """Whether the addresses can be listened at."""
    server = config.server
    findings = []
    for name, host, port in (("port", server.host, server.port), ("web_port", server.web_host, server.web_port)):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                remedy = "Good if the system is running now; otherwise choose another port."
                findings.append(Finding(name, "look", f"{host}:{port}: {error.strerror}", remedy))
            else:
                findings.append(Finding(name, "good", f"{host}:{port} is free"))
    return findings
