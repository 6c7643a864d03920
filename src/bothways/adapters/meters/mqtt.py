"""The site's meter by MQTT."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import orjson

from bothways.adapters.meters.gauge import Gauge, heed_cancellation, pauses
from bothways.adapters.meters.settings import MqttSettings, Topic
from bothways.operations.ports import Clock, SiteReading


class MqttMeter:
    """Fulfils ``MeterSource``: a reading with every message of the power's topic.

    A *retained* message is the broker's memory of some earlier time: it counts only where it names its own instant.

    Attributes:
        gauge: conversion and plausibility, with what it noticed.
        problem: why nothing can be read now, ``""`` where it can.
    """

    def __init__(self, settings: MqttSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._latest: dict[str, tuple[datetime, float]] = {}
        self.gauge = Gauge(settings.unit, settings.positive, settings.connection_kw)
        self.problem = ""

    async def readings(self) -> AsyncIterator[SiteReading]:
        """Readings as messages come; reconnects with growing pauses, for ever."""
        waits = pauses()
        while True:
            try:
                async with self._client() as client:
                    for topic in sorted({topic.topic for topic in self._topics()}):
                        await client.subscribe(topic, qos=0)
                    heed_cancellation()
                    self.problem, waits = "", pauses()
                    async for message in client.messages:
                        reading = self._take(str(message.topic), message.payload, retained=message.retain)
                        if reading is not None:
                            yield reading
            except (aiomqtt.MqttError, OSError) as error:
                self.problem = f"{type(error).__name__}: {error}"
            heed_cancellation()
            await self._clock.sleep(next(waits))

    def _client(self) -> aiomqtt.Client:
        settings = self._settings
        password = None
        if settings.password_file is not None:
            password = Path(settings.password_file).read_text(encoding="utf-8").strip()
        return aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=password,
            tls_context=ssl.create_default_context() if settings.tls else None,
            timeout=5.0,
            keepalive=15,
            max_queued_incoming_messages=100,
        )

    def _topics(self) -> list[Topic]:
        settings = self._settings
        return [settings.power, *settings.phases, *([settings.pv] if settings.pv else [])]

    def _take(self, name: str, payload: object, *, retained: bool) -> SiteReading | None:
        """Notes what a message says; a reading where it says the power."""
        told = False
        for topic in self._topics():
            if topic.topic != name:
                continue
            parsed = _parsed(payload, topic)
            if parsed is None:
                self.problem = f"a message of {name} holds no number where it should"
                continue
            value, at = parsed
            if at is None and retained:
                continue
            self._latest[_key(topic)] = (at or self._clock.now(), value)
            told |= topic is self._settings.power
        return self._reading() if told else None

    def _reading(self) -> SiteReading | None:
        at, value = self._latest[_key(self._settings.power)]
        power = self.gauge.kw(value)
        if power is None:
            return None
        self.problem = ""
        phases = [self._beside(topic, at) for topic in self._settings.phases]
        by_phase = [None if phase is None else self.gauge.kw(phase) for phase in phases]
        known = tuple(phase for phase in by_phase if phase is not None)
        pv = None if self._settings.pv is None else self._beside(self._settings.pv, at)
        production = None if pv is None else self.gauge.production(pv)
        return SiteReading(at, power, known if len(known) == 3 else (), production)

    def _beside(self, topic: Topic, at: datetime) -> float | None:
        """The latest value of another topic, where it is of about the same time."""
        found = self._latest.get(_key(topic))
        if found is None or abs(at - found[0]) > timedelta(seconds=self._settings.together_s):
            return None
        return found[1]


def _key(topic: Topic) -> str:
    return f"{topic.topic}\0{topic.path}"


def _parsed(payload: object, topic: Topic) -> tuple[float, datetime | None] | None:
    """The number and, where the message has one, its instant; ``None`` where there is no number."""
    if not isinstance(payload, bytes | bytearray | str):
        return None
    try:
        content = orjson.loads(payload)
        value = _at_path(content, topic.path)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        return float(value), _instant(_at_path(content, topic.time_path)) if topic.time_path else None
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        return None


def _at_path(content: Any, path: str) -> Any:
    for key in path.split(".") if path else ():
        content = content[int(key)] if isinstance(content, list) else content[key]
    return content


def _instant(value: Any) -> datetime:
    """An aware instant of ISO text or seconds since 1970.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, tz=UTC)
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        msg = "an instant without offset"
        raise ValueError(msg)
    return at.astimezone(UTC)
