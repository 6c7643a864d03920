"""Measures of a cash flow: NPV, IRR, MIRR, payback, annuity.

A flow is one amount per year, ``flow[0]`` today and ``flow[k]`` at the end of year k, positive when received
[currency]. Rates are fractions per year and of the same kind as the flow: a nominal rate with nominal amounts, a real
one with real amounts. General source: Fuller and Petersen, Life-Cycle Costing Manual, NIST Handbook 135 (1996).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bothways.domain.errors import DomainError
from bothways.economics.figures import Figure, Floats, finite, growth_rate

_LOG_RATE_LIMIT = 60.0  # |ln(1 + rate)| beyond which a rate says nothing: 1e26 per year, or the loss of all but 1e-26


def flow_of(flow: ArrayLike) -> Floats:
    """Returns ``flow`` as a float array of shape ``(years + 1,)``.

    Raises:
        DomainError: not one-dimensional, empty, NaN or infinite.
    """
    array = np.asarray(flow, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        msg = "a cash flow must be a list of finite amounts, one per year, beginning with today"
        raise DomainError(msg)
    return array


def discount_factors(rate: float, years: int) -> Floats:
    """Present value of 1 at the end of years 0 … ``years``, shape ``(years + 1,)``: 1/(1 + r)^k.

    >>> discount_factors(0.25, 2).tolist()
    [1.0, 0.8, 0.64]
    """
    growth = 1.0 + growth_rate("rate", rate)
    return np.asarray(growth ** -np.arange(years + 1, dtype=np.float64))


def npv(rate: float, flow: ArrayLike) -> float:
    """Net present value Σ_k flow[k]/(1 + rate)^k [currency]; today's amount is not discounted.

    Args:
        rate: discount rate [1/year], above -1.
        flow: amounts, shape ``(years + 1,)`` [currency].

    Raises:
        DomainError: a rate of -1 or less, or a flow that is not finite.

    >>> round(npv(0.10, [-400, 100, 100, 100, 100, 100]), 2)
    -20.92
    """
    amounts = flow_of(flow)
    return float(amounts @ discount_factors(rate, amounts.size - 1))


def sign_changes(flow: ArrayLike) -> int:
    """How often the flow changes sign, zeros left out.

    >>> sign_changes([-100, 0, 60, -10, 70])
    3
    """
    signs = np.sign(flow_of(flow))
    signs = signs[signs != 0]
    return int(np.count_nonzero(signs[1:] != signs[:-1]))


def _scaled_npv(log_rate: float, amounts: Floats, years: Floats) -> float:
    """NPV times a positive factor that keeps every term at or below its amount; same sign as the NPV."""
    exponents = -log_rate * years
    return float(amounts @ np.exp(exponents - exponents.max()))


def irr(flow: ArrayLike) -> Figure:
    """Internal rate of return: the rate at which the NPV is zero [1/year].

    By Descartes' rule a flow with exactly one change of sign has exactly one such rate above -1; it is enclosed and
    bisected in ln(1 + rate) down to the resolution of float. A flow with several changes of sign (a replacement late
    in life is enough) may have several: there is then no figure but the reason, and :func:`mirr` is the one to quote.
    A flow that begins positive is a loan, and its rate is what the money costs: the note says so.

    Args:
        flow: amounts, shape ``(years + 1,)`` [currency].

    Returns:
        The rate, or ``None`` with the reason.

    >>> round(irr([-1000, 300, 200, 150, 600, 900]).value, 4)
    0.2444
    >>> irr([-145, 100, 100, 100, 100, -275]).note
    'the flow changes sign 2 times, so up to 2 rates make its value zero: use the modified rate (MIRR)'
    """
    amounts = flow_of(flow)
    changes = sign_changes(amounts)
    if changes == 0:
        return Figure(None, "the flow never changes sign: nothing is invested, or nothing comes back")
    if changes > 1:
        return Figure(
            None,
            f"the flow changes sign {changes} times, so up to {changes} rates make its value zero: "
            "use the modified rate (MIRR)",
        )
    years = np.flatnonzero(amounts).astype(np.float64)
    scaled = amounts[amounts != 0.0] / np.abs(amounts).max()
    invests_first = scaled[0] < 0.0
    if not invests_first:
        scaled = -scaled
    low, high = -1.0, 1.0  # in ln(1 + rate); the scaled NPV falls from positive to negative as the rate grows
    while _scaled_npv(low, scaled, years) < 0.0 and low > -_LOG_RATE_LIMIT:
        low *= 2.0
    while _scaled_npv(high, scaled, years) > 0.0 and high < _LOG_RATE_LIMIT:
        high *= 2.0
    if low < -_LOG_RATE_LIMIT or high > _LOG_RATE_LIMIT:
        return Figure(None, "the rate lies beyond any that can be quoted: almost nothing is invested or comes back")
    while low < (middle := 0.5 * (low + high)) < high:
        if _scaled_npv(middle, scaled, years) > 0.0:
            low = middle
        else:
            high = middle
    note = "" if invests_first else "money comes first and is paid back later: this is what it costs, lower is better"
    return Figure(math.expm1(middle), note)


def mirr(flow: ArrayLike, finance_rate: float, reinvest_rate: float) -> Figure:
    """Modified internal rate of return [1/year]; one figure for any flow that has both signs.

    MIRR = (FV⁺/PV⁻)^(1/n) - 1, with FV⁺ the receipts compounded to year n at ``reinvest_rate`` and PV⁻ the payments
    discounted to today at ``finance_rate``. Source: S. Lin, The modified internal rate of return and investment
    criterion, The Engineering Economist 21 (1976) 237-247; agrees with the spreadsheet function of that name.

    Args:
        flow: amounts, shape ``(years + 1,)`` [currency].
        finance_rate: what money costs [1/year].
        reinvest_rate: what receipts earn until the end [1/year].

    Returns:
        The rate, or ``None`` with the reason.

    >>> round(mirr([-4500, -800, 800, 800, 600, 600, 800, 800, 700, 3000], 0.08, 0.055).value, 6)
    0.066597
    """
    amounts = flow_of(flow)
    years = amounts.size - 1
    paid = npv(finance_rate, np.minimum(amounts, 0.0))
    received = npv(reinvest_rate, np.maximum(amounts, 0.0)) * (1.0 + reinvest_rate) ** years
    if paid == 0.0 or received == 0.0:
        return Figure(None, "the flow has only one sign: nothing is invested, or nothing comes back")
    return Figure((received / -paid) ** (1.0 / years) - 1.0)


def _crossing(amounts: Floats, what: str) -> Figure:
    total = np.cumsum(amounts)
    below = np.flatnonzero(total < 0.0)
    if below.size == 0:
        return Figure(0.0, "nothing is ever owed")
    last = int(below[-1])
    if last == amounts.size - 1:
        return Figure(None, f"not paid back within {amounts.size - 1} years: {-total[-1]:.2f} {what} are missing")
    return Figure(last + float(-total[last] / amounts[last + 1]))


def simple_payback(flow: ArrayLike) -> Figure:
    """Years until the sum of the flow is no longer negative, and stays so.

    Within a year money is taken to arrive evenly. Where a replacement makes the sum negative again, the later
    crossing counts: before it the money is not safely back.

    Args:
        flow: amounts, shape ``(years + 1,)`` [currency].

    Returns:
        Years, or ``None`` with what is still missing at the end.

    >>> simple_payback([-100, 40, 40, 40]).value
    2.5
    """
    return _crossing(flow_of(flow), "(undiscounted)")


def discounted_payback(flow: ArrayLike, rate: float) -> Figure:
    """Years until the discounted sum of the flow is no longer negative, and stays so; see :func:`simple_payback`.

    Args:
        flow: amounts, shape ``(years + 1,)`` [currency].
        rate: discount rate [1/year].

    Returns:
        Years, or ``None`` with the present value still missing at the end.

    >>> round(discounted_payback([-10400, 2800, 3700, 5100, 4300], 0.14).value, 2)
    3.65
    """
    amounts = flow_of(flow)
    return _crossing(amounts * discount_factors(rate, amounts.size - 1), "(present value)")


def annuity(present: float, rate: float, years: int) -> float:
    """Equal payment at the end of each year that is worth ``present`` today [currency/year].

    present · r/(1 - (1 + r)^-n), and present/n at rate 0. It turns an investment into a cost per year.

    Args:
        present: amount today [currency].
        rate: discount rate [1/year], above -1.
        years: number of payments n, at least 1.

    Raises:
        DomainError: no years, or a rate of -1 or less.

    >>> round(annuity(10_000, 0.05, 10), 2)
    1295.05
    """
    return finite("present", present) / annuity_factor(rate, years)


def annuity_factor(rate: float, years: int, growth: float = 0.0) -> float:
    """Present value of payments 1, (1 + g), (1 + g)², … at the end of years 1 … n [years].

    (1 - q^n)/(r - g) with q = (1 + g)/(1 + r); n/(1 + r) where r = g.

    Args:
        rate: discount rate r [1/year], above -1.
        years: number of payments n, at least 1.
        growth: growth g of the payment [1/year], above -1.

    Raises:
        DomainError: no years, or a rate or growth of -1 or less.

    >>> round(annuity_factor(0.10, 5), 4)
    3.7908
    """
    if years < 1:
        msg = f"years must be at least 1, not {years}"
        raise DomainError(msg)
    rate, growth = growth_rate("rate", rate), growth_rate("growth", growth)
    log_ratio = math.log1p(growth) - math.log1p(rate)
    if abs(log_ratio) < 1e-12:  # the quotient below would lose every digit; the limit is exact to 1e-12 · n
        return years / (1.0 + rate)
    return math.expm1(years * log_ratio) / math.expm1(log_ratio) / (1.0 + rate)
