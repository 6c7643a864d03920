"""Compares what was commanded, accepted, stated by the station and metered; decides what to do about disagreement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from bothways.operations.orders import Composite

Action = Literal["nothing", "resend", "safe", "end"]
"""What to do: nothing, send the order again, leave the station to its safe profile, end the transaction."""

TOLERANCE_KW = 0.3
"""Absolute part of the tolerance: metering of charging stations is good to some percent of their rating."""

TOLERANCE_SHARE = 0.05
"""Relative part of the tolerance."""

PATIENCE_S = 30.0
"""A disagreement that is shorter is a ramp or a late sample."""

RESENDS = 3
"""Orders sent again before the station is left to its safe profile."""

RESEND_EVERY_S = 30.0
"""Time between two of them."""

TRY_AGAIN_S = 900.0
"""A station that was left to its safe profile is tried again after this time, then after twice that."""


_REMEMBERED = 256
"""Orders that are remembered at most: one a second for longer than a metered value counts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A disagreement at one EVSE.

    Attributes:
        kind: kind of alarm, ``""`` where all agree.
        text: for a person, with figures.
        action: what to do now.
    """

    kind: str = ""
    text: str = ""
    action: Action = "nothing"


AGREES = Finding()


@dataclass(slots=True)
class Watch:
    """Memory of the comparison for one EVSE and one transaction.

    Attributes:
        kind: disagreement seen last.
        text: it in words.
        since: since when.
        resent: orders sent again because of it.
        resent_at: when the last one was.
        given_up: whether the station has been left to its safe profile.
        given_up_at: since when.
        times: how often in this transaction.
        refused: refusals in a row.
        refusal: the station's word.
        orders: what was ordered since when, as far back as a metered value may have to do with it.
    """

    kind: str = ""
    text: str = ""
    since: datetime | None = None
    resent: int = 0
    resent_at: datetime | None = None
    given_up: bool = False
    given_up_at: datetime | None = None
    times: int = 0
    refused: int = 0
    refusal: str = ""
    transaction_id: str = field(default="")
    orders: list[tuple[datetime, float]] = field(default_factory=list)

    def ordered(self, now: datetime, power_kw: float) -> None:
        """Notes the order in force."""
        if not self.orders or self.orders[-1][1] != power_kw:
            self.orders.append((now, power_kw))
            del self.orders[:-_REMEMBERED]

    def reset(self, transaction_id: str) -> None:
        """Begins anew for another transaction."""
        self.kind, self.since, self.resent, self.resent_at = "", None, 0, None
        self.given_up, self.refused, self.refusal, self.transaction_id = False, 0, "", transaction_id
        self.text, self.given_up_at, self.times = "", None, 0
        self.orders.clear()

    def answered(self, *, accepted: bool, status: str) -> None:
        """Notes the answer to an order."""
        if accepted:
            self.refused, self.refusal = 0, ""
        elif status not in {"superseded", "offline"}:
            self.refused += 1
            self.refusal = status


def disagreement(commanded_kw: float, metered_kw: float | None, composite: Composite | None) -> tuple[str, str]:
    """Kind and text of the disagreement between an order and what is seen; empty strings where there is none.

    Drawing less than allowed is the vehicle's right and no disagreement.

    Args:
        commanded_kw: order in force [kW].
        metered_kw: power after the order settled [kW]; ``None`` where it has not.
        composite: what the station says it holds to; ``None`` where it did not say.

    >>> disagreement(3.0, 7.0, None)[0]
    'takes-more'
    >>> disagreement(7.0, 3.0, None)[0]
    ''
    """
    tolerance = TOLERANCE_KW + TOLERANCE_SHARE * abs(commanded_kw)
    if metered_kw is not None:
        if metered_kw < -tolerance and commanded_kw >= 0.0:
            return "discharges-untold", f"meter shows {metered_kw:.1f} kW, order is {commanded_kw:.1f} kW"
        if metered_kw < commanded_kw - tolerance and commanded_kw < 0.0:
            return "takes-more", f"discharges {-metered_kw:.1f} kW instead of {-commanded_kw:.1f} kW"
        if metered_kw > max(commanded_kw, 0.0) + tolerance:
            return "takes-more", f"meter shows {metered_kw:.1f} kW, order is {commanded_kw:.1f} kW"
        if commanded_kw < -tolerance and metered_kw > 0.5 * commanded_kw:
            return "gives-less", f"discharges {max(0.0, -metered_kw):.1f} kW instead of {-commanded_kw:.1f} kW"
    held = composite.limit_kw if composite is not None else None
    if held is not None and held > max(commanded_kw, 0.0) + tolerance:
        return "composite-differs", f"the station holds to {held:.1f} kW, order is {commanded_kw:.1f} kW"
    return "", ""


def beyond_all_orders(watch: Watch, at: datetime, metered_kw: float, settle_s: float) -> tuple[str, str]:
    """Kind and text of a disagreement with every order that a metered value may have followed; else empty strings.

    Where orders change all the time none of them ever settles, but a vehicle that obeys lies between the least and the
    greatest of them all the same.

    Args:
        watch: memory of this EVSE.
        at: when the value was metered.
        metered_kw: power [kW].
        settle_s: time that vehicles get to follow [s].
    """
    since = at - timedelta(seconds=settle_s)
    while len(watch.orders) > 1 and watch.orders[1][0] <= since:
        del watch.orders[0]
    if not watch.orders or watch.orders[0][0] > since:
        return "", ""
    told = [0.0, *(power_kw for when, power_kw in watch.orders if when <= at)]
    least, most = min(told), max(told)
    tolerance = TOLERANCE_KW + TOLERANCE_SHARE * max(-least, most)
    if metered_kw > most + tolerance:
        return "takes-more", f"meter shows {metered_kw:.1f} kW, orders were {most:.1f} kW at most"
    if metered_kw < least - tolerance:
        if least >= 0.0:
            return "discharges-untold", f"meter shows {metered_kw:.1f} kW, no order was below 0 kW"
        return "takes-more", f"discharges {-metered_kw:.1f} kW, orders were {-least:.1f} kW at most"
    return "", ""


def compare(
    watch: Watch, now: datetime, commanded_kw: float, metered_kw: float | None, composite: Composite | None, *,
    settle_s: float = 0.0, seen: tuple[datetime, float] | None = None,
) -> Finding:  # fmt: skip
    """One comparison; ``watch`` is changed in place.

    A disagreement that lasts longer than the patience is an alarm. The order is then sent again a bounded number of
    times; after that the station is left to its safe profile and what it draws is counted as load. A vehicle that
    feeds back without having been told is not argued with: its transaction is ended. A station that was given up is
    tried again after a quarter of an hour, then after twice that, and so on.

    Args:
        watch: memory of this EVSE.
        now: the instant.
        commanded_kw: order in force [kW].
        metered_kw: power after the order settled [kW]; ``None`` where it has not.
        composite: what the station says it holds to.
        settle_s: time that vehicles get to follow; patience grows with it [s].
        seen: when and what was metered last, settled or not; ``None`` where that is too old [kW].
    """
    watch.ordered(now, commanded_kw)
    if _left_alone(watch, now):
        return Finding(watch.kind, watch.text)
    patience_s, every_s = max(PATIENCE_S, 1.5 * settle_s), max(RESEND_EVERY_S, 1.5 * settle_s)
    if watch.refused > RESENDS:
        watch.kind = "order-refused"
        watch.text = text = f"the station answered {watch.refusal!r} to {watch.refused} orders in a row"
        return Finding("order-refused", text, _give_up(watch, now))
    kind, text = disagreement(commanded_kw, metered_kw, composite)
    if metered_kw is None and seen is not None and not kind:
        kind, text = beyond_all_orders(watch, *seen, settle_s)
    if metered_kw is None:
        kind, text = kind or watch.kind, text or watch.text  # an order that has just changed disproves nothing
    if kind != watch.kind:
        watch.kind, watch.since, watch.resent, watch.resent_at = kind, now if kind else None, 0, None
    watch.text = text
    if watch.since is None or (now - watch.since).total_seconds() < patience_s:
        return AGREES
    waits = watch.resent_at is not None and (now - watch.resent_at).total_seconds() < every_s
    if kind == "gives-less" or waits:
        return Finding(kind, text)
    if watch.resent < RESENDS:
        watch.resent += 1
        watch.resent_at = now
        return Finding(kind, text, "resend")
    return Finding(kind, text, "end" if kind == "discharges-untold" and not watch.given_up else _give_up(watch, now))


def _left_alone(watch: Watch, now: datetime) -> bool:
    """Whether the station was given up and it is not time yet to try again."""
    if not watch.given_up or watch.given_up_at is None:
        return False
    if (now - watch.given_up_at).total_seconds() < TRY_AGAIN_S * 2.0 ** (watch.times - 1):
        return True
    watch.given_up, watch.kind, watch.since, watch.resent, watch.refused = False, "", None, 0, 0
    return False


def _give_up(watch: Watch, now: datetime) -> Action:
    if watch.given_up:
        return "nothing"
    watch.given_up, watch.given_up_at = True, now
    watch.times += 1
    return "safe"
