"""Reads a plan problem with ``products`` from a mapping and writes one back. See ``docs/how-to/bid-reserve.md``."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bothways.domain.errors import DomainError, InputError, Problems
from bothways.planning.parsing import problem_from_mapping, problem_to_mapping
from bothways.planning.problem import Floats, PlanProblem
from bothways.planning.reserve.products import DIRECTIONS, DOWN, UP, ReservePlanProblem, ReserveProduct
from bothways.planning.values import Allowed, Reader

PRODUCT_KEYS = (
    "name", "direction", "capacity_price", "block_steps", "sustain_h", "min_bid_kw", "granularity_kw", "max_bid_kw",
    "activation_up", "activation_down", "price_up_per_kwh", "price_down_per_kwh",
)  # fmt: skip
"""Keys of one entry of ``products``, in the order of the documentation."""

_REQUIRED = frozenset({"name", "direction", "capacity_price"})
_PRICE = Allowed("currency/kW/h", -1e6, 1e6)
_ENERGY_PRICE = Allowed("currency/kWh", -1e6, 1e6)
_POWER = Allowed("kW", 0.0, 1e9)
_SHARE = Allowed("kWh per kW and h", 0.0, 1.0)


def reserve_from_mapping(mapping: object, *, at: str = "") -> ReservePlanProblem:
    """Reads a plan problem whose mapping has a key ``products``.

    Args:
        mapping: keys of a plan problem and ``products``, a list of objects.
        at: what is read, for the messages (usually the file's name).

    Returns:
        The problem.

    Raises:
        InputError: anything is wrong; it carries all problems found.
    """
    problems = Problems(at=at)
    if not isinstance(mapping, Mapping):
        problem_from_mapping(mapping, at=at)  # says what is wrong with it
    given = dict(mapping) if isinstance(mapping, Mapping) else {}
    listed = given.pop("products", [])
    plan: PlanProblem | None = None
    try:
        plan = problem_from_mapping(given, at=at)
    except InputError as error:
        problems.extend(error.problems)
    return parse_reserve(plan, listed, problems)


def parse_reserve(plan: PlanProblem | None, listed: object, problems: Problems) -> ReservePlanProblem:
    """Reads the products that go with a plan problem.

    Args:
        plan: the problem without products; ``None`` if it could not be read (then products are still checked).
        listed: the value of ``products``.
        problems: what was found wrong so far; products add to it.

    Raises:
        InputError: anything is wrong, here or before.
    """
    products = []
    if not isinstance(listed, list | tuple):
        problems.add("products", listed, "a list of objects", 'Give [{"name": …, "direction": …, …}].')
        listed = []
    for number, item in enumerate(listed):
        place = f"products[{number}]"
        if not isinstance(item, Mapping):
            problems.add(place, item, "an object with name, direction and capacity_price", "Describe one product.")
            continue
        product = _product(Reader(dict(item), problems, f"{place}."), plan, problems)
        if product is not None:
            products.append(product)
    if plan is not None and plan.part_load is not None:
        remedy = "Leave out loss_curves and vehicles.loss_curve (the efficiencies hold then), or leave out products."
        problems.add("loss_curves", "losses at part load", "none together with products", remedy)
    problems.raise_if_any()
    if plan is None:  # unreachable with a caller that noted why; said plainly for one that did not
        msg = "products without a plan problem"
        raise DomainError(msg)
    try:
        return ReservePlanProblem(plan, tuple(products))
    except DomainError as error:
        problems.add("products", "a combination that cannot be planned", str(error), "Correct it, or drop products.")
        raise InputError(problems.items) from error


def _product(reader: Reader, plan: PlanProblem | None, problems: Problems) -> ReserveProduct | None:
    before = len(problems)
    reader.check_keys(PRODUCT_KEYS, _REQUIRED)
    name, direction = reader.raw("name"), reader.raw("direction")
    if reader.has("name") and (not isinstance(name, str) or not name):
        reader.fault("name", name, "a text", "Name the product.")
    if reader.has("direction") and direction not in DIRECTIONS:
        reader.fault("direction", direction, ", ".join(DIRECTIONS), "Say which way a call can go.")
    periods = plan.periods if plan is not None else None
    block = reader.number("block_steps", Allowed("steps", 1, 1e7, whole=True), 1.0)
    sustain = reader.number("sustain_h", Allowed("h", 0.0, 8760.0, above_low=True), 0.25)
    least = reader.number("min_bid_kw", _POWER, 0.0)
    unit = reader.number("granularity_kw", _POWER, 0.0)
    most = reader.number("max_bid_kw", Allowed("kW; null for none", 0.0), math.inf, nullable=True)
    activation_up = reader.number("activation_up", _SHARE, 0.0)
    activation_down = reader.number("activation_down", _SHARE, 0.0)
    for key, value, other in (("activation_up", activation_up, DOWN), ("activation_down", activation_down, UP)):
        if value > 0.0 and direction == other:
            reader.fault(key, value, f"0 for a product that is only {other}", "Leave it out.")
    price = reader.numbers("capacity_price", _PRICE, length=None)
    price_up = reader.numbers("price_up_per_kwh", _ENERGY_PRICE, length=periods, default=0.0)
    price_down = reader.numbers("price_down_per_kwh", _ENERGY_PRICE, length=periods, default=0.0)
    if price is not None and periods is not None:
        price = _prices(reader, price, periods, int(block))
    if len(problems) > before or price is None or price_up is None or price_down is None:
        return None
    return ReserveProduct(
        str(name), str(direction), price, int(block), sustain, least, unit, most, activation_up, activation_down,
        price_up, price_down,
    )  # fmt: skip


def _prices(reader: Reader, price: Floats, periods: int, block_steps: int) -> Floats:
    """Prices per step or per block; one number stands for all."""
    blocks = -(-periods // block_steps)
    if price.ndim == 0:
        return np.full(blocks, float(price))
    if price.size not in {periods, blocks}:
        allowed = f"{blocks} values (one per block), {periods} (one per step), or one number"
        reader.fault("capacity_price", f"{price.size} values", allowed, "Match the lengths.")
    return price


def reserve_to_mapping(problem: ReservePlanProblem) -> dict[str, object]:
    """Writes a problem as a mapping of numbers and lists; reading it back gives the same problem."""
    products: list[dict[str, object]] = []
    for product in problem.products:
        item: dict[str, object] = {key: getattr(product, key) for key in PRODUCT_KEYS}
        for key in ("capacity_price", "price_up_per_kwh", "price_down_per_kwh"):
            item[key] = np.asarray(item[key]).tolist()
        item["max_bid_kw"] = None if math.isinf(product.max_bid_kw) else product.max_bid_kw
        products.append(item)
    return {**problem_to_mapping(problem.plan), "products": products}
