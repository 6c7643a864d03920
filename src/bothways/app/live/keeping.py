"""What ``bothways store`` does."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bothways.adapters.db import archive, retention
from bothways.adapters.db.engine import migrate
from bothways.adapters.db.export import export_samples, export_transactions
from bothways.adapters.db.export_visits import export_visits
from bothways.app.live.config import load_config
from bothways.domain.errors import Problems


def backup(config: Path, file: Path, *, as_json: bool) -> None:
    """Writes the store into one file."""
    moved = archive.backup(load_config(config).store.url, file)
    _say(asdict(moved), f"{file}: {_counted(moved)}", as_json=as_json)


def restore(config: Path, file: Path, *, as_json: bool) -> None:
    """Fills an empty store from a backup."""
    moved = archive.restore(file, load_config(config).store.url)
    _say(asdict(moved), f"restored: {_counted(moved)}", as_json=as_json)


def export(config: Path, file: Path, what: str, begin: str, end: str, station: str | None, *, as_json: bool) -> None:
    """Writes values, transactions or visits to a table.

    Raises:
        InputError: with every option that is wrong.
    """
    problems = Problems(at="export")
    first, last = _instant(begin, "--from", problems), _instant(end, "--to", problems)
    if first >= last and not problems:
        problems.add("--to", end, "later than --from", "Exchange them.")
    kinds = {"samples": export_samples, "transactions": export_transactions, "visits": export_visits}
    if what not in kinds:
        problems.add("--what", what, ", ".join(kinds), "Name what to export.")
    problems.raise_if_any()
    url = load_config(config).store.url
    migrate(url)
    count = kinds[what](url, file, first, last, station_id=station)
    _say({what: count}, f"{file}: {count} {what}", as_json=as_json)


def forget(config: Path, message_days: int, *, as_json: bool) -> None:
    """Deletes old values and messages.

    Raises:
        InputError: a number of days below 1.
    """
    problems = Problems(at="forget")
    if message_days < 1:
        problems.add("--message-days", message_days, "at least 1", "Say how long messages are kept.")
    problems.raise_if_any()
    part, now = load_config(config).store, datetime.now(tz=UTC)
    migrate(part.url)
    samples_before = now - timedelta(days=part.keep_samples_days)
    gone = retention.forget(part.url, samples_before=samples_before, messages_before=now - timedelta(days=message_days))
    _say(asdict(gone), f"deleted: {gone.samples} values, {gone.messages} messages", as_json=as_json)


def erase(config: Path, token: str, *, as_json: bool) -> None:
    """Takes a person's token out of the store."""
    url = load_config(config).store.url
    migrate(url)
    count = retention.erase(url, token)
    _say({"transactions": count}, f"erased from {count} transactions", as_json=as_json)


def _counted(moved: archive.Archived) -> str:
    return f"{moved.transactions} transactions, {moved.samples} values, {moved.stations} stations"


def _instant(text: str, option: str, problems: Problems) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        problems.add(option, text, "a day or an instant in ISO 8601", "Write it like 2026-03-29 or 2026-03-29T12:00Z.")
        return datetime(1970, 1, 1, tzinfo=UTC)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _say(values: dict[str, int], words: str, *, as_json: bool) -> None:
    print(json.dumps(values) if as_json else words)
