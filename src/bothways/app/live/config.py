"""Configuration of ``bothways serve``: one typed file, with overrides from the environment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bothways.app.live.batteries import BatteryPart
from bothways.app.live.island_config import IslandPart
from bothways.app.live.openid_config import OpenIdPart, safe_address
from bothways.app.live.vehicle_config import VehiclePart
from bothways.domain.errors import InputError, Problems
from bothways.domain.validation import validated

PAGE = "docs/reference/configuration.md"
PREFIX = "BOTHWAYS__"
_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})
_FILES = ("tls_certificate", "tls_key", "client_ca", "issuer_certificate", "issuer_key")
_PASSWORD = re.compile(r"(?<=://)[^/\s@]*@")

Power = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Part(BaseModel):
    """A table of the file: unknown keys are refused, values are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerPart(Part):
    """Where stations and people connect."""

    host: str = "127.0.0.1"
    port: Port = 9000
    behind_proxy: bool = False
    tls_certificate: str | None = None
    tls_key: str | None = None
    client_ca: str | None = None
    issuer_certificate: str | None = None
    issuer_key: str | None = None
    secrets_key: str | None = None
    web_host: str = "127.0.0.1"
    web_port: Port = 8080
    public_url: str = ""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("public_url")
    @classmethod
    def _public(cls, address: str) -> str:
        return safe_address(address) if address else ""

    @model_validator(mode="after")
    def _tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            msg = "give both tls_certificate and tls_key, or neither"
            raise ValueError(msg)
        if self.client_ca is not None and self.tls_certificate is None:
            msg = "client_ca (security profile 3) needs tls_certificate and tls_key"
            raise ValueError(msg)
        if (self.issuer_certificate is None) != (self.issuer_key is None):
            msg = "give both issuer_certificate and issuer_key, or neither"
            raise ValueError(msg)
        plain = self.tls_certificate is None and not self.behind_proxy
        for name in ("host", "web_host"):
            if plain and getattr(self, name) not in _THIS_MACHINE:
                msg = (
                    f"without TLS the server listens on this machine only ({name} 127.0.0.1): give tls_certificate "
                    "and tls_key, or behind_proxy = true where a proxy ends TLS"
                )
                raise ValueError(msg)
        return self

    @property
    def web_tls(self) -> bool:
        """Whether people connect by TLS: always, where other machines reach the server without a proxy."""
        return self.tls_certificate is not None and self.web_host not in _THIS_MACHINE and not self.behind_proxy


class StorePart(Part):
    """Where everything is kept."""

    url: str = "sqlite:///bothways.db"
    keep_samples_days: Annotated[int, Field(ge=1)] = 400
    wait_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 60.0

    @field_validator("url")
    @classmethod
    def _scheme(cls, url: str) -> str:
        if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            msg = "a store's url starts with sqlite:/// or postgresql://"
            raise ValueError(msg)
        return url


class BusPart(Part):
    """How processes reach each other; without it one process does everything."""

    url: str = ""
    user: str = ""
    password: str = Field(default="", repr=False)
    token: str = Field(default="", repr=False)
    credentials: str | None = None
    ca: str | None = None
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = "bothways"
    lease_s: Annotated[float, Field(ge=1.0, le=60.0)] = 3.0

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not self.url:
            if self.model_fields_set - {"url"}:
                msg = "give the bus's url, such as nats://127.0.0.1:4222, or leave [bus] out"
                raise ValueError(msg)
            return self
        if bool(self.user) != bool(self.password):
            msg = "give both user and password, or neither"
            raise ValueError(msg)
        for address in self.url.split(","):
            parts = urlsplit(address.strip())
            if parts.scheme not in {"nats", "tls"} or not parts.hostname or "@" in parts.netloc:
                msg = "each address is nats://HOST:PORT or tls://HOST:PORT; user and password are keys of their own"
                raise ValueError(msg)
            if parts.hostname in _THIS_MACHINE:
                continue
            if parts.scheme != "tls":
                msg = f"the bus carries orders: beyond this machine it needs TLS (tls://{parts.hostname}:…)"
                raise ValueError(msg)
            if not (self.user or self.token or self.credentials):
                msg = "beyond this machine the bus needs to know who connects: user and password, token, or credentials"
                raise ValueError(msg)
        return self


class MeterPart(Part):
    """The site's meter. ``none`` is allowed, and makes the loop cautious."""

    kind: Literal["none", "modbus", "mqtt", "file"] = "none"
    settings: dict[str, Any] = Field(default_factory=dict)


class PricesPart(Part):
    """Prices where no tariff file gives them: flat, from a file, or over HTTP (``settings`` with an ``address``)."""

    import_per_kwh: Annotated[float, Field(allow_inf_nan=False)] | None = None
    export_per_kwh: Annotated[float, Field(allow_inf_nan=False)] | None = None
    file: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def given(self) -> bool:
        """Whether any source is named."""
        return self.import_per_kwh is not None or self.file is not None or bool(self.settings)

    @model_validator(mode="after")
    def _one(self) -> Self:
        flat = self.import_per_kwh is not None
        if flat and (self.file is not None or self.settings):
            msg = "give either import_per_kwh, or a file or an address with its settings"
            raise ValueError(msg)
        if not flat and self.export_per_kwh is not None:
            msg = "export_per_kwh goes with import_per_kwh; for a file or an address it belongs into the settings"
            raise ValueError(msg)
        if self.file is not None and "address" in self.settings:
            msg = "give either a file or an address"
            raise ValueError(msg)
        if self.file is None and self.settings and "address" not in self.settings:
            msg = "settings describe a file or an address; name one of them"
            raise ValueError(msg)
        return self


