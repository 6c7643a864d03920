"""Checks of a live system's configuration and surroundings, each with a verdict and a remedy."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509

from bothways.adapters.db.engine import pending
from bothways.adapters.db.store import SqlStore
from bothways.app.live.config import Config, load_config
from bothways.app.live.server import tls_context
from bothways.domain.errors import BothwaysError

Verdict = Literal["good", "look", "broken"]
_SOON = timedelta(days=30)
_LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        verdict: ``good``, ``look`` (works, but somebody should look at it) or ``broken``.
        text: what was found.
        remedy: what to do, ``""`` where nothing.
    """

    check: str
    verdict: Verdict
    text: str
    remedy: str = ""


def examine(path: Path, *, as_json: bool) -> bool:
    """Runs all checks, prints their findings, and returns whether nothing is broken."""
    config = load_config(path)
    now = datetime.now(tz=UTC)
    findings = [*_machine(config), *_ports(config), *_tls(config, now), *_stored(config, now)]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{finding.verdict:7} {finding.check:14} {finding.text}")
            if finding.remedy:
                print(f"{'':22} → {finding.remedy}")
    return all(finding.verdict != "broken" for finding in findings)


def _machine(config: Config) -> list[Finding]:
    folder = Path(os.environ.get("NUMBA_CACHE_DIR", tempfile.gettempdir()))
    findings = [
        Finding("kernels", "good", f"compiled kernels are kept in {folder}")
        if os.access(folder, os.W_OK)
        else Finding("kernels", "look", f"{folder} cannot be written", "Set NUMBA_CACHE_DIR to a folder that can.")
    ]
    if config.store.url.startswith("sqlite:///"):
        parent = Path(config.store.url.removeprefix("sqlite:///")).absolute().parent
        if not parent.is_dir():
            return [*findings, Finding("disk", "broken", f"{parent} does not exist", "Create the folder.")]
        free = shutil.disk_usage(parent).free
        few = free < _LEAST_FREE_BYTES
        text = f"{free / 1e9:.1f} GB free beside the store"
        findings.append(Finding("disk", "look" if few else "good", text, "Make room." if few else ""))
    return findings


def _ports(config: Config) -> list[Finding]:
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


def _tls(config: Config, now: datetime) -> list[Finding]:
    server = config.server
    if server.tls_certificate is None:
        if server.behind_proxy:
            return [Finding("TLS", "look", "a proxy ends TLS", "See that only the proxy reaches this port.")]
        return [Finding("TLS", "look", "none: only this machine can connect", "Give tls_certificate and tls_key.")]
    try:
        tls_context(config)
    except BothwaysError as error:
        return [Finding("TLS", "broken", str(error), "Correct the files.")]
    ends = x509.load_pem_x509_certificate(Path(server.tls_certificate).read_bytes()).not_valid_after_utc
    if ends <= now:
        return [Finding("TLS", "broken", f"the certificate expired on {ends:%Y-%m-%d}", "Renew it.")]
    soon = ends - now < _SOON
    return [Finding("TLS", "look" if soon else "good", f"valid until {ends:%Y-%m-%d}", "Renew it." if soon else "")]


def _stored(config: Config, now: datetime) -> list[Finding]:
    """What the store says, without changing it: a schema that is behind stays so until something else opens it."""

    async def work() -> list[Finding]:
        behind = pending(config.store.url)
        if behind is None:
            return [Finding("store", "look", "none yet", "Begin with `bothways station add`, which makes it.")]
        if behind:
            text = f"answers; its schema is {behind} revision(s) behind, so nothing else in it was looked at"
            remedy = "Back it up; the next start of `bothways serve`, or any command that writes, brings it up to date."
            return [Finding("store", "look", text, remedy)]
        store = SqlStore(config.store.url)
        try:
            return await look(store)
        finally:
            await store.close()

    async def look(store: SqlStore) -> list[Finding]:
        findings = [Finding("store", "good", "answers, and its schema is current")]
        stations = await store.stations()
        strangers = [item.station_id for item in stations if item.site_id not in {site.id for site in config.site}]
        never = [item.station_id for item in stations if item.accepted_at is None]
        findings.append(_some(stations, "stations", f"{len(stations)} registered", "`bothways station add`"))
        if never:
            text = f"{len(never)} never connected: {', '.join(never[:5])}{' …' if len(never) > 5 else ''}"
            findings.append(Finding("stations", "look", text, "Check their address, user name and secret."))
        if strangers:
            text = f"of a site that is not configured: {', '.join(strangers[:5])}"
            findings.append(Finding("stations", "look", text, "Add the site, or remove them."))
        for site in config.site:
            lacks = (await store.permission(site.id)).missing(now)
            text = f"{site.id}: {'; '.join(lacks)}" if lacks else f"{site.id}: recorded and valid"
            remedy = "Nothing is discharged or exported until `bothways permit` has recorded it." if lacks else ""
            findings.append(Finding("grid permission", "look" if lacks else "good", text, remedy))
        people = await store.accounts()
        findings.append(_some(people, "accounts", f"{len(people)}", "`bothways account invite`"))
        return findings

    return _tried("store", lambda: asyncio.run(work()))


def _some(items: object, check: str, text: str, remedy: str) -> Finding:
    return Finding(check, "good", text) if items else Finding(check, "look", "none yet", f"Begin with {remedy}.")


def _tried(check: str, work: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return work()
    except (BothwaysError, OSError) as error:
        return [Finding(check, "broken", str(error), "Correct store.url, or start the database.")]
