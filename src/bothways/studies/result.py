"""What a study found, as data: the report, the tables and the screen all read this."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.economics.emissions import AverageLedger, MarginalLedger
from bothways.economics.figures import Figure
from bothways.studies.ageing import Ageing
from bothways.studies.backup import Backup
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.period import YearScale, monthly_amount
from bothways.studies.runs import StrategyRun
from bothways.studies.stationary import StationaryAgeing
from bothways.tariffs.bill import Bill


@dataclass(frozen=True)
class Unserved:
    """A stay that got less energy than uncontrolled charging would have given it.

    Attributes:
        session_id: which stay.
        missing_kwh: AC energy missing against uncontrolled [kWh].
        reason: why, in words.
    """

    session_id: str
    missing_kwh: float
    reason: str


@dataclass(frozen=True)
class CarbonLedger:
    """Emissions of the site's energy over the period; the two ledgers are never added.

    Attributes:
        marginal: impact of import less export; ``None`` without a signal.
        average: inventory of import, export apart; ``None`` without a figure.
        loss_kwh: energy lost in batteries and converters of vehicles and stationary battery [kWh].
    """

    marginal: MarginalLedger | None
    average: AverageLedger | None
    loss_kwh: float

    @property
    def marginal_kg(self) -> float | None:
        """Total of the marginal ledger [kg]."""
        return None if self.marginal is None else self.marginal.total_kg

    @property
    def average_kg(self) -> float | None:
        """Total of the average ledger [kg]."""
        return None if self.average is None else self.average.total_kg


@dataclass(frozen=True)
class Outcome:
    """A strategy in one case, in money.

    Attributes:
        run: what happened physically.
        label: name for a person, e.g. ``Bidirectional, future known``.
        bill: the site's bill over the period.
        wear_cost: wear of vehicles and battery by discharging [currency].
        unserved: stays that got less than under uncontrolled charging.
        unserved_kwh: their sum [kWh].
        unserved_cost: that energy at the price drivers pay elsewhere [currency].
        served_kwh: AC energy that the vehicles kept when they left (charged minus discharged) [kWh].
        discharged_kwh: AC energy discharged by vehicles [kWh].
        peak_import_kw: highest import [kW].
        carbon: emissions.
    """

    run: StrategyRun
    label: str
    bill: Bill
    wear_cost: float
    unserved: tuple[Unserved, ...]
    unserved_kwh: float
    unserved_cost: float
    served_kwh: float
    discharged_kwh: float
    peak_import_kw: float
    carbon: CarbonLedger

    @property
    def cost(self) -> float:
        """Bill + wear + energy not served over the period [currency]."""
        return float(self.bill.total) + self.wear_cost + self.unserved_cost


@dataclass(frozen=True)
class InvestmentResult:
    """What one strategy's equipment earns against a reference strategy.

    Attributes:
        strategy: the strategy that is bought.
        reference: the strategy it is compared with (``uncontrolled``, or ``smart`` for what two-way adds).
        lines: what is bought, (label, amount) [currency].
        outlay: sum of ``lines`` [currency].
        yearly_saving: saving per year including wear and energy not served [currency/year].
        yearly_cost: operation, maintenance, insurance, communication [currency/year].
        npv: net present value [currency].
        irr: internal rate of return, or why there is none.
        mirr: modified rate, or why there is none.
        simple_payback_years: years, or why it never pays back.
        discounted_payback_years: years, or why it never pays back.
        break_even_charger_price: price per charger at which the NPV is 0 [currency]; negative where even chargers
            for free do not pay.
        years: lifetime counted [years].
        discount_rate: per year.
        cash_flow: by year, year 0 first [currency].
    """

    strategy: str
    reference: str
    lines: tuple[tuple[str, float], ...]
    outlay: float
    yearly_saving: float
    yearly_cost: float
    npv: float
    irr: Figure
    mirr: Figure
    simple_payback_years: Figure
    discounted_payback_years: Figure
    break_even_charger_price: Figure
    years: int
    discount_rate: float
    cash_flow: tuple[float, ...]


@dataclass(frozen=True)
class SensitivityRow:
    """One assumption moved to a low and a high value, everything else kept.

    Attributes:
        name: the assumption with its unit.
        low: low value as text.
        high: high value as text.
        result_low: yearly saving of bidirectional against smart at the low value [currency/year].
        result_high: the same at the high value.
    """

    name: str
    low: str
    high: str
    result_low: float
    result_high: float


@dataclass(frozen=True)
class Sensitivity:
    """How much the answer hangs on what was assumed.

    Attributes:
        measure: what the rows show, in words, with unit.
        base: its value with the study's assumptions.
        rows: sorted by swing, largest first.
        method: over which days and how it was simulated.
    """

    measure: str
    base: float
    rows: tuple[SensitivityRow, ...]
    method: str


@dataclass(frozen=True)
class CaseResult:
    """All strategies in one case.

    Attributes:
        case: the inputs.
        outcomes: in the order uncontrolled, smart, bidirectional, smart with the future known, bidirectional with it.
        investments: smart and bidirectional against uncontrolled, and bidirectional against smart.
        sensitivity: ``None`` where the scenario switches it off.
        scale: how the period's money becomes a year's.
        ageing: what the strategies do to the vehicles' batteries; ``None`` where it was not asked for.
        stationary: ageing of the stationary battery, by strategy; empty without one.
        backup: what vehicles keep on in outages; ``None`` where it was not asked for.
    """

    case: Case
    outcomes: tuple[Outcome, ...]
    investments: tuple[InvestmentResult, ...]
    sensitivity: Sensitivity | None
    scale: YearScale
    ageing: Ageing | None = None
    stationary: tuple[StationaryAgeing, ...] = ()
    backup: Backup | None = None

    def yearly_cost(self, key: str) -> float:
        """Cost of a strategy per year: what is charged once a month scaled by months, the rest by days."""
        outcome = self.outcome(key)
        bill = outcome.bill
        monthly = sum(monthly_amount(self.case.tariff, month) for month in bill.months)
        by_days = float(bill.total) - monthly + outcome.wear_cost + outcome.unserved_cost
        return by_days * self.scale.by_days + monthly * self.scale.by_months

    def outcome(self, key: str) -> Outcome:
        """The outcome of ``uncontrolled``, ``smart``, ``bidirectional``, ``smart_foresight`` and the like.

        Raises:
            KeyError: no such strategy in this case.
        """
        for outcome in self.outcomes:
            if outcome.run.key == key:
                return outcome
        raise KeyError(key)


@dataclass(frozen=True)
class StudyResult:
    """The study's answer.

    Attributes:
        inputs: what it was given.
        cases: the answers.
        notes: remarks that hold for all cases.
    """

    inputs: StudyInputs
    cases: tuple[CaseResult, ...]
    notes: tuple[str, ...]
