"""Waiting for a shared charging point, on the driver's page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape

from nicegui import ui

from bothways.adapters.web.figures import clock
from bothways.adapters.web.frame import Screens, Viewer, heading, tried
from bothways.adapters.web.tables import Table, cell
from bothways.domain.errors import BothwaysError
from bothways.operations.desk.driver.queues import Queues, QueueView

_HOURS = 4


class QueueCard:
    """The card; nothing is shown where the holder may join no queue."""

    def __init__(self, screens: Screens, viewer: Viewer, holder: str) -> None:
        self.screens, self.viewer, self.holder, self.words = screens, viewer, holder, viewer.words
        found = screens.services.get(Queues)
        self._queues = found if isinstance(found, Queues) else None
        self._shown: tuple[QueueView, ...] | None = None

    def build(self) -> None:
        """Makes room for the card."""
        self.card = ui.element("section").classes("bw-card").props(f'aria-label="{escape(self.words("Queue"))}"')
        self.card.set_visibility(False)

    async def refresh(self) -> None:
        """Brings the card up to date where anything changed besides the time."""
        if self._queues is None or "/" in self.holder:
            return
        try:
            found = tuple(await self._queues.of(self.viewer.actor, self.holder))
        except BothwaysError:
            return
        if self._shown is not None and [_still(item) for item in found] == [_still(item) for item in self._shown]:
            return
        self._shown = found
        self.card.set_visibility(bool(found))
        self.card.clear()
        with self.card:
            for queue in found:
                self._queue(queue)

    def _queue(self, queue: QueueView) -> None:
        words = self.words
        heading(words("Shared charging points: {name}", name=queue.name))
        ui.label(self._state(queue)).classes("bw-strong").style("white-space: normal").props('role="status"')
        for request in queue.requests:
            self._request(queue, request.swap_id, room=request.room)
        if queue.position == 0:
            hours = ui.number(words("For how long [h]"), value=_HOURS, min=0.5, max=24, step=0.5).props("outlined")
            self._button(words("Join the queue"), lambda: self._join(queue, float(hours.value or _HOURS)), "bw-do")
        else:
            self._button(words("Leave the queue"), lambda: self._leave(queue), "bw-plain")
        head = (words("Place"), words("Who"), words("Turn, at the earliest"), "")
        Table(words("Queue"), head[:3], words("Nobody waits.")).show(self._rows(queue))
        self._swaps(queue)
        ui.label(
            words("Whoever joined first goes first; each hour used in the last seven days counts as having joined ten "
                  "minutes later, two hours at most. Whoever is called has fifteen minutes to plug in.")
        ).classes("bw-small")  # fmt: skip

    def _state(self, queue: QueueView) -> str:
        words = self.words
        mine = next((place for place in queue.places if place.mine), None)
        if mine is None:
            return words("{free} of {all} are free, {count} wait.", free=queue.free, all=len(queue.evses),
                         count=len(queue.places))  # fmt: skip
        if mine.called:
            return words("{place} is yours until {time}. Plug in there.", place=mine.called,
                         time=clock(mine.until, queue.tz, words))  # fmt: skip
        if mine.expected_at is None:
            return words("You are number {number}. When it is your turn is not known.", number=queue.position)
        return words("You are number {number}. Your turn comes at {time} at the earliest.", number=queue.position,
                     time=clock(mine.expected_at, queue.tz, words))  # fmt: skip

    def _rows(self, queue: QueueView) -> list[list[str]]:
        words = self.words
        return [
            [
                cell(str(number)), cell(words("you") if place.mine else words("somebody")),
                cell(clock(place.expected_at, queue.tz, words)),
            ]
            for number, place in enumerate(queue.places, 1)
        ]  # fmt: skip

    def _swaps(self, queue: QueueView) -> None:
        """Whom one can ask to swap."""
        words = self.words
        mine = next((place for place in queue.places if place.mine), None)
        if mine is None or mine.called:
            return
        if queue.asked:
            ui.label(words("You asked somebody to swap; the answer shows here.")).classes("bw-small")
            return
        others = {
            place.place_id: words("Place {number}", number=number)
            for number, place in enumerate(queue.places, 1)
            if not place.mine and not place.called
        }
        if queue.position == 1:
            others |= {evse: words("whoever charges at {place}", place=evse) for evse in queue.in_use}
        if not others:
            return
        chosen = ui.select(others, label=words("Ask to swap with")).props("outlined").style("width: 100%")
        self._button(words("Ask"), lambda: self._ask(queue, str(chosen.value or "")), "bw-plain")

    def _request(self, queue: QueueView, swap_id: str, *, room: bool) -> None:
        words = self.words
        text = (
            words("Somebody who waits asks you to make room here; the next turn would be yours.")
            if room
            else words("Somebody who waits asks to swap places with you.")
        )
        with ui.element("div").classes("bw-alarm information"):
            ui.label(text)
            with ui.element("div").classes("bw-line"):
                self._button(words("Agree"), lambda: self._answer(queue, swap_id, agrees=True), "bw-do")
                self._button(words("No"), lambda: self._answer(queue, swap_id, agrees=False), "bw-plain")

    @staticmethod
    def _button(text: str, act: Callable[[], Awaitable[None]], look: str) -> None:
        ui.button(text, on_click=act, color=None).props("no-caps").classes(look)

    async def _join(self, queue: QueueView, hours: float) -> None:
        await self._do(lambda desk: desk.join(self.viewer.actor, self.holder, queue.site_id, queue.name, hours))

    async def _leave(self, queue: QueueView) -> None:
        await self._do(lambda desk: desk.leave(self.viewer.actor, self.holder, queue.site_id, queue.name))

    async def _ask(self, queue: QueueView, other: str) -> None:
        if other:
            await self._do(lambda desk: desk.ask(self.viewer.actor, self.holder, queue.site_id, queue.name, other))

    async def _answer(self, queue: QueueView, swap_id: str, *, agrees: bool) -> None:
        await self._do(
            lambda desk: desk.answer(
                self.viewer.actor, self.holder, queue.site_id, queue.name, swap_id, agrees=agrees
            )
        )  # fmt: skip

    async def _do(self, act: Callable[[Queues], Awaitable[object]]) -> None:
        queues = self._queues
        if queues is not None and await tried(self.screens, self.viewer, lambda: act(queues)):
            self._shown = None
            await self.refresh()


class SharingCard:
    """For staff: which charging points of a site share a queue, and which cards may join."""

    def __init__(self, screens: Screens, viewer: Viewer, site_id: str, places: list[str]) -> None:
        self.screens, self.viewer, self.site_id, self.words = screens, viewer, site_id, viewer.words
        self._places = places
        found = screens.services.get(Queues)
        self._queues = found if isinstance(found, Queues) else None

    async def build(self) -> None:
        """Lays the card out."""
        if self._queues is None:
            return
        words = self.words
        with ui.element("section").classes("bw-card").props(f'aria-label="{escape(words("Shared charging points"))}"'):
            heading(words("Shared charging points"))
            head = (words("Name"), words("Charging points"), words("Cards that may join"))
            self.table = Table(words("Shared charging points"), head, words("None are shared yet."))
            self.name = ui.input(words("Name")).props("outlined")
            self.evses = ui.select(self._places, multiple=True, label=words("Charging points")).props("outlined")
            self.members = ui.input(words("Cards that may join, with commas; none for every driver")).props("outlined")
            with ui.element("div").classes("bw-line"):
                ui.button(words("Share them"), on_click=self._share, color=None).props("no-caps").classes("bw-do")
                ui.button(words("End this queue"), on_click=self._end, color=None).props("no-caps").classes("bw-plain")
        await self._show()

    async def _show(self) -> None:
        queues = self._queues
        found = [] if queues is None else await queues.at(self.viewer.actor, self.site_id)
        everybody = self.words("all drivers")
        self.table.show([
            [cell(queue.name), cell(", ".join(queue.evses)), cell(", ".join(queue.members) or everybody)]
            for queue in found
        ])  # fmt: skip

    async def _share(self) -> None:
        members = tuple(card.strip() for card in (self.members.value or "").split(",") if card.strip())
        evses = tuple(str(evse) for evse in self.evses.value or ())
        name = (self.name.value or "").strip()
        await self._do(lambda queues: queues.define(self.viewer.actor, self.site_id, name, evses, members))

    async def _end(self) -> None:
        name = (self.name.value or "").strip()
        await self._do(lambda queues: queues.close(self.viewer.actor, self.site_id, name))

    async def _do(self, act: Callable[[Queues], Awaitable[object]]) -> None:
        queues = self._queues
        if queues is not None and await tried(self.screens, self.viewer, lambda: act(queues), self.words("Saved.")):
            await self._show()


def _still(queue: QueueView) -> tuple[object, ...]:
    """What of a queue is worth sending again; turns shift by the second where vehicles charge."""
    places = [
        (
            place.place_id,
            place.mine,
            place.called,
            None if place.expected_at is None else f"{place.expected_at:%d %H:%M}",
        )
        for place in queue.places
    ]
    return queue.name, queue.free, queue.position, tuple(places), queue.asked, queue.requests, queue.in_use
