"""Numbers, money, times and ages as people read them: every screen writes them here, in the viewer's language."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from bothways.adapters.web.words import Words, later

NOT_KNOWN = "–"
WEEKDAYS = (
    later("Mon"), later("Tue"), later("Wed"), later("Thu"), later("Fri"), later("Sat"), later("Sun"),
)  # fmt: skip
_MARKS = {"en": (".", ","), "nl": (",", ".")}
_DAYS = {"en": "%Y-%m-%d", "nl": "%d-%m-%Y"}  # English readers do not agree on the order of day and month
_SIGNS = {"EUR": "€", "GBP": "£", "USD": "$"}
_WEEK = timedelta(days=6)
_DECIMAL = re.compile(r"-?\d+\.\d+")


def number(value: float | Decimal, digits: int, words: Words) -> str:
    """A number with so many digits behind the mark; never a negative zero.

    >>> number(1234.56, 1, Words("en")), number(1234.56, 1, Words("nl")), number(-0.01, 1, Words("nl"))
    ('1,234.6', '1.234,6', '0,0')
    """
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    rounded = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    mark, group = _MARKS[words.language]
    text = f"{rounded + 0 if rounded else abs(rounded):,.{digits}f}"
    return text.translate({ord(","): group, ord("."): mark})


def quantity(value: float | Decimal | None, unit: str, words: Words, digits: int = 1) -> str:
    """A number with its unit, or that it is not known.

    >>> quantity(12.34, "kg", Words("nl")), quantity(None, "kg", Words("nl"))
    ('12,3 kg', '–')
    """
    return NOT_KNOWN if value is None or not math.isfinite(value) else f"{number(value, digits, words)} {unit}"


def exact(value: Decimal, unit: str, words: Words) -> str:
    """A number with every digit that it counts with, so that lines add up.

    >>> exact(Decimal("0.1250"), "kWh", Words("nl"))
    '0,1250 kWh'
    """
    return quantity(value, unit, words, max(0, -int(value.as_tuple().exponent)))


def percent(share: float, words: Words) -> str:
    """A share in whole percents.

    >>> percent(0.8, Words("nl"))
    '80 %'
    """
    return quantity(share * 100.0, "%", words, 0)


def power(kw: float | None, words: Words) -> str:
    """A power with its unit.

    >>> power(3.14159, Words("en")), power(-0.01, Words("nl")), power(None, Words("en"))
    ('3.1 kW', '0,0 kW', '–')
    """
    return quantity(kw, "kW", words)


def energy(kwh: float | Decimal | None, words: Words, digits: int = 1) -> str:
    """An energy with its unit.

    >>> energy(12.34, Words("en")), energy(1012.34, Words("nl"))
    ('12.3 kWh', '1.012,3 kWh')
    """
    return quantity(kwh, "kWh", words, digits)


def money(amount: float | Decimal | None, currency: str, words: Words, digits: int = 2) -> str:
    """An amount with its currency.

    Args:
        amount: what is shown; ``None`` where it is not known.
        currency: ISO 4217; ``""`` where nobody stated one.
        words: of the viewer.
        digits: behind the mark; where there are more than cents, a missing currency is a mere sign.

    >>> money(-1.005, "EUR", Words("en")), money(1234.5, "EUR", Words("nl")), money(2.0, "CHF", Words("nl"))
    ('-€1.01', '€ 1.234,50', 'CHF 2,00')
    >>> money(None, "EUR", Words("en")), money(1.0, "", Words("en")), money(0.31, "", Words("nl"), 4)
    ('–', '1.00 (currency not stated)', '¤ 0,3100')
    """
    if amount is None:
        return NOT_KNOWN
    told = number(amount, digits, words)
    if not currency and digits <= 2:
        return f"{told} {words('(currency not stated)')}"
    sign = _SIGNS.get(currency, currency or "¤")
    if words.language == "en" and len(sign) == 1:
        return f"-{sign}{told[1:]}" if told.startswith("-") else f"{sign}{told}"
    return f"{sign} {told}"


def said_number(text: str, words: Words) -> str:
    """A printed decimal of a sentence that the system says in English, in the viewer's language; else the text.

    >>> said_number("1234.5", Words("nl")), said_number("07:30", Words("nl")), said_number("CP-1.2", Words("nl"))
    ('1.234,5', '07:30', 'CP-1.2')
    """
    if words.language == "en" or not _DECIMAL.fullmatch(text):
        return text
    return number(Decimal(text), len(text.partition(".")[2]), words)


def clock(at: datetime | None, tz: str, words: Words, now: datetime | None = None) -> str:
    """A local time with its weekday; with its day where that is not within a week of ``now``.

    >>> from datetime import UTC
    >>> at, dutch = datetime(2026, 11, 23, 6, 30, tzinfo=UTC), Words("nl")
    >>> clock(at, "Europe/Amsterdam", Words("en")), clock(at, "Europe/Amsterdam", dutch, at + timedelta(days=9))
    ('Mon 07:30', '23-11-2026 07:30')
    """
    if at is None:
        return NOT_KNOWN
    local = at.astimezone(ZoneInfo(tz))
    if now is not None and abs(now - at) > _WEEK:
        return f"{day(at, tz, words)} {local:%H:%M}"
    return f"{words(WEEKDAYS[local.weekday()])} {local:%H:%M}"


def day(at: datetime | None, tz: str, words: Words) -> str:
    """A local day.

    >>> from datetime import UTC
    >>> [day(datetime(2026, 3, 1, 23, 30, tzinfo=UTC), "Europe/Amsterdam", Words(name)) for name in ("en", "nl")]
    ['2026-03-02', '02-03-2026']
    """
    return NOT_KNOWN if at is None else f"{at.astimezone(ZoneInfo(tz)):{_DAYS[words.language]}}"


def instant(at: datetime, tz: str, words: Words, *, seconds: bool = True) -> str:
    """A local day with its time.

    >>> from datetime import UTC
    >>> instant(datetime(2026, 3, 1, 23, 30, tzinfo=UTC), "Europe/Amsterdam", Words("nl"))
    '02-03-2026 00:30:00'
    """
    return f"{day(at, tz, words)} {at.astimezone(ZoneInfo(tz)):{'%H:%M:%S' if seconds else '%H:%M'}}"


def age(seconds: float | None, words: Words) -> str:
    """How old a value is, in words.

    >>> age(1.0, Words("en")), age(30.0, Words("en")), age(600.0, Words("en")), age(9000.0, Words("en"))
    ('now', '30 s ago', '10 min ago', '2.5 h ago')
    """
    if seconds is None:
        return words("never measured")
    if seconds < 3.0:
        return words("now")
    if seconds < 120.0:
        return words("{seconds} s ago", seconds=round(seconds))
    if seconds < 7200.0:
        return words("{minutes} min ago", minutes=round(seconds / 60.0))
    if seconds < 172_800.0:
        return words("{hours} h ago", hours=number(seconds / 3600.0, 1, words))
    return words("{days} days ago", days=round(seconds / 86_400.0))


def rough_age(at: datetime | None, now: datetime | None, words: Words) -> str:
    """How old a value is, in steps that few updates show: for lists of which many watch many lines.

    >>> at = datetime(2026, 3, 1)
    >>> [rough_age(at, at + timedelta(seconds=s), Words("en")) for s in (9, 40, 200)]
    ['now', 'less than a minute ago', '3 min ago']
    """
    if at is None or now is None:
        return words("never measured")
    seconds = max(0.0, (now - at).total_seconds())
    if seconds < 15.0:
        return words("now")
    return words("less than a minute ago") if seconds < 60.0 else age(max(120.0, seconds), words)
