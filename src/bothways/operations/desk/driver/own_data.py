"""Everything that is kept of one person: given to them in one file, or erased."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bothways.domain.errors import DomainError, Problems, StoreError
from bothways.operations.access.accounts import Access, Account
from bothways.operations.access.roles import Role
from bothways.operations.desk.desk import Desk
from bothways.operations.desk.driver.statements import Statements
from bothways.operations.desk.views import need_view
from bothways.operations.documents import documents_in
from bothways.operations.events import EvseKey
from bothways.operations.personal import PersonalStore
from bothways.operations.ports import TransactionRow
from bothways.operations.wishes import KIND

_MOST = 100_000
_MONTHS = 24
_MEASURANDS = (
    "Energy.Active.Import.Register", "Energy.Active.Export.Register", "Power.Active.Import", "Power.Active.Export",
    "SoC",
)  # fmt: skip
_ABOUT = """What bothways keeps about {name}, as of {now:%Y-%m-%d %H:%M} UTC.

account.json       the account and its rights; passwords are kept as a hash that nobody can read, so they are not here
sign_ins.csv       where the account is signed in
needs.json         what was said for each time
wishes.json        what was said for each day of the week
queues.json        places in queues for shared charging points
transactions.csv   stays at charging points; energies in kWh, in is into the vehicle
meter_values.csv   what stations measured during those stays
statements.csv     what each stay cost and saved, line by line, in the site's currency
audit.csv          lines of the record of changes that name the account or its cards

Instants are UTC. Formats: CSV with a comma, JSON; all UTF-8.
"""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased; the transactions' energies stay under a random name, for the site's accounts."""

    cards: int
    transactions: int


class OwnData:
    """The use cases.

    Args:
        desk: sites, store and time.
        access: accounts and sessions.
    """

    def __init__(self, desk: Desk, access: Access) -> None:
        self._desk, self._parts, self._access = desk, desk.parts, access

    async def export(self, account: Account) -> bytes:
        """Everything about an account and its cards, as a ZIP archive of CSV and JSON."""
        store, cards = self._personal(), cards_of(account)
        now = self._parts.clock.now()
        rows: list[TransactionRow] = []
        for card in cards:
            rows.extend(await self._parts.store.transactions(id_token=card, limit=_MOST))
        documents = documents_in(self._parts.store)
        wishes = {
            name: body for name, body in (await documents.documents(KIND)).items() if name.split("\x1f")[0] in cards
        }
        queues = [body for body in (await documents.documents("queue")).values() if _mentions(body, cards)]
        sessions = await self._access.store.sessions(account.account_id)
        files = {
            "about.txt": _ABOUT.format(name=account.name, now=now.astimezone(UTC)),
            "account.json": _json(_account(account)),
            "sign_ins.csv": _csv(
                ("purpose", "label", "opened_at", "expires_at"),
                ((item.purpose, item.label, item.opened_at, item.expires_at) for item in sessions),
            ),
            "needs.json": _json([asdict(need_view(need)) for card in cards for need in await store.said(card)]),
            "wishes.json": _json([{"card": name.split("\x1f")[0], **body} for name, body in wishes.items()]),
            "queues.json": _json([_own_places(body, cards) for body in queues]),
            "transactions.csv": _csv(_TRANSACTION, (_transaction(row) for row in rows)),
            "meter_values.csv": _csv(_VALUE, await self._values(rows, now)),
            "statements.csv": _csv(_LINE, await self._lines(account, rows)),
            "audit.csv": _csv(("at", "kind", "subject", "detail"), await self._audit(account, cards)),
        }
        await self._parts.store.note("personal data exported", account.name, now, {"who": account.name})
        return _zip(files, now)

    async def erase(self, token: str, confirmation: str) -> Erased:
        """Erases the account whose session this is, and its cards. It cannot be undone.

        Args:
            token: of a session that was opened a short while ago.
            confirmation: the account's name, typed by its owner.

        Raises:
            SignInAgain: the session is older.
            InputError: the name is not the account's.
            DomainError: a vehicle is still plugged in with one of the cards.
        """
        account = await self._access.fresh(token)
        problems = Problems(at="erasure")
        if confirmation.strip().casefold() != account.name.casefold():
            problems.add("confirmation", confirmation, "the name of the account", "Type your name to confirm.")
        problems.raise_if_any()
        store, cards = self._personal(), cards_of(account)
        for control in self._parts.sites.values():
            image = control.snapshot().image
            here = {state.session.id_token for state in (image.evses if image else ()) if state.session is not None}
            if here & set(cards):
                msg = "a vehicle is plugged in with a card of this account; unplug it first"
                raise DomainError(msg)
        for card in cards:
            for control in self._parts.sites.values():
                await control.forget(card)
        await self._leave_queues(cards)
        return Erased(len(cards), await store.erase_person(account.account_id, cards))

    async def _leave_queues(self, cards: Sequence[str]) -> None:
        documents, now = documents_in(self._parts.store), self._parts.clock.now()
        for name, body in (await documents.documents("queue")).items():
            if _mentions(body, cards):
                await documents.keep_document("queue", name, now, _without_places(body, cards))

    async def _values(self, rows: Iterable[TransactionRow], now: datetime) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for row in rows:
            if row.started_at is None:
                continue
            key, until = EvseKey(row.station_id, row.evse_id), (row.ended_at or now) + timedelta(seconds=1)
            for measurand in _MEASURANDS:
                samples = await self._parts.store.samples(key, measurand, row.started_at, until)
                found.extend(
                    (row.station_id, row.transaction_id, item.at, measurand, item.value, item.unit, item.phase)
                    for item in samples
                )
        return found

    async def _lines(self, account: Account, rows: Sequence[TransactionRow]) -> list[tuple[object, ...]]:
        statements = Statements(self._desk)
        found: list[tuple[object, ...]] = []
        months = sorted({f"{row.started_at:%Y-%m}" for row in rows if row.started_at is not None})[-_MONTHS:]
        for card in cards_of(account):
            for month in months:
                statement = await statements.month(account.actor(), card, month)
                for stay in statement.stays:
                    found.extend(
                        (month, stay.station_id, stay.transaction_id, stay.currency, *(asdict(line).values()))
                        for line in stay.lines
                    )
        return found

    async def _audit(self, account: Account, cards: Sequence[str]) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for line in await self._personal().noted_about({account.name, *cards}):
            at, kind, subject, detail = line
            found.append((at, kind, subject, _json(dict(detail))))
        return found

    def _personal(self) -> PersonalStore:
        store = self._parts.store
        if isinstance(store, PersonalStore):
            return store
        msg = f"{type(store).__name__} keeps no personal data that could be told apart"
        raise StoreError(msg)


