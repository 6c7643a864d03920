"""Numbers, dates and names as a person reads them: thousands separators, few digits, units, nothing unescaped."""

from __future__ import annotations

import html
import math
from datetime import timedelta

from bothways.domain.timegrid import TimeGrid, zone

MINUS = "−"
ABSENT = "—"
BREAK = "\u200b"  # where a line may break inside a word

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def esc(value: object) -> str:
    """Makes any text safe inside HTML, attribute values included.

    >>> esc('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(str(value), quote=True)


def chart(value: object) -> str:
    """Makes any text safe inside a figure, whose labels read a little HTML, and keeps it on one line."""
    flat = " ".join(str(value).split())
    return html.escape(flat, quote=False).replace("%{", "% {")


def shorten(value: str, limit: int) -> str:
    """Cuts a name to its last ``limit`` characters, where names of one kind differ, with an ellipsis in front.

    >>> shorten("Charger of resident 17", 11)
    '…esident 17'
    """
    return value if len(value) <= limit else "…" + value[1 - limit :]


def sentence(value: str) -> str:
    """The text with a capital at its beginning.

    >>> sentence("chargers, installed")
    'Chargers, installed'
    """
    return value[:1].upper() + value[1:]


def number(value: float | None, decimals: int = 0) -> str:
    """A number with thousands separators and a true minus sign; an em dash for nothing.

    >>> number(-12345.678, 1)
    '−12,345.7'
    >>> number(-0.0001, 2)
    '0.00'
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{abs(value):,.{decimals}f}"
    nothing = not any(sign in text for sign in "123456789")
    return text if value >= 0 or nothing else MINUS + text


def signed(value: float, decimals: int = 0) -> str:
    """Like :func:`number`, with a plus sign in front of what is above zero.

    >>> signed(1200.0)
    '+1,200'
    """
    text = number(value, decimals)
    return text if text.startswith(MINUS) or not any(sign in text for sign in "123456789") else "+" + text


def decimals_for(largest: float) -> int:
    """Decimals that a column of numbers deserves, from the largest among them: cents only for small money."""
    size = abs(largest)
    if size >= 1000:
        return 0
    return 1 if size >= 100 else 2


def money_decimals(largest: float) -> int:
    """Decimals of a column of money: whole units from 1,000 upwards, cents below."""
    return 0 if abs(largest) >= 1000 else 2


def about(value: float) -> str:
    """A number to three significant digits, as a sentence needs it.

    >>> about(12345.6), about(-0.51234), about(87.654)
    ('12,300', '−0.51', '87.7')
    """
    if value == 0 or not math.isfinite(value):
        return number(value)
    size = abs(value)
    if size < 1:
        return number(value, 2)
    digits = 2 - math.floor(math.log10(size))
    return number(round(value, digits), max(0, digits))


def money(value: float | None, currency: str, decimals: int | None = None) -> str:
    """An amount with its currency; rounded as a sentence needs it unless ``decimals`` is given."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{about(value) if decimals is None else number(value, decimals)} {currency}"


def energy(kwh: float) -> str:
    """An energy with its unit, in MWh where kWh would have five digits.

    >>> energy(12345.0), energy(12.34)
    ('12.3 MWh', '12.3 kWh')
    """
    return f"{about(kwh / 1000.0)} MWh" if abs(kwh) >= 10_000 else f"{about(kwh)} kWh"


def power(kw: float) -> str:
    """A power in kW without its unit: whole numbers from 100 upwards, one decimal below.

    >>> power(1234.5), power(7.36)
    ('1,234', '7.4')
    """
    return number(kw, 0 if abs(kw) >= 100 else 1)


def percent(share: float, decimals: int = 0) -> str:
    """A share as per cent.

    >>> percent(0.256)
    '26 %'
    """
    return f"{number(100.0 * share, decimals)} %"


def count(amount: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "stay"), count(1200, "stay"), count(0, "stay")
    ('1 stay', '1,200 stays', 'no stays')
    """
    noun = singular if amount == 1 else plural or singular + "s"
    return f"no {noun}" if amount == 0 else f"{amount:,} {noun}"


def sentence_list(items: list[str]) -> str:
    """Joins words as a sentence does.

    >>> sentence_list(["smart", "bidirectional", "both"])
    'smart, bidirectional and both'
    """
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def local_date(grid: TimeGrid, index: int) -> str:
    """The local date of a step, such as ``Tue 14 May 2019``; names do not depend on the machine's language."""
    local = grid.local
    day = f"{_DAYS[local.weekday[index]]} {local.day[index]} {_MONTHS[local.month[index] - 1]}"
    return f"{day} {local.year[index]}"


def local_moment(grid: TimeGrid, index: int) -> str:
    """Local date and time of a step without the year, such as ``Tue 14 May, 16:45``."""
    local = grid.local
    date = f"{_DAYS[local.weekday[index]]} {local.day[index]} {_MONTHS[local.month[index] - 1]}"
    return f"{date}, {local.hour[index]:02d}:{local.minute[index]:02d}"


def period(grid: TimeGrid) -> str:
    """First and last local day with the number of days."""
    days = (grid.local.date_ordinal[-1] - grid.local.date_ordinal[0]) + 1
    return f"{local_date(grid, 0)} to {local_date(grid, grid.periods - 1)} ({count(int(days), 'day')})"


def iso_local(grid: TimeGrid, index: int) -> str:
    """The local start of a step as ISO 8601 with its offset."""
    return (grid.start + timedelta(seconds=grid.step_s * index)).astimezone(zone(grid.tz)).isoformat()