class SitePart(Part):
    """One site: a grid connection and what lies behind it."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,48}$")]
    tz: str
    import_hard_limit_kw: Power = math.inf
    import_limit_kw: Power = math.inf
    import_limit_penalty_per_kwh: Power = 0.0
    export_limit_kw: Power = 0.0
    phase_limit_kw: Power = math.inf
    assumed_load_kw: Power | None = None
    safe_charge_kw: Power = 1.4
    wear_per_kwh: Power = 0.0
    ramp_kw_per_min: Positive | None = None
    emergency_contact: str = ""
    currency: Annotated[str, Field(pattern=r"^([A-Z]{3})?$")] = ""
    tariff: str | None = None
    prices: PricesPart = PricesPart()
    meter: MeterPart = MeterPart()
    vehicle: VehiclePart = VehiclePart()
    resting_per_kwh_h: Power = 0.0
    battery: list[BatteryPart] = Field(default_factory=list)
    island: IslandPart | None = None

    @field_validator("tz")
    @classmethod
    def _zone(cls, name: str) -> str:
        if name not in available_timezones():
            msg = "an IANA time zone such as Europe/Amsterdam"
            raise ValueError(msg)
        return name

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if not (self.tariff or self.prices.given):
            msg = "prices are needed: a tariff file, or [site.prices] with import_per_kwh, a file or an address"
            raise ValueError(msg)
        return self


class TokensPart(Part):
    """Who may charge. Nobody, until it is said."""

    accept_any: bool = False
    accepted: list[Annotated[str, Field(min_length=1, max_length=36)]] = Field(default_factory=list)
    blocked: list[Annotated[str, Field(min_length=1, max_length=36)]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := sorted(set(self.accepted) & set(self.blocked)):
            msg = f"a token is accepted or blocked, not both: {', '.join(both)}"
            raise ValueError(msg)
        if self.accept_any and (self.accepted or self.blocked):
            msg = "accept_any = true takes every token; leave the lists out, or set it to false"
            raise ValueError(msg)
        return self


class Config(Part):
    """The whole file."""

    server: ServerPart = ServerPart()
    store: StorePart = StorePart()
    bus: BusPart = BusPart()
    tokens: TokensPart = TokensPart()
    openid: list[OpenIdPart] = Field(default_factory=list)
    site: list[SitePart] = Field(min_length=1)

    @model_validator(mode="after")
    def _shared(self) -> Self:
        if self.bus.url and self.store.url.startswith("sqlite:"):
            msg = (
                "several processes ([bus]) need PostgreSQL: set [store] url to postgresql://…, or leave [bus] out and "
                "one process does everything with SQLite"
            )
            raise ValueError(msg)
        islands = [site.id for site in self.site if site.island is not None]
        if self.bus.url and islands:
            msg = (
                f"a site that can be an island is run by one process, at the building: take {', '.join(islands)} out "
                "of this file and give it a process of its own without [bus]"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [site.id for site in self.site]
        if len(set(names)) != len(names):
            msg = f"site ids must differ, found {names}"
            raise ValueError(msg)
        return self


def config_from_mapping(
    mapping: Mapping[str, Any], environment: Mapping[str, str] | None = None, *, at: str = "configuration"
) -> Config:
    """Validates a configuration whole; the environment's overrides come last.

    ``BOTHWAYS__SERVER__PORT=9100`` overrides ``port`` in ``[server]``; ``BOTHWAYS__SITE__0__TZ`` the first site's
    zone. A variable that names an unknown key is refused like an unknown key in the file.

    Raises:
        InputError: with every problem found.
    """
    merged = _copy(mapping)
    problems = Problems(at="environment")
    for name, text in sorted((environment or {}).items()):
        if name.startswith(PREFIX):
            _override(merged, [part.lower() for part in name.removeprefix(PREFIX).split("__")], text, name, problems)
    problems.raise_if_any()
    try:
        return validated(Config, merged, at=at, page=PAGE)
    except InputError as error:  # an address that is refused is shown without the password in it
        raise InputError(
            [replace(item, found=_PASSWORD.sub("[hidden]@", item.found)) for item in error.problems]
        ) from None


def load_config(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Reads a configuration file; relative files within it are sought beside it.

    Raises:
        InputError: not readable, not TOML, or with any problem in it.
    """
    from bothways.adapters.files.reading import read_toml  # noqa: PLC0415

    config = config_from_mapping(read_toml(path), os.environ if environment is None else environment, at=path.name)
    folder = path.parent.absolute()
    given = {name: value for name in _FILES if (value := getattr(config.server, name)) is not None}
    given["secrets_key"] = config.server.secrets_key or "secrets.key"
    server = config.server.model_copy(update={name: str(folder / value) for name, value in given.items()})
    place = config.store.url.removeprefix("sqlite:///")
    url = config.store.url if place == config.store.url else f"sqlite:///{folder / place}"
    store = config.store.model_copy(update={"url": url})
    files = {name: str(folder / value) for name in ("credentials", "ca") if (value := getattr(config.bus, name))}
    bus = config.bus.model_copy(update=files)
    return config.model_copy(update={"server": server, "store": store, "bus": bus})


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    return value


def _override(target: Any, keys: list[str], text: str, name: str, problems: Problems) -> None:
    for position, key in enumerate(keys):
        last = position == len(keys) - 1
        if isinstance(target, list):
            if not key.isdigit() or int(key) >= len(target):
                problems.add(name, key, f"a number from 0 to {len(target) - 1}", "Lists are counted from 0.")
                return
            if not last:
                target = target[int(key)]
                continue
            target[int(key)] = text
        elif isinstance(target, dict):
            if not last:
                target = target.setdefault(key, {})
                continue
            target[key] = text
        else:
            problems.add(name, text, "a key of a table", f"{keys[position - 1]!r} holds a value, not a table.")
            return
