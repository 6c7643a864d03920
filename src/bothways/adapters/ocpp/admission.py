"""Who may connect: address, registered security profile, password or certificate, and how often one may guess."""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

from bothways.operations.ports import StationRegistry
from bothways.operations.stations import StationRecord

PATH = re.compile(r"^/ocpp/([^/?#]{1,255})/?$")
_HEX = re.compile(rb"^(?:[0-9A-Fa-f]{2}){8,32}$")
REMEMBERED = 10_000


class Denied(Exception):  # noqa: N818 - an outcome, not a failure
    """The connection is refused with an HTTP status."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(text)


class Peer(NamedTuple):
    """What the transport shows of whoever connects.

    Attributes:
        remote: address.
        tls: whether this listener ended TLS.
        certificate: the verified client certificate as :meth:`ssl.SSLSocket.getpeercert` gives it; empty for none.
    """

    remote: str
    tls: bool
    certificate: Mapping[str, Any]


class Guesses:
    """Counts wrong passwords by station and address, so that nobody can guess on, nor lock a station out from afar.

    Args:
        allowed: wrong ones within the window before further ones are refused unread.
        window_s: length of the window [s].
        monotonic: a clock that never goes back [s].
    """

    def __init__(self, allowed: int, window_s: float, monotonic: Callable[[], float]) -> None:
        self._allowed = allowed
        self._window_s = window_s
        self._monotonic = monotonic
        self._wrong: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def too_many(self, station_id: str, remote: str) -> bool:
        """Whether this one must wait."""
        count, since = self._wrong.get((station_id, remote), (0, 0.0))
        return count >= self._allowed and self._monotonic() - since < self._window_s

    def wrong(self, station_id: str, remote: str) -> None:
        """Notes a wrong password; the memory is bounded."""
        key, now = (station_id, remote), self._monotonic()
        count, since = self._wrong.pop(key, (0, now))
        self._wrong[key] = (1, now) if now - since >= self._window_s else (count + 1, now)
        while len(self._wrong) > REMEMBERED:
            self._wrong.popitem(last=False)

    def right(self, station_id: str, remote: str) -> None:
        """Forgets earlier wrong ones."""
        self._wrong.pop((station_id, remote), None)


def station_of(path: str) -> str:
    """The station's identity from the request's path.

    Raises:
        Denied: where the path is not ``/ocpp/{station_id}``.

    >>> station_of("/ocpp/CP%2F1")
    'CP/1'
    """
    found = PATH.match(path.partition("?")[0])
    if found is None:
        raise Denied(HTTPStatus.NOT_FOUND, "stations connect at /ocpp/{station_id}")
    return unquote(found[1])


def remote_of(address: str, forwarded: Sequence[str], *, behind_proxy: bool) -> str:
    """Who connects: behind a proxy the last address of ``X-Forwarded-For``, which the proxy itself has added.

    Without this, wrong passwords of one stranger behind the proxy would lock out the station they name.

    >>> remote_of("127.0.0.1", ["198.51.100.7, 203.0.113.9"], behind_proxy=True)
    '203.0.113.9'
    >>> remote_of("192.0.2.1", ["203.0.113.9"], behind_proxy=False)
    '192.0.2.1'
    """
    last = forwarded[-1].rpartition(",")[2].strip() if forwarded else ""
    return last[:64] if behind_proxy and last else address


def credentials(header: str | None) -> tuple[str, bytes] | None:
    """User name and password of a Basic header; the password stays bytes, since some stations send raw ones."""
    if header is None or header[:6].lower() != "basic ":
        return None
    try:
        plain = base64.b64decode(header[6:].strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    user, colon, password = plain.partition(b":")
    if not colon:
        return None
    try:
        return user.decode("utf-8"), password
    except UnicodeDecodeError:
        return None


def spellings(password: bytes) -> Iterator[bytes]:
    """The forms in which the same secret may have been stored.

    The AuthorizationKey of 1.6 is written in hexadecimal digits. Some stations send these digits, some the bytes they
    stand for: a password that is not text is tried as digits, in capitals and small letters.
    """
    yield password
    if _HEX.match(password):
        for other in (password.upper(), password.lower()):
            if other != password:
                yield other
    elif 8 <= len(password) <= 32 and not (password.isascii() and password.decode("ascii").isprintable()):
        digits = password.hex().encode()
        yield digits.upper()
        yield digits


def names_in(certificate: Mapping[str, Any]) -> frozenset[str]:
    """Common name, serial number and alternative names of a certificate."""
    names = {
        str(value)
        for rdn in certificate.get("subject", ())
        for key, value in rdn
        if key in {"commonName", "serialNumber"}
    }
    names |= {str(value) for kind, value in certificate.get("subjectAltName", ()) if kind in {"DNS", "URI"}}
    return frozenset(names)


async def admit(
    path: str, authorization: str | None, peer: Peer, registry: StationRegistry, guesses: Guesses, *,
    behind_proxy: bool, sites: Collection[str] | None = None,
) -> StationRecord:  # fmt: skip
    """Decides on a connection.

    Args:
        path: of the request.
        authorization: header of that name.
        peer: what the transport shows.
        registry: stations and their secrets.
        guesses: wrong passwords so far.
        behind_proxy: whether a proxy ended TLS in front of a plain listener.
        sites: sites whose stations are let in; ``None`` for all.

    Returns:
        The station's record.

    Raises:
        Denied: 404 for an unknown station or path, 401 for a wrong password or certificate, 403 where the connection is
            less secure than the station's profile or nobody here controls its site, 429 after too many wrong passwords.
    """
    station_id = station_of(path)
    if guesses.too_many(station_id, peer.remote):
        raise Denied(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong passwords; wait")
    record = await registry.station(station_id)
    if record is None:
        guesses.wrong(station_id, peer.remote)
        raise Denied(HTTPStatus.NOT_FOUND, "unknown station")
    if record.security_profile >= 2 and not (peer.tls or behind_proxy):
        raise Denied(HTTPStatus.FORBIDDEN, "this station's security profile asks for TLS")
    if record.security_profile >= 3:
        _check_certificate(record, peer)
        return _controlled(record, sites)
    given = credentials(authorization)
    if given is None or given[0] != station_id or not await _known(registry, station_id, given[1]):
        guesses.wrong(station_id, peer.remote)
        raise Denied(HTTPStatus.UNAUTHORIZED, "wrong user name or password")
    guesses.right(station_id, peer.remote)
    return _controlled(record, sites)


def _controlled(record: StationRecord, sites: Collection[str] | None) -> StationRecord:
    """A station that nobody here commands would charge as it likes; told only to who has proved to be it."""
    if sites is not None and record.site_id not in sites:
        raise Denied(HTTPStatus.FORBIDDEN, "this station's site is not configured here")
    return record


async def _known(registry: StationRegistry, station_id: str, password: bytes) -> bool:
    for form in spellings(password):
        if await registry.verify(station_id, form):
            return True
    return False


def _check_certificate(record: StationRecord, peer: Peer) -> None:
    """Profile 3: the certificate was verified by TLS; here it must also be this station's."""
    if not peer.tls:
        raise Denied(HTTPStatus.FORBIDDEN, "security profile 3 cannot end at a proxy")
    allowed = {record.station_id} | ({record.serial} if record.serial else set())
    if not names_in(peer.certificate) & allowed:
        raise Denied(HTTPStatus.UNAUTHORIZED, "the certificate is not this station's")


def server_context(certificate: str, key: str, client_authority: str | None = None) -> ssl.SSLContext:
    """TLS for the listener: at least 1.2; with an authority for stations, their certificates are asked for.

    Args:
        certificate: file with the server's certificate and chain, PEM.
        key: file with its private key, PEM.
        client_authority: file with the authorities that sign stations' certificates, PEM; ``None`` asks for none.

    Returns:
        The context. A station without a certificate is let through to the check of its security profile.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_authority is not None:
        context.load_verify_locations(client_authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
