"""Price now and what was saved against uncontrolled charging, with the assumptions that the figures rest on."""

from __future__ import annotations

from nicegui import ui

from bothways.adapters.web.figures import NOT_KNOWN, clock, energy, money, power, quantity
from bothways.adapters.web.frame import Screens, Viewer, heading
from bothways.adapters.web.tables import Table, cell
from bothways.adapters.web.words import Words, later
from bothways.domain.errors import BothwaysError
from bothways.operations.desk.saved import SavedPeriod
from bothways.operations.desk.savings import PriceNow, SavingsView, savings_of

_EVERY_S = 30.0
_PERIODS = {"today": later("Today"), "month": later("This month")}
_ASSUMED = {
    "same-energy": later("Without control each vehicle charges at once with the charger's full power, until it holds "
                         "what it really left with."),
    "open-stays": later("Vehicles that are still plugged in count with what they have taken so far."),
    "whole-stays": later("Stays that began before the month are not counted."),
    "unmetered": later("Where the site's meter was silent, vehicles alone are counted."),
    "mean-price": later("Where no price was recorded, the mean of the recorded ones is taken."),
    "no-demand-charge": later("Charges on peaks are not counted."),
    "month-so-far": later("The month's charges are those of the month so far."),
    "wear-deducted": later("Wear is what the site's settings say per kWh discharged; it is deducted."),
    "average-carbon": later("Emissions are imported energy at the grid's average intensity; export takes nothing off."),
}  # fmt: skip

_MADE_UP = later("made-up daily shape")  # where the demonstration's prices come from


def price_line(now: PriceNow, words: Words) -> str:
    """What energy costs now, with unit and source, or that it is not known."""

    def per_kwh(price: float) -> str:
        return f"{money(price, now.currency, words, 3)}/kWh"

    if now.import_price is None:
        said = words("The price now is not known.")
    else:
        sold = 0.0 if now.export_price is None else now.export_price
        bought = per_kwh(now.import_price)
        said = words("Price now: {bought} bought, {sold} sold", bought=bought, sold=per_kwh(sold))
        said += "" if now.currency else f" ({words('currency not stated')})"
    source = " · ".join(
        part for part in (now.tariff, words(_MADE_UP) if now.source == _MADE_UP else now.source) if part
    )
    return f"{said} ({source})" if source else said


def carbon_line(now: PriceNow, words: Words) -> str:
    """What the grid's electricity emits now, or that no source says it."""
    if now.co2_kg_per_kwh is None:
        return words("CO₂ of the grid: no source says it.")
    return words("CO₂ of the grid now: {grams} g/kWh", grams=round(now.co2_kg_per_kwh * 1000.0))


class MoneyPanel:
    """The section; it is filled after the page is shown, because it reads the store."""

    def __init__(self, screens: Screens, viewer: Viewer, site_id: str, tz: str) -> None:
        self.savings, self.viewer, self.site_id, self.tz = savings_of(screens.desk), viewer, site_id, tz
        words = self.words = viewer.words
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Money and emissions")}"'):
            heading(words("Money and emissions, against uncontrolled charging"))
            self.price, self.carbon = ui.label("").classes("bw-strong"), ui.label("").classes("bw-small")
            head = ("", *("#" + words(text) for text in _PERIODS.values()))
            self.table = Table(words("Savings"), head, words("Being computed …"))
            self.age = ui.label("").classes("bw-small").props('role="status"')
            with ui.element("details"):
                with ui.element("summary"):
                    ui.label(words("How this was computed")).classes("bw-small")
                self.notes = ui.element("ul")
        self._noted: tuple[str, ...] = ()
        self.table.show([])
        ui.timer(0.05, self.refresh, once=True)
        ui.timer(_EVERY_S, self.refresh, immediate=False)

    def show_price(self) -> None:
        """Brings the price up to date."""
        now = self.savings.price(self.viewer.actor, self.site_id)
        self.price.text, self.carbon.text = price_line(now, self.words), carbon_line(now, self.words)

    async def refresh(self) -> None:
        """Brings the savings up to date."""
        words = self.words
        try:
            view = await self.savings.saved(self.viewer.actor, self.site_id)
        except BothwaysError as error:
            self.age.text = words("Savings cannot be told now: {why}", why=str(error))
            return
        self.table.show(self._rows(view))
        self.age.text = words("As of {time}; computed every five minutes.", time=clock(view.at, self.tz, words))
        noted = tuple(dict.fromkeys((*view.today.assumptions, *view.month.assumptions)))
        if noted != self._noted:
            self._noted = noted
            self.notes.clear()
            with self.notes:
                for code in noted:
                    with ui.element("li"):
                        ui.label(words(_ASSUMED[code])).classes("bw-small")

    def _rows(self, view: SavingsView) -> list[list[str]]:
        words, currency = self.words, view.currency
        periods = (view.today, view.month)

        def row(text: str, told: list[str]) -> list[str]:
            return [cell(text), *(cell(one) for one in told)]

        return [
            row(words("Saved"), [money(one.saved, currency, words) for one in periods]),
            row(words("CO₂ saved"), [quantity(one.co2_saved_kg, "kg", words) for one in periods]),
            row(words("Paid for energy"), [money(one.cost, currency, words) for one in periods]),
            row(words("Without control"), [money(one.uncontrolled_cost, currency, words) for one in periods]),
            row(words("Highest import"), [_peak(one, words) for one in periods]),
            row(words("Charged"), [energy(one.charged_kwh, words) for one in periods]),
            row(words("Discharged"), [energy(one.discharged_kwh, words) for one in periods]),
            row(words("Stays counted"), [str(one.stays) for one in periods]),
        ]


def _peak(one: SavedPeriod, words: Words) -> str:
    if one.peak_kw is None:
        return NOT_KNOWN
    other = power(one.uncontrolled_peak_kw, words)
    return words("{actual}, without control {other}", actual=power(one.peak_kw, words), other=other)
