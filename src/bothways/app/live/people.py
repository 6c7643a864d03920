"""Accounts and grid permissions from the command line."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from bothways.adapters.clocks import SystemClock
from bothways.adapters.db.store import SqlStore
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.app.live.config import Config, load_config
from bothways.app.live.stations import with_store
from bothways.domain.errors import InputError, Problem, Problems
from bothways.operations.access.accounts import Access, Account
from bothways.operations.access.roles import EVERYTHING, Grant, Role
from bothways.operations.ports import CompatibilityRow
from bothways.operations.stations import GridPermission

_USES = ("V2L", "V2H", "V2B", "V2G")
_CONNECTORS = ("CHAdeMO", "CCS", "AC")
_MOST_KW = 1000.0
_LONGEST = 200
_SCOPE = re.compile(r"\*|site:[A-Za-z0-9_.-]{1,48}|token:[\x21-\x7e]{1,36}")


@dataclass(frozen=True, slots=True)
class PermitForm:
    """What ``bothways permit`` was asked for; see its options."""

    site: str
    agreement: str
    export_kw: float
    protection: str
    certificates: tuple[str, ...]
    islanding: bool


@dataclass(frozen=True, slots=True)
class PairForm:
    """What ``bothways pair`` was asked for; see its options."""

    vehicle: str
    charger: str
    source: str
    discharge_kw: float
    uses: str
    connector: str
    resumes: bool | None


def _access(store: SqlStore) -> Access:
    return Access(store, Argon2Hasher(), TimeCodes(), SystemClock())


def grant_from(role: str, scope: str, config: Config) -> Grant:
    """A grant from words.

    Raises:
        InputError: with every problem found.
    """
    problems = Problems(at="account")
    roles = [item.value for item in Role]
    if role not in roles:
        problems.add("--role", role, ", ".join(roles), "Choose one of them.")
    sites = [site.id for site in config.site]
    if not _SCOPE.fullmatch(scope):
        problems.add("--scope", scope, "site:ID, token:ID or *", "Say what the role reaches.")
    elif scope.startswith("site:") and scope.removeprefix("site:") not in sites:
        problems.add("--scope", scope, f"a site of the configuration: {', '.join(sites)}", "Correct the site's id.")
    if role == Role.DRIVER and not scope.startswith("token:"):
        problems.add("--scope", scope, "token:ID for a driver", "Give the id of the driver's card.")
    problems.raise_if_any()
    return Grant(Role(role), scope)


def invite_account(path: Path, name: str, role: str, scope: str, email: str, *, as_json: bool) -> None:
    """Creates an account and prints its invitation, once."""
    config = load_config(path)
    grant = grant_from(role, scope, config)

    async def work(store: SqlStore) -> str:
        _, token = await _access(store).invite(name, [grant], email)
        await store.note("account invited", name, datetime.now(tz=UTC), {"role": role, "scope": scope})
        return token

    _tell_invitation(config, name, with_store(config, work), as_json=as_json)


def _tell_invitation(config: Config, name: str, token: str, *, as_json: bool) -> None:
    server = config.server
    own = f"{'https' if server.web_tls else 'http'}://{server.web_host}:{server.web_port}"
    link = f"{server.public_url.rstrip('/') or own}/invitation/{token}"
    if as_json:
        print(json.dumps({"name": name, "token": token, "link": link}))
        return
    print(f"invitation of {name}, valid for three days, shown this once:")
    print(f"  {link}")


def recover_account(path: Path, name: str, *, as_json: bool) -> None:
    """Lets somebody in again who lost password, phone and codes: a new invitation, no second factor, no passkeys."""
    config = load_config(path)

    async def work(store: SqlStore) -> str:
        account = await store.account_by_name(name)
        if account is None:
            raise InputError([Problem("NAME", name, "an existing account", "See `bothways account list`.")])
        restored = replace(account, totp_secret="", disabled=False)
        await store.replace_account(restored)
        await store.keep_recovery(account.account_id, [])
        for passkey in await store.passkeys(account.account_id):
            await store.remove_passkey(account.account_id, passkey.credential_id)
        token = await _access(store).invite_again(restored)
        detail = {"removed": "second factor and passkeys"}
        await store.note("account invited again", account.name, datetime.now(tz=UTC), detail)
        return token

    _tell_invitation(config, name, with_store(config, work), as_json=as_json)


def list_accounts(path: Path, *, as_json: bool) -> None:
    """Prints all accounts."""

    async def work(store: SqlStore) -> list[Account]:
        return list(await store.accounts())

    accounts = with_store(load_config(path), work)
    rows = [
        {
            "name": item.name,
            "disabled": item.disabled,
            "invited": not item.password_hash,
            "second_factor": bool(item.totp_secret),
            "grants": [f"{grant.role.value} on {'everything' if grant.scope == EVERYTHING else grant.scope}"
                       for grant in item.grants],
        }
        for item in accounts
    ]  # fmt: skip
    if as_json:
        print(json.dumps(rows))
        return
    if not rows:
        print("no accounts yet; make the first with `bothways account invite … --role administrator --scope '*'`")
    for row in rows:
        states = ("disabled", "invited", "second_factor")
        state = next((word.replace("_", " ") for word in states if row[word]), "password only")
        print(f"{row['name']!s:24} {state:14} {', '.join(row['grants'])}")  # type: ignore[arg-type]


def disable_account(path: Path, name: str) -> None:
    """Lets an account sign in no more."""

    async def work(store: SqlStore) -> None:
        account = await store.account_by_name(name)
        if account is None:
            raise InputError([Problem("NAME", name, "an existing account", "See `bothways account list`.")])
        await store.replace_account(replace(account, disabled=True))
        await store.close_sessions(account.account_id)
        await store.note("account disabled", account.name, datetime.now(tz=UTC), {})

    with_store(load_config(path), work)
    print(f"{name} is signed out everywhere and signs in no more")


def permission_from(form: PermitForm, config: Config, now: datetime) -> GridPermission:
    """The record that a form describes.

    Raises:
        InputError: with every problem found.
    """
    problems = Problems(at="permit")
    sites = [site.id for site in config.site]
    if form.site not in sites:
        problems.add("SITE", form.site, ", ".join(sites), "Correct the site's id.")
    for name, text in (("--agreement", form.agreement), ("--protection", form.protection)):
        if not text.strip():
            problems.add(name, text, "a reference", "Give the document's number.")
    if not (math.isfinite(form.export_kw) and 0.0 <= form.export_kw <= 100_000.0):
        problems.add("--export-kw", form.export_kw, "0 to 100 000 kW", "Give the power in kW, not in W.")
    certificates = []
    for text in form.certificates:
        name, _, day = text.rpartition("=")
        try:
            ends = datetime.combine(date.fromisoformat(day), time(), UTC) + timedelta(days=1)
        except ValueError:
            problems.add("--certificate", text, "NAME=YYYY-MM-DD", "Give its name and its last day.")
            continue
        if not name:
            problems.add("--certificate", text, "NAME=YYYY-MM-DD", "Give its name as well.")
        if ends <= now:
            problems.add("--certificate", text, "a certificate that is still valid", "Renew it first.")
        certificates.append((name, ends))
    problems.raise_if_any()
    return GridPermission(
        form.site, form.agreement, form.export_kw, form.protection, tuple(certificates), islanding=form.islanding
    )


def pair_from(form: PairForm, now: datetime) -> CompatibilityRow:
    """The row of the compatibility register that a form describes.

    Raises:
        InputError: with every problem found.
    """
    problems = Problems(at="pair")
    for name, text in (("VEHICLE", form.vehicle), ("CHARGER", form.charger), ("--source", form.source)):
        if not text.strip() or len(text) > _LONGEST:
            problems.add(name, text, f"1 to {_LONGEST} characters", "Say which.")
    uses = tuple(dict.fromkeys(word.strip() for word in form.uses.split(",") if word.strip()))
    if unknown := [word for word in uses if word not in _USES]:
        problems.add("--uses", ", ".join(unknown), ", ".join(_USES), "Write them as they are written here.")
    if form.connector not in _CONNECTORS:
        problems.add("--connector", form.connector, ", ".join(_CONNECTORS), "Choose one of them.")
    if not 0.0 <= form.discharge_kw <= _MOST_KW:
        problems.add("--discharge-kw", form.discharge_kw, f"0 to {_MOST_KW:g} kW", "Give the power in kW, not in W.")
    if bool(uses) != (form.discharge_kw > 0.0) and not problems:
        problems.add("--uses", form.uses or "nothing", "uses with a power, or neither", "Give both, or say 0 kW.")
    problems.raise_if_any()
    return CompatibilityRow(
        form.vehicle.strip(), form.charger.strip(), form.connector, uses, form.discharge_kw, form.source.strip(), now,
        resumes=form.resumes,
    )  # fmt: skip


def record_pair(path: Path, form: PairForm) -> None:
    """Records what a vehicle and a charger can do together."""
    config = load_config(path)
    now = datetime.now(tz=UTC)
    row = pair_from(form, now)
    with_store(config, lambda store: store.add_compatibility(row, now))
    able = f"discharges up to {row.discharge_kw:g} kW ({', '.join(row.uses)})" if row.uses else "does not discharge"
    print(f"recorded: {row.vehicle} at {row.charger} {able}; a running server knows it within a minute")


def record_permission(path: Path, form: PermitForm) -> None:
    """Records a site's grid connection."""
    config = load_config(path)
    now = datetime.now(tz=UTC)
    permission = permission_from(form, config, now)
    with_store(config, lambda store: store.permit(permission, now))
    lacks = permission.missing(now)
    print(f"recorded; {'still missing: ' + '; '.join(lacks) if lacks else 'discharging and export are permitted'}")
