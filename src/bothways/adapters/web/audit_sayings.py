"""What the audit log says was done, in the viewer's language, and the values of its details as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bothways.adapters.web.figures import NOT_KNOWN, instant, said_number
from bothways.adapters.web.words import Words, later

_KINDS = (
    later("account disabled"), later("account enabled"), later("account invited"), later("account invited again"),
    later("account's roles changed"), later("alarm"), later("alarm ended"), later("compatibility"),
    later("driver agreed to a test discharge"), later("driver leaves"), later("emergency stop"),
    later("emergency stop latched"), later("emergency stop released"), later("grid permission"),
    later("grid permission by"), later("guest address closed"), later("guest address made"), later("guest leaves"),
    later("identity linked"), later("identity unlinked"), later("installation begun"), later("island command"),
    later("island command not taken"), later("island driver"), later("island memory refused"), later("island message"),
    later("island phase"), later("island position stated"), later("island rehearsal"), later("island request"),
    later("limit changed"), later("other sessions ended"), later("override begun"), later("override ended"),
    later("passkey added"), later("passkey removed"), later("password changed"), later("personal data exported"),
    later("queue closed"), later("queue defined"), later("recovery codes renewed"),
    later("second factor turned off"), later("second factor turned on"), later("session ended"), later("signed in"),
    later("site interval"), later("station added"), later("station commanded"), later("station handed over"),
    later("station password renewed"), later("station removed"), later("test charge begun"), later("test charge ended"),
    later("test discharge begun"), later("test discharge ended"), later("transaction ended"),
    later("wish recorded by staff"), later("wrong sign-ins"),
)  # fmt: skip
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_PARTS = "\x1f"
_EPOCH_US = range(10**15, 10**16)  # microseconds of the years 2001 to 2286: the store's own way to write instants


def kind_said(kind: str, words: Words) -> str:
    """What was done; a kind of another version is shown as it came."""
    return words(kind) if kind in _KINDS else kind


def kind_meant(said: str, words: Words) -> str:
    """The kind that somebody wrote into the filter, in the viewer's language or as it is stored.

    >>> kind_meant("Aangemeld", Words("nl")), kind_meant("signed in", Words("nl")), kind_meant("x", Words("nl"))
    ('signed in', 'signed in', 'x')
    """
    return next((kind for kind in _KINDS if words(kind).casefold() == said.casefold()), said)


def subject_said(subject: str) -> str:
    r"""To what it was done; names of several parts are written one after the other.

    >>> subject_said("car\x1fcharger\x1fAC")
    'car · charger · AC'
    """
    return " · ".join(part for part in subject.split(_PARTS) if part)


def plain(value: object, tz: str, words: Words) -> str:
    """A value of a detail as people write it; nothing where it says nothing.

    >>> dutch = Words("nl")
    >>> plain(["A/1", 2.5], "UTC", dutch), plain("2026-11-21T15:13:29.171801+00:00", "Europe/Amsterdam", dutch)
    ('A/1, 2,5', '21-11-2026 16:13:29')
    >>> plain(1795284881682067, "UTC", dutch), plain(True, "UTC", dutch), plain(None, "UTC", dutch)
    ('21-11-2026 18:14:41', 'ja', '–')
    """
    if value is None or value == "":
        return NOT_KNOWN
    if isinstance(value, bool):
        return words("yes") if value else words("no")
    if isinstance(value, list | tuple):
        return ", ".join(plain(item, tz, words) for item in value)
    if isinstance(value, int) and value in _EPOCH_US:
        return instant(datetime.fromtimestamp(value / 1e6, tz=UTC), tz, words)
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return instant(datetime.fromisoformat(value), tz, words)
    return said_number(str(value), words) if isinstance(value, float) else str(value)
