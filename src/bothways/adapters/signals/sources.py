"""Sources of prices and CO₂ that fulfil ``SignalSource``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import httpx

from bothways.adapters.signals.settings import HttpSettings, SignalSettings
from bothways.adapters.signals.table import Table, prices_over, rows_of_csv, rows_of_json, table_of
from bothways.domain.errors import InputError, Problem
from bothways.domain.timegrid import TimeGrid, zone
from bothways.domain.validation import validated
from bothways.operations.ports import Clock, Prices

M = TypeVar("M", bound=SignalSettings)
_MOST_BYTES = 20_000_000


class FilePrices:
    """Prices from a CSV file, read again when it changes; a file that became wrong leaves the last good one."""

    def __init__(self, path: Path, settings: SignalSettings) -> None:
        self._path = path
        self._settings = settings
        self._table: Table | None = None
        self._stamp: tuple[int, int] | None = None
        self.problem = ""

    async def prices(self, grid: TimeGrid) -> Prices:
        """Prices over the grid.

        Raises:
            InputError: the file was never good, or does not cover the grid.
        """
        table = await asyncio.to_thread(self._read)
        said = f"{self._path.name}; now unreadable, the last good reading is used" if self.problem else self._path.name
        return await asyncio.to_thread(prices_over, table, grid, self._settings, said)

    def _read(self) -> Table:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._table is not None and stamp == self._stamp:
                return self._table
            rows = rows_of_csv(self._path.read_text(encoding="utf-8-sig"))
            self._table, self._stamp = table_of(rows, self._settings, self._path.name), stamp
            self.problem = ""
        except (OSError, UnicodeDecodeError) as error:
            problem = Problem(str(self._path), str(error), "a CSV file in UTF-8", "Check the path.")
            return self._fall_back(InputError([problem]))
        except InputError as error:
            return self._fall_back(error)
        return self._table

    def _fall_back(self, error: InputError) -> Table:
        self.problem = str(error)
        if self._table is None:
            raise error
        return self._table


class HttpPrices:
    """Prices over HTTP, asked for when the cache is no longer fresh; where the server fails, the last good answer.

    Attributes:
        problem: why the latest request failed, ``""`` where it did not.
    """

    def __init__(self, settings: HttpSettings, clock: Clock, *, folder: Path | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._folder = folder or Path()
        self._table: Table | None = None
        self._fetched_at: datetime | None = None
        self._asked: tuple[datetime, datetime] | None = None
        self.problem = ""

    def age_s(self) -> float | None:
        """Age of the last good answer [s]; ``None`` before there was one."""
        return None if self._fetched_at is None else (self._clock.now() - self._fetched_at).total_seconds()

    async def prices(self, grid: TimeGrid) -> Prices:
        """Prices over the grid; the source names the age of what was not fetched just now.

        Raises:
            InputError: no answer is good and young enough, or it does not cover the grid.
        """
        settings = self._settings
        age = self.age_s()
        windowed = "{start}" in settings.address or "{end}" in settings.address
        moved = windowed and self._asked != (grid.start, grid.end)
        if age is None or age > settings.fresh_s or moved:
            await self._refresh(grid)
            age = self.age_s()
        if self._table is None or age is None:
            raise InputError([self._failure("nothing was fetched yet")])
        if age > settings.keep_s:
            raise InputError([self._failure(f"the last good answer is {age / 3600:.1f} h old")])
        said = self._host() if not self.problem else f"{self._host()}; fetched {age / 60:.0f} min ago, now failing"
        return await asyncio.to_thread(prices_over, self._table, grid, settings, said)

    async def _refresh(self, grid: TimeGrid) -> None:
        try:
            self._table = await self._fetch(grid)
        except (httpx.HTTPError, OSError, UnicodeDecodeError, InputError) as error:
            self.problem = _told(error)
            return
        self._fetched_at, self._asked, self.problem = self._clock.now(), (grid.start, grid.end), ""

    async def _fetch(self, grid: TimeGrid) -> Table:
        settings = self._settings
        address = settings.address.replace("{start}", f"{grid.start:%Y-%m-%dT%H:%M:%SZ}")
        address = address.replace("{end}", f"{grid.end:%Y-%m-%dT%H:%M:%SZ}")
        headers = {}
        if settings.token_file is not None:
            token = (self._folder / settings.token_file).read_text(encoding="utf-8").strip()
            headers["Authorization"] = f"Bearer {token}"
        content = b""
        async with (
            httpx.AsyncClient(timeout=settings.timeout_s, follow_redirects=False) as client,
            client.stream("GET", address, headers=headers) as answer,
        ):
            answer.raise_for_status()
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    allowed = f"at most {_MOST_BYTES} bytes"
                    raise InputError([Problem(self._host(), "a longer answer", allowed, "Ask for fewer days.")])
            kind = answer.headers.get("content-type", "")
        as_json = settings.format == "json" or (settings.format == "auto" and "json" in kind)
        rows = rows_of_json(content, settings.path, self._host()) if as_json else rows_of_csv(content.decode("utf-8"))
        return await asyncio.to_thread(table_of, rows, settings, self._host())

    def _host(self) -> str:
        """The server without path and query, which may hold secrets."""
        return httpx.URL(self._settings.address.replace("{", "").replace("}", "")).host

    def _failure(self, found: str) -> Problem:
        told = f"{found} ({self.problem})" if self.problem else found
        return Problem(self._host(), told, f"an answer within {self._settings.keep_s / 3600:g} h", "Check the server.")


def _told(error: Exception) -> str:
    """A failure in words, without the address: its query may hold a secret."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server answered {error.response.status_code}"
    return type(error).__name__ if isinstance(error, httpx.HTTPError) else str(error)


def file_prices(path: Path, settings: Mapping[str, object], *, at: str = "prices") -> FilePrices:
    """A source that reads a CSV file; ``settings`` are keys of :class:`SignalSettings`.

    Raises:
        InputError: with everything that is wrong with the settings.
    """
    return FilePrices(path, _validated(SignalSettings, settings, at))


def http_prices(
    settings: Mapping[str, object], clock: Clock, *, folder: Path | None = None, at: str = "prices"
) -> HttpPrices:
    """A source over HTTP; ``settings`` are keys of :class:`HttpSettings`.

    Raises:
        InputError: with everything that is wrong with the settings.
    """
    return HttpPrices(_validated(HttpSettings, settings, at), clock, folder=folder)


def _validated(model: type[M], settings: Mapping[str, object], at: str) -> M:
    made = validated(model, settings, at=at, page="docs/how-to/connect-a-site-meter.md")
    if made.tz is not None:
        zone(made.tz)
    return made
