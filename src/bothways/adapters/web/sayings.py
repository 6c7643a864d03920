"""Sentences that the running system says in English, such as why a vehicle waits, in the viewer's language.

The sentences are made where the decision is made. Here they are recognised by their shape and said again; one that is
not recognised is shown as it came.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache

from bothways.adapters.web.figures import day, instant, said_number
from bothways.adapters.web.words import Words, later

_WHOLE = (
    later("Nobody is plugged in."), later("Out of reach, and nobody is known to be plugged in."),
    later("Stopped by the emergency stop."), later("Plugged in, not yet authorised."),
    later("Out of reach: it follows its last order, then charges with up to {kw} kW by itself."),
    later("Does not follow orders; {kw} kW are kept free for it."),
    later("Paused until {time} by {who}: {why}"), later("Limited to {kw} kW until {time} by {who}: {why}"),
    later("Held at {kw} kW until {time} by {who}: {why}"),
)  # fmt: skip
_DOING = (
    later("May charge with {kw} kW"), later("May charge with {kw} kW, takes {taken} kW"),
    later("Discharges with {kw} kW"), later("Waits"),
)  # fmt: skip
_WHY = (
    later("the vehicle is full."), later("the battery is below the driver's floor."),
    later("this vehicle does not resume after a pause, so it is kept at its minimum."),
    later("the driver wants it charged at once."), later("no departure was stated, so it is charged at once."),
    later("needed to be ready by {time}."),
    later("energy is worth more now than later; it is charged again by {time}."),
    later("a good time to charge on the way to {time}."), later("to be ready by {time}."),
    later("no plan is in force; charging begins in time for {time}."), later("a better time comes before {time}."),
    later("the limit of the site leaves no more ({kw} kW)."),
    later("the limit of phase {name} leaves no more ({kw} kW)."),
    later("too little is free for the smallest charging power."),
    later("power rises slowly after a change, to be gentle with the grid."),
)  # fmt: skip
_NOT = (
    later("the driver has not agreed to it"), later("this charging point works one way only"),
    later("nobody has recorded how this station is told to discharge"),
    later("the driver has not said when they leave"), later("the vehicle offers no discharging power"),
    later("the site's meter is silent, so that nobody would see what is exported"),
    later("today's share of {kwh} kWh has been used"), later("the grid connection does not permit it: {lacks}"),
    later("the {kwh} kWh that the battery's warranty permits this year have been used"),
    later("the battery's warranty lets nobody feed back below {floor} %"),
    later("what this vehicle has fed back so far has not been read from the store yet"),
    later("no source says that this vehicle can discharge at a {model}"),
    later("the register says that this vehicle cannot discharge here"),
    later("{floor} % are the driver's, and only {low} % are certain to be in the battery ({source})"),
)  # fmt: skip
_ALARM = (
    later("not heard of since {time}"), later("{seconds} s passed between two ticks"),
    later("no power although {kw} kW were offered after a pause"), later("the planner has not answered in time"),
    later("no reading yet"), later("latest reading {seconds} s ago"),
    later("{kw} kW without vehicles, limit {limit} kW"), later("{kw} kW may be drawn untold, {free} kW are free"),
    later("meter shows {kw} kW, order is {order} kW"), later("discharges {kw} kW instead of {order} kW"),
    later("the station holds to {kw} kW, order is {order} kW"),
    later("the station answered {what} to {count} orders in a row"),
    later("the bus does not answer: nothing can be ordered"), later("no planner has answered for {seconds} s"),
    later("no solver answered"), later("meter shows {kw} kW, orders were {order} kW at most"),
    later("discharges {kw} kW, orders were {order} kW at most"), later("meter shows {kw} kW, no order was below 0 kW"),
    later("{count} events of {rows} transactions never arrived: {which}"),
)  # fmt: skip
_FOUND = (
    later("this station charges only"), later("no vehicle was plugged in with a card that is accepted here"),
    later("the vehicle was unplugged during the test"), later("ordered {order} kW, metered {kw} kW"),
    later("ordered {order} kW, metered at most {kw} kW"),
    later("the test was broken off by a restart of the server"),
)  # fmt: skip
_LACKS = (
    later("no connection agreement is recorded"), later("no loss-of-mains protection is recorded"),
    later("no certificate of charger or vehicle is recorded"), later("certificate {name} expired on {day}"),
)  # fmt: skip
_NUMBERS = frozenset({"kw", "taken", "kwh", "free", "limit", "order", "seconds", "minutes", "hours", "count", "rows"})
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ")


@cache
def _shape(template: str) -> re.Pattern[str]:
    parts = re.split(r"{(\w+)}", template)
    found = (
        f"(?P<{part}>{'[^ ]' if part in _NUMBERS else '.'}+?)" if i % 2 else re.escape(part)
        for i, part in enumerate(parts)
    )
    return re.compile("".join(found))


def said(text: str, shapes: tuple[str, ...], words: Words) -> str | None:
    """A sentence of one of these shapes in the viewer's language, ``None`` where it has none of them."""
    for template in shapes:
        if found := _shape(template).fullmatch(text):
            return words(template, **{name: _part(name, value, words) for name, value in found.groupdict().items()})
    return None


def _part(name: str, value: str, words: Words) -> str:
    """What stands in a place of a sentence: a number, a day, or a list of what is missing."""
    if name == "lacks":
        return "; ".join(said(part, _LACKS, words) or part for part in value.split("; "))
    if name == "day":
        return day(datetime.fromisoformat(f"{value}T12:00+00:00"), "UTC", words)
    return said_number(value, words)


def alarm_told(text: str, tz: str, words: Words) -> str:
    """What an alarm tells, in the viewer's language and the site's time; sentences of the island have their own way.

    >>> alarm_told("not heard of since 2026-11-21 15:12:27Z", "Europe/Amsterdam", Words("nl"))
    'niets gehoord sinds 21-11-2026 16:12:27'
    """
    local = _INSTANT.sub(lambda at: instant(datetime.fromisoformat(at[0]), tz, words), text)
    return said(local, _ALARM, words) or local


def found_said(text: str, words: Words) -> str:
    """What a test of a charging point found, with its reason, in the viewer's language.

    >>> found_said("ordered 6.0 kW, metered at most 0.0 kW; Waits: the vehicle is full.", Words("nl"))
    'opdracht 6,0 kW, hoogstens 0,0 kW gemeten; Wacht: het voertuig is vol.'
    """
    if words.language == "en":
        return text
    found, then, why = text.partition("; ")
    return f"{said(found, _FOUND + _NOT, words) or found}{then}{spoken(why, words)}"


def spoken(sentence: str, words: Words) -> str:
    """A sentence of the system in the viewer's language.

    >>> spoken("Waits: a better time comes before 07:30.", Words("nl"))
    'Wacht: er komt een beter moment voor 07:30.'
    >>> spoken("Something new.", Words("nl"))
    'Something new.'
    """
    if words.language == "en":
        return sentence
    whole = said(sentence, _WHOLE + _NOT, words)
    if whole is not None:
        return whole
    doing, _, why = sentence.partition(": ")
    first, second = said(doing, _DOING, words), said(why, _WHY, words)
    return sentence if first is None or second is None else f"{first}: {second}"
