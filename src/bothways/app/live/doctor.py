"""Checks of a live system's configuration and surroundings, each with a verdict and a remedy."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bothways.app.live.checks_beside import bus, sources
from bothways.app.live.checks_machine import clock, machine, ports
from bothways.app.live.checks_store import stored
from bothways.app.live.checks_tls import certificates
from bothways.app.live.config import load_config


def examine(path: Path, *, as_json: bool) -> bool:
    """Runs all checks, prints their findings, and returns whether nothing is broken."""
    config = load_config(path)
    now = datetime.now(tz=UTC)
    findings = [*machine(config), *clock(), *ports(config), *certificates(config, now), *stored(config, now)]
    findings += asyncio.run(bus(config))
    findings += asyncio.run(sources(config, path.parent, now))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{finding.verdict:7} {finding.check:16} {finding.text}")
            if finding.remedy:
                print(f"{'':24} → {finding.remedy}")
    return all(finding.verdict != "broken" for finding in findings)
