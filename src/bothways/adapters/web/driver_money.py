"""What a month cost and saved, on the driver's page: the sum first, then each stay, then each line of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

from nicegui import ui

from bothways.adapters.web.figures import clock, day, energy, exact, money, power
from bothways.adapters.web.frame import Screens, Viewer, heading
from bothways.adapters.web.tables import Table, cell
from bothways.adapters.web.words import Words
from bothways.domain.errors import BothwaysError
from bothways.operations.desk.driver.ledger import Line
from bothways.operations.desk.driver.statements import Statement, Statements, StayMoney, Total

_SHOWN = 12
_AGAIN = timedelta(minutes=5)
_CENTS = 2


class MoneyCard:
    """The card: the running month, or an earlier one."""

    def __init__(self, screens: Screens, viewer: Viewer, holder: str) -> None:
        self.screens, self.viewer, self.holder, self.words = screens, viewer, holder, viewer.words
        self._statements = Statements(screens.desk)
        self._shown_at: datetime | None = None
        self._month = ""
        self._panels: list[ui.expansion] = []

    async def build(self) -> None:
        """Lays the card out."""
        words = self.words
        with ui.element("section").classes("bw-card").props(f'aria-label="{escape(words("This month"))}"'):
            with ui.element("div").classes("bw-apart"):
                heading(words("What it saved"))
                self.month = ui.input(words("Month")).props('outlined dense type="month"')
                self.month.on_value_change(self._choose)
            self.sum = ui.label("").classes("bw-big").props('role="status"')
            self.told = [ui.label("").classes("bw-small") for _ in range(4)]
            self.stays = ui.element("div").classes("bw-stack")
        await self.refresh()

    async def _choose(self) -> None:
        if (self.month.value or "") != self._month:
            self._month = self.month.value or ""
            await self.refresh(again=True)

    async def refresh(self, *, again: bool = False) -> None:
        """Computes the statement again where it is old, but not while somebody reads one of its stays."""
        now = self.screens.desk.now()
        recent = self._shown_at is not None and now - self._shown_at < _AGAIN
        if not again and (recent or any(panel.value for panel in self._panels)):
            return
        self._shown_at = now
        try:
            statement = await self._statements.month(self.viewer.actor, self.holder, self._month)
        except BothwaysError as error:
            self.sum.text = self.words("Not known now: {why}", why=str(error))
            return
        self._month = self.month.value = statement.month
        self._show(statement)

    def _show(self, statement: Statement) -> None:
        words = self.words
        total = statement.totals[0] if statement.totals else None
        self.sum.text = _headline(total, words) if total is not None else words("Nothing was charged in this month.")
        texts = [] if total is None else _explained(total, statement, words)
        for label, text in zip(self.told, [*texts, "", "", "", ""], strict=False):
            label.text = text
            label.set_visibility(bool(text))
        self.stays.clear()
        self._panels = []
        with self.stays:
            for stay in statement.stays[:_SHOWN]:
                self._stay(stay)
            if len(statement.stays) > _SHOWN:
                more = len(statement.stays) - _SHOWN
                ui.label(words("{count} more stays are in the export of your data.", count=more)).classes("bw-small")

    def _stay(self, stay: StayMoney) -> None:
        """One stay; its lines are made when somebody opens it."""
        words = self.words
        began = f"{clock(stay.started_at, stay.tz, words)} · {day(stay.started_at, stay.tz, words)}"
        title = f"{began} · {_headline(_total(stay), words)}"
        panel = ui.expansion(title).classes("bw-stay")
        self._panels.append(panel)

        def opened() -> None:
            if panel.value and not panel.default_slot.children:
                with panel:
                    self._lines(stay)

        panel.on_value_change(opened)

    def _lines(self, stay: StayMoney) -> None:
        words = self.words
        for text in _how(stay, words):
            ui.label(text).classes("bw-small")
        head = (
            words("From"), "#" + words("In"), "#" + words("Out"), "#" + words("Price per kWh"), "#" + words("Cost"),
            "#" + words("Credit"), "#" + words("Wear"), "#" + words("Charging at once"),
        )  # fmt: skip
        table = Table(words("Line by line"), head, words("Nothing was charged."))
        rows = [line for line in stay.lines if line.taken_kwh or line.given_kwh or line.uncontrolled_kwh]
        table.show([[cell(text) for text in _row(line, stay, words)] for line in rows])


def _headline(total: Total, words: Words) -> str:
    if total.sums.unpriced_kwh and not total.sums.cost and not total.sums.uncontrolled_cost:
        return words("What it cost is not known: nobody stated a price.")
    amount = money(abs(total.saved), total.currency, words)
    if not round(total.saved, _CENTS):
        return words("No difference to charging at once")
    if total.saved >= 0:
        return words("{amount} saved", amount=amount)
    return words("{amount} more than charging at once", amount=amount)


def _explained(total: Total, statement: Statement, words: Words) -> list[str]:
    sums, unit = total.sums, total.currency
    made = [
        words(
            "Charging at once would have cost {reference}; it cost {net}: {cost} for energy, less {credit} for energy "
            "given back, plus {wear} for wear of the battery.",
            reference=money(sums.uncontrolled_cost, unit, words), net=money(total.net, unit, words),
            cost=money(sums.cost, unit, words), credit=money(sums.credit, unit, words),
            wear=money(sums.wear, unit, words),
        )
    ]  # fmt: skip
    if sums.refill:
        amount = money(sums.refill, unit, words)
        made[0] += " " + words("{amount} of it are for energy that is still to be charged again.", amount=amount)
    if sums.unpriced_kwh:
        made.append(words("{energy} have no known price and are left out.", energy=energy(sums.unpriced_kwh, words)))
    made.append(words("At the site's own prices; what you pay is between you and the site."))
    made.append(words("As of {time}.", time=clock(statement.as_of, statement.tz, words)))
    return made


def _how(stay: StayMoney, words: Words) -> list[str]:
    unit = stay.currency
    per_kwh = money(stay.wear_per_kwh, unit, words, 3)
    told = [
        words(
            "Charging at once: the same energy at up to {power}, from plug-in on.", power=power(stay.charge_kw, words)
        ),
        words("Wear: {price} for each kWh given back, as the site's configuration states.", price=per_kwh)
        if stay.wear_per_kwh
        else words("Wear: the site states no price, so none is subtracted."),
    ]
    if stay.refill_kwh:
        told.append(
            words(
                "It left with less than it came with: {energy} to be charged again count {amount}.",
                energy=energy(stay.refill_kwh, words), amount=money(stay.sums.refill, unit, words),
            )
        )  # fmt: skip
    if not stay.metered:
        told.append(words("The station sent no readings between, so the energy is spread evenly."))
    return told


def _row(line: Line, stay: StayMoney, words: Words) -> list[str]:
    unit = stay.currency
    return [
        clock(line.start, stay.tz, words), exact(line.taken_kwh, "kWh", words), exact(line.given_kwh, "kWh", words),
        words("not known") if line.price is None else money(line.price, unit, words, 4),
        money(line.cost, unit, words, 4), money(line.credit, unit, words, 4), money(line.wear, unit, words, 4),
        money(line.uncontrolled_cost, unit, words, 4),
    ]  # fmt: skip


def _total(stay: StayMoney) -> Total:
    return Total(stay.currency, stay.sums, stay.net, stay.saved)
