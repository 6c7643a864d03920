"""A week of wishes on the driver's page: the same every Monday, used by itself at plug-in."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from nicegui import ui

from bothways.adapters.web.figures import WEEKDAYS, clock, energy, percent
from bothways.adapters.web.frame import Screens, Viewer, heading, tried
from bothways.adapters.web.tables import Table, cell
from bothways.adapters.web.words import Words
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import Action, Actor, site_scope, token_scope
from bothways.operations.desk.desk import NeedForm
from bothways.operations.desk.driver.wishes import Wishes, WishForm, WishView
from bothways.operations.wishes import WEEK, DayWish


def slot_of(screens: Screens, actor: Actor, holder: str) -> str | None:
    """Which wish the actor may state: ``""`` for the holder's own, a site for staff, ``None`` for neither."""
    if "/" in holder:
        return None
    if actor.may(Action.NEED_SET, token_scope(holder)):
        return ""
    sites = [name for name in screens.desk.site_ids() if actor.may(Action.NEED_SET, site_scope(name))]
    return sites[0] if sites else None


class WeekCard:
    """The card.

    Args:
        screens: the use cases.
        viewer: who looks.
        holder: whose week.
        said: reads what is filled in above: time of day, state of charge, consent.
    """

    def __init__(self, screens: Screens, viewer: Viewer, holder: str, said: Callable[[], tuple[str, NeedForm]]) -> None:
        self.screens, self.viewer, self.holder, self._said = screens, viewer, holder, said
        self.words = viewer.words
        self.slot = slot_of(screens, viewer.actor, holder)
        self.wish: WishView | None = None
        self._wishes = Wishes(screens.desk)

    async def load(self) -> None:
        """Reads the wish that there is."""
        if self.slot is None:
            return
        try:
            self.wish = await self._wishes.wish(self.viewer.actor, self.holder, self.slot)
        except BothwaysError:
            self.wish = None

    async def build(self) -> None:
        """Lays the card out; a place without a card number has none."""
        if self.slot is None:
            return
        words = self.words
        with ui.element("section").classes("bw-card").props(f'aria-label="{escape(words("Every week"))}"'):
            heading(words("Every week"))
            ui.label(words("Time, battery and consent as set above, for these days:")).classes("bw-small")
            with ui.element("div").classes("bw-days").props(f'role="group" aria-label="{escape(words("Days"))}"'):
                self.days = [ui.checkbox(words(name)) for name in WEEKDAYS]
            if self.slot:
                self.note = ui.input(words("How the person agreed to giving energy back, such as a signed form"))
                self.note.props("outlined")
            with ui.element("div").classes("bw-line"):
                keep = ui.button(words("Remember for these days"), on_click=self._keep, color=None)
                keep.props("no-caps").classes("bw-do")
                drop = ui.button(words("Forget these days"), on_click=self._drop, color=None)
                drop.props("no-caps flat").classes("bw-plain")
            head = (words("Day"), words("Ready by"), "#" + words("Battery at least"))
            self.table = Table(words("Every week"), head, words("Nothing is remembered yet."))
            self.next = ui.label("").classes("bw-small").props('role="status"')
        await self.load()
        self.show()

    def show(self) -> None:
        """Shows the wish."""
        if self.slot is None:
            return
        words, wish = self.words, self.wish
        rows = [(day, wished) for day, wished in enumerate(wish.days if wish else ()) if wished is not None]
        self.table.show([[cell(words(WEEKDAYS[day])), cell(item.wall), cell(_aim(item, words))] for day, item in rows])
        self.next.text = (
            words("Used by itself at the next plug-in: {time}.", time=clock(wish.next_at, wish.tz, words))
            if wish is not None and wish.next_at is not None
            else ""
        )

    async def _keep(self) -> None:
        wall, form = self._said()
        chosen = self._chosen()
        wished = {day: DayWish(wall[:5], form.soc, form.energy_kwh) for day in chosen}
        await self._state(wished, form, self.words("Remembered."))

    async def _drop(self) -> None:
        await self._state(dict.fromkeys(self._chosen()), self._said()[1], self.words("Forgotten."))

    def _chosen(self) -> list[int]:
        return [day for day, box in enumerate(self.days) if box.value]

    async def _state(self, changes: dict[int, DayWish] | dict[int, None], form: NeedForm, done: str) -> None:
        if not changes:
            ui.notify(self.words("Choose at least one day."), type="negative", position="top")
            return

        async def act() -> None:
            await self.load()
            kept = dict(enumerate(self.wish.days if self.wish else (None,) * WEEK))
            kept.update(changes)
            note = self.note.value.strip() if self.slot else ""
            week = WishForm(
                {day: wished for day, wished in kept.items() if wished is not None}, form.floor_soc,
                form.discharge_consent, form.discharge_cap_kwh, note,
            )  # fmt: skip
            slot = self.slot or ""
            if week.days:
                self.wish = await self._wishes.keep(self.viewer.actor, self.holder, week, slot)
            else:
                await self._wishes.drop(self.viewer.actor, self.holder, slot)
                self.wish = None

        if await tried(self.screens, self.viewer, act, done):
            for box in self.days:
                box.value = False
            self.show()


def _aim(day: DayWish, words: Words) -> str:
    return energy(day.energy_kwh, words) if day.soc is None else percent(day.soc, words)
