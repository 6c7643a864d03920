"""The settings shown in the how-to are settings that work."""

from __future__ import annotations

import asyncio
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from bothways.adapters.meters.configured import meter_from
from bothways.adapters.signals.settings import HttpSettings

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "connect-a-site-meter.md"


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def test_every_block_of_settings_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "mqtt-password").write_text("not used")
    (tmp_path / "readings.csv").write_text("at,power_kw\n2026-01-01T00:00:00Z,1\n")
    blocks = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    made = []
    for block in blocks:
        meter = tomllib.loads(block)["site"]["meter"]
        made.append(type(meter_from(meter.get("kind", "modbus"), meter["settings"], Clock(), folder=tmp_path)).__name__)
    assert made == ["ModbusMeter", "ModbusMeter", "MqttMeter", "ReplayedMeter"]


def test_every_key_of_prices_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in HttpSettings.model_fields:
        if name != "timeout_s":
            assert f"`{name}`" in text, name
