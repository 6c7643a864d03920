"""What can be sold besides energy: reserve products, and a plan problem that may sell them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from bothways.domain.errors import DomainError
from bothways.planning.problem import Floats, Ints, PlanProblem

UP, DOWN, SYMMETRIC = "up", "down", "symmetric"
DIRECTIONS = (UP, DOWN, SYMMETRIC)

_UNDERSTOOD = frozenset({
    "step_h", "periods", "import_price", "export_price", "base_load_kw", "fleet", "demand_charges", "import_limit_kw",
    "import_limit_penalty_per_kwh", "import_hard_limit_kw", "export_limit_kw", "terminal_value_per_kwh",
    "group_limits", "energy_reserve",
})  # fmt: skip


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DomainError(message)


def _nothing() -> Floats:
    return np.array(0.0)


@dataclass(frozen=True)
class ReserveProduct:
    """One product of a reserve market. "Up" is toward the grid: less charging or more discharging.

    Attributes:
        name: what bids and messages call it.
        direction: ``up``, ``down`` or ``symmetric`` (the same kW both ways).
        capacity_price: price of held capacity [currency/kW/h], one value per step ``(T,)`` or one per block.
        block_steps: length of a block in steps; blocks start at step 0, the last one may be cut off by the horizon.
        sustain_h: how long a full call lasts [h]; above one step it counts in whole steps, rounded up.
        min_bid_kw: smallest bid other than 0 [kW].
        granularity_kw: bids are whole multiples of this [kW]; 0 for any number.
        max_bid_kw: largest bid [kW]; ``inf`` for none.
        activation_up: expected energy delivered per kW and hour held, in [0, 1] [kWh/(kW·h)].
        activation_down: expected energy taken per kW and hour held, in [0, 1].
        price_up_per_kwh: what the fleet receives per kWh delivered, a number ``()`` or ``(T,)`` [currency/kWh].
        price_down_per_kwh: what the fleet pays per kWh taken, a number ``()`` or ``(T,)`` [currency/kWh].
    """

    name: str
    direction: str
    capacity_price: Floats
    block_steps: int = 1
    sustain_h: float = 0.25
    min_bid_kw: float = 0.0
    granularity_kw: float = 0.0
    max_bid_kw: float = math.inf
    activation_up: float = 0.0
    activation_down: float = 0.0
    price_up_per_kwh: Floats = field(default_factory=_nothing)
    price_down_per_kwh: Floats = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        for name in ("capacity_price", "price_up_per_kwh", "price_down_per_kwh"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
            array = getattr(self, name)
            good = bool(np.isfinite(array).all()) and array.ndim <= 1
            _require(good, f"product {self.name!r}: {name} must hold finite numbers in one dimension")
        _require(bool(self.name), "a reserve product needs a name")
        _require(
            self.direction in DIRECTIONS,
            f"product {self.name!r}: direction must be up, down or symmetric, not {self.direction!r}",
        )
        _require(self.block_steps >= 1, f"product {self.name!r}: block_steps must be at least 1")
        _require(self.sustain_h > 0.0, f"product {self.name!r}: sustain_h must be above 0, not {self.sustain_h}")
        for name in ("sustain_h", "min_bid_kw", "granularity_kw"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value >= 0.0, f"product {self.name!r}: {name} must be at least 0")
        _require(self.max_bid_kw >= 0.0, f"product {self.name!r}: max_bid_kw must be at least 0")
        for name, other in (("activation_up", DOWN), ("activation_down", UP)):
            value = getattr(self, name)
            _require(0.0 <= value <= 1.0, f"product {self.name!r}: {name} must lie in 0…1, not {value}")
            _require(
                self.direction != other or value == 0.0,
                f"product {self.name!r}: {name} must be 0 for a product that is only {other}",
            )

    @property
    def lumpy(self) -> bool:
        """Whether bids need whole numbers."""
        return self.min_bid_kw > 0.0 or self.granularity_kw > 0.0

    @property
    def goes_up(self) -> bool:
        """Whether a call can be toward the grid."""
        return self.direction != DOWN

    @property
    def goes_down(self) -> bool:
        """Whether a call can be toward the vehicles."""
        return self.direction != UP


@dataclass(frozen=True)
class Group:
    """Shares that weigh on a vehicle alike: products of one direction, sustain duration and expected activation.

    Attributes:
        up: toward the grid, or not.
        sustain_h: how long a full call lasts [h].
        activation: expected energy per kW and hour held [kWh/(kW·h)].
        products: positions of the products that it serves.
        window: steps that a call touches.
        hours: hours of a call within one step [h]; window·hours is at least ``sustain_h``.
    """

    up: bool
    sustain_h: float
    activation: float
    products: tuple[int, ...]
    window: int
    hours: float


@dataclass(frozen=True)
class ReservePlanProblem:
    """A plan problem and the reserve products that its fleet may sell.

    The objective is that of the plan − Σ capacity_price·bid·hours + activation: expected energy at its price and the
    wear of what is expected to be discharged. See ``docs/explanation/reserve.md``.

    Attributes:
        plan: site, prices, vehicles.
        products: what may be sold.
    """

    plan: PlanProblem
    products: tuple[ReserveProduct, ...]

    def __post_init__(self) -> None:
        plan, periods = self.plan, self.plan.periods
        names = [product.name for product in self.products]
        _require(len(set(names)) == len(names), "every reserve product needs a name of its own")
        for item in fields(PlanProblem):
            if item.name not in _UNDERSTOOD:
                _require(
                    _is_default(getattr(plan, item.name), item.default),
                    f"bids and {item.name} cannot be planned together",
                )
        _require(
            not bool(np.any(plan.export_price > plan.import_price + 1e-9)),
            "bids cannot be planned where export pays more than import costs",
        )
        for product in self.products:
            blocks = -(-periods // product.block_steps)
            size = product.capacity_price.shape
            _require(
                size in {(periods,), (blocks,)},
                f"product {product.name!r}: capacity_price must hold {periods} values (one per step) "
                f"or {blocks} (one per block)",
            )
            for name in ("price_up_per_kwh", "price_down_per_kwh"):
                size = getattr(product, name).shape
                _require(size in {(), (periods,)}, f"product {product.name!r}: {name} must hold 1 or {periods} values")
            _require(
                product.sustain_h <= periods * plan.step_h,
                f"product {product.name!r}: sustain_h is longer than the horizon",
            )

    @property
    def exact_only(self) -> str | None:
        """What only the exact method plans together with bids, in words; ``None`` where any method will do."""
        plan = self.plan
        if plan.fleet.semi_continuous:
            return "vehicles with a minimum power or without pauses"
        if plan.group_limits:
            return "group limits"
        return None if plan.energy_reserve is None else "an energy reserve"

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """What the shares of a vehicle are told apart by, up first."""
        found: dict[tuple[bool, float, float], list[int]] = {}
        for up in (True, False):
            for number, product in enumerate(self.products):
                if product.goes_up if up else product.goes_down:
                    activation = product.activation_up if up else product.activation_down
                    found.setdefault((up, product.sustain_h, activation), []).append(number)
        step_h = self.plan.step_h
        groups = []
        for (up, sustain_h, activation), numbers in found.items():
            steps = max(1, math.ceil(sustain_h / step_h - 1e-9))
            hours = min(sustain_h, step_h) if steps == 1 else step_h
            groups.append(Group(up, sustain_h, activation, tuple(numbers), steps, hours))
        return tuple(groups)

    def block_of(self, product: ReserveProduct) -> Ints:
        """Block of each step, ``(T,)``."""
        return np.arange(self.plan.periods, dtype=np.int64) // product.block_steps

    def capacity_price(self, product: ReserveProduct) -> Floats:
        """Price of held capacity per step, ``(T,)`` [currency/kW/h]."""
        price = product.capacity_price
        if price.shape == (self.plan.periods,):
            return price
        return price[self.block_of(product)]

    def bid_value(self, product: ReserveProduct) -> tuple[Floats, Floats]:
        """What one kW of bid earns in each block, ``(blocks,)`` [currency/kW]: for capacity, and for activation."""
        step_h, block = self.plan.step_h, self.block_of(product)
        activation = np.zeros(self.plan.periods)
        if product.goes_up:
            activation += product.activation_up * product.price_up_per_kwh
        if product.goes_down:
            activation -= product.activation_down * product.price_down_per_kwh
        capacity = np.bincount(block, weights=step_h * self.capacity_price(product))
        earned = np.bincount(block, weights=step_h * activation)
        return np.asarray(capacity, dtype=np.float64), np.asarray(earned, dtype=np.float64)


@dataclass(frozen=True)
class Rates:
    """How kW of reserve weigh on each vehicle; all ``(N,)``.

    A vehicle that cannot discharge can only interrupt charging, so a call moves ηc per kWh. One that can is counted at
    1/ηd, the larger effect, in both directions: safe whatever it does when the call comes.

    Attributes:
        call: stored energy that a call moves, per AC energy.
        drain: stored energy that expected activation up takes, per AC energy.
        gain: stored energy that expected activation down brings, per AC energy (the smaller effect, ηc).
        wear: wear per AC energy of expected activation up [currency/kWh]; 0 where only charging is interrupted.
        most_kw: most that can be promised in one direction [kW].
    """

    call: Floats
    drain: Floats
    gain: Floats
    wear: Floats
    most_kw: Floats

    @classmethod
    def of(cls, plan: PlanProblem) -> Rates:
        """The rates of a plan's vehicles."""
        fleet = plan.fleet
        two_way = fleet.discharge_kw > 0.0
        call = np.where(two_way, 1.0 / fleet.discharge_efficiency, fleet.charge_efficiency)
        wear = np.where(two_way, fleet.wear_per_kwh, 0.0)
        return cls(call, call, fleet.charge_efficiency, wear, fleet.charge_kw + fleet.discharge_kw)

    def moved(self, group: Group) -> Floats:
        """Stored energy that expected activation of ``group`` moves per kWh of AC energy, ``(N,)``; negative drains."""
        return -group.activation * self.drain if group.up else group.activation * self.gain


def _is_default(value: object, default: object) -> bool:
    if isinstance(value, np.ndarray) or isinstance(default, np.ndarray):
        return bool(np.array_equal(np.asarray(value), np.asarray(default)))
    return bool(value == default) or value in ((), None)