def cards_of(account: Account) -> list[str]:
    """The cards that an account drives with."""
    return sorted(
        grant.scope.removeprefix("token:")
        for grant in account.grants
        if grant.role == Role.DRIVER and grant.scope.startswith("token:")
    )


_TRANSACTION = ("station", "evse", "transaction", "card", "started_at", "ended_at", "in_kwh", "out_kwh", "reason")
_VALUE = ("station", "transaction", "at", "measurand", "value", "unit", "phase")
_LINE = (
    "month", "station", "transaction", "currency", "interval", "in_kwh", "out_kwh", "price", "worth_of_out", "cost",
    "credit", "wear", "uncontrolled_kwh", "uncontrolled_cost",
)  # fmt: skip


def _account(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "email": account.email,
        "language": account.language,
        "second_factor": bool(account.totp_secret),
        "rights": [{"role": grant.role.value, "scope": grant.scope} for grant in account.grants],
    }


def _transaction(row: TransactionRow) -> tuple[object, ...]:
    return (
        row.station_id, row.evse_id, row.transaction_id, row.id_token, row.started_at, row.ended_at,
        row.energy_import_kwh, row.energy_export_kwh, row.reason,
    )  # fmt: skip


def _mentions(body: Mapping[str, Any], cards: Sequence[str]) -> bool:
    named = {place["holder"] for place in body["places"]} | {item["at"].rpartition("|")[2] for item in body["swaps"]}
    return bool((named | set(body["members"])) & set(cards))


def _own_places(body: Mapping[str, Any], cards: Sequence[str]) -> dict[str, Any]:
    return {
        "name": body["name"],
        "member": bool(set(body["members"]) & set(cards)),
        "places": [item for item in body["places"] if item["holder"] in cards],
    }


def _without_places(body: Mapping[str, Any], cards: Sequence[str]) -> dict[str, Any]:
    gone = {item["place_id"] for item in body["places"] if item["holder"] in cards}
    places = [item for item in body["places"] if item["place_id"] not in gone]
    swaps = [
        item
        for item in body["swaps"]
        if not gone & {item["asks"], item["asked"]} and item["at"].rpartition("|")[2] not in cards
    ]
    members = [card for card in body["members"] if card not in cards]
    closed = body["members"] and not members  # a queue of nobody must not become everybody's
    return {**body, "places": places, "swaps": swaps, "members": ["-"] if closed else members}


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return "" if value is None else str(value)


def _json(value: object) -> str:
    def plain(item: object) -> str:
        if isinstance(item, datetime | Decimal):
            return _plain(item)
        msg = f"{type(item).__name__} has no form in JSON"
        raise TypeError(msg)

    return json.dumps(value, default=plain, ensure_ascii=False, indent=1)


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a text that a spreadsheet would take for a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    for row in rows:
        cells = [(_plain(cell), isinstance(cell, str)) for cell in row]
        writer.writerow([f"'{text}" if words and text[:1] in "=+-@" and text else text for text, words in cells])
    return out.getvalue()


def _zip(files: Mapping[str, str], now: datetime) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name, now.astimezone(UTC).timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    return out.getvalue()
