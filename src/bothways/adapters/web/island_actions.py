"""The big buttons of an island's page: each says what it means and asks once more; what is dangerous is held back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from bothways.adapters.web.frame import Screens, Viewer, dialog, heading, tried
from bothways.adapters.web.words import Words, later
from bothways.operations.access.roles import Action, site_scope
from bothways.operations.desk.island import IslandDesk
from bothways.operations.desk.island_views import IslandView
from bothways.resilience.island.signals import RequestKind

Act = tuple[str, str, RequestKind, Callable[[IslandView], bool], str]
_ACTIONS: tuple[Act, ...] = (
    (later("Confirm"), later("You have looked, and the controller may go on."), RequestKind.CONFIRM,
     lambda view: view.confirm, "bw-do"),
    (later("The grid is lost"), later("The main contactor opens and the building starts on its own sources."),
     RequestKind.REPORT_LOSS, lambda view: view.phase == "grid-connected" and not view.drill, "bw-stop"),
    (later("Return to the grid"),
     later("As soon as the grid is good. Make sure that nobody works on the installation."),
     RequestKind.RETURN_TO_GRID,
     lambda view: view.grid in {"good", "poor"} and view.main == "open" and not view.drill, "bw-do"),
    (later("Take over"), later("You order every switch yourself. What is dangerous is still held back."),
     RequestKind.TAKE_OVER, lambda view: not view.manual, "bw-plain"),
    (later("Hand back"), later("The controller operates the installation again."), RequestKind.HAND_BACK,
     lambda view: view.manual, "bw-do"),
    (later("Start a drill"), later("Everything is walked through. Devices answer and do not act; the main contactor "
                                   "stays closed."),
     RequestKind.START_DRILL, lambda view: view.phase == "grid-connected" and not view.drill, "bw-plain"),
    (later("End the drill"), later("The walk back to the grid is rehearsed, then the drill ends."),
     RequestKind.END_DRILL, lambda view: view.drill, "bw-do"),
    (later("Offer help to the grid"), later("The grid operator may see what this island can carry at a restart. "
                                            "Nothing feeds the street."),
     RequestKind.PERMIT_OFFER, lambda view: view.phase == "island" and not view.drill and not view.offer_permitted,
     "bw-plain"),
    (later("Withdraw the offer"), later("The grid operator no longer sees it."), RequestKind.WITHDRAW_OFFER,
     lambda view: view.offer_permitted, "bw-plain"),
)  # fmt: skip

_ORDERS: dict[RequestKind, str] = {
    RequestKind.ORDER_OPEN: later("Switch off: {name}"), RequestKind.ORDER_CLOSE: later("Switch on: {name}"),
    RequestKind.ORDER_FORM: later("Start: {name}"), RequestKind.ORDER_RELEASE: later("Stop: {name}"),
    RequestKind.SET_ASIDE: later("Out of service: {name}"), RequestKind.BACK_IN_SERVICE: later("In service: {name}"),
}  # fmt: skip


def asked(kind: str, device: str, words: Words) -> str:
    """What somebody asked the controller for, in the words of its button."""
    for text, _, one, _, _ in _ACTIONS:
        if one.value == kind:
            return words(text)
    for one, text in _ORDERS.items():
        if one.value == kind:
            return words(text, name=device)
    return words("Reset after a stop") if kind == RequestKind.RESET.value else f"{kind} {device}".strip()


def orders_of(view: IslandView, main: str) -> list[tuple[RequestKind, str, str]]:
    """What a person who has taken over can order now: request, device, and its name.

    Args:
        view: the island.
        main: name of the main switch in the viewer's language.
    """
    out = []
    if view.manual:
        kind = RequestKind.ORDER_OPEN if view.main == "closed" else RequestKind.ORDER_CLOSE
        out.append((kind, "main", main))
        for section in view.sections:
            kind = RequestKind.ORDER_OPEN if section.position == "closed" else RequestKind.ORDER_CLOSE
            out.append((kind, section.section_id, section.section_id))
        for source in view.sources:
            kind = RequestKind.ORDER_FORM if source.mode == "off" else RequestKind.ORDER_RELEASE
            out.append((kind, source.source_id, source.source_id))
    for section in view.sections:
        if section.aside:
            out.append((RequestKind.BACK_IN_SERVICE, section.section_id, section.section_id))
        elif section.tripped or view.fault or view.manual:
            out.append((RequestKind.SET_ASIDE, section.section_id, section.section_id))
    return out


class Actions:
    """Buttons of one viewer, shown when they make sense."""

    def __init__(
        self, screens: Screens, viewer: Viewer, site_id: str, desk: IslandDesk, refresh: Callable[[], None]
    ) -> None:
        self.screens, self.viewer, self.site_id, self.desk = screens, viewer, site_id, desk
        self.words, self._refresh = viewer.words, refresh
        self._buttons: list[tuple[ui.button, Callable[[IslandView], bool]]] = []
        self._ordered: object = None

    def _may(self, action: Action) -> bool:
        return self.viewer.actor.may(action, site_scope(self.site_id))

    def build_first(self) -> None:
        """The button that the controller waits for: beside what it asks, where a tired person looks first."""
        if self._may(Action.SITE_OVERRIDE):
            with ui.element("div").classes("bw-actions"):
                self._wish(*_ACTIONS[0])

    def build(self) -> None:
        """Lays the other buttons out."""
        words = self.words
        with ui.element("section").classes("bw-actions").props(f'aria-label="{words("Actions")}"'):
            if self._may(Action.SITE_OVERRIDE):
                for action in _ACTIONS[1:]:
                    self._wish(*action)
            if self._may(Action.SITE_RELEASE):
                self._reset()
            if self._may(Action.SITE_STOP):
                meaning = words(
                    "All charging and discharging at this site ends within 2 s, until somebody releases it."
                )
                button = self._button(words("Emergency stop"), meaning, self._stop, "bw-stop")
                self._show_when(button, lambda view: not view.stopped)
        self.orders = ui.element("section").classes("bw-stack").props(f'aria-label="{words("Orders by hand")}"')

    def _wish(self, text: str, meaning: str, kind: RequestKind, when: Callable[[IslandView], bool], style: str) -> None:
        button = self._button(self.words(text), self.words(meaning), self._asking(kind), style)
        self._show_when(button, when)

    def show(self, view: IslandView) -> None:
        """Shows what makes sense now."""
        for button, when in self._buttons:
            button.set_visibility(when(view))
        orders = orders_of(view, self.words("main switch")) if self._may(Action.SITE_OVERRIDE) else []
        if orders == self._ordered:
            return
        self._ordered = orders
        self.orders.clear()
        self.orders.set_visibility(bool(orders))
        with self.orders:
            heading(self.words("Orders by hand"))
            with ui.element("div").classes("bw-actions"):
                for kind, device, name in orders:
                    meaning = self.words("It is confirmed by feedback. What would be dangerous is held back.")
                    self._button(self.words(_ORDERS[kind], name=name), meaning, self._asking(kind, device), "bw-plain")

    def _asking(self, kind: RequestKind, device: str = "") -> Callable[[], Awaitable[object]]:
        async def act() -> None:
            self.desk.ask(self.viewer.actor, self.site_id, kind, device)

        return act

    async def _stop(self) -> None:
        await self.screens.desk.stop(self.viewer.actor, self.site_id, self.words("on the island page"))

    def _show_when(self, button: ui.button, when: Callable[[IslandView], bool]) -> None:
        self._buttons.append((button, when))

    def _button(self, text: str, meaning: str, act: Callable[[], Awaitable[object]], style: str) -> ui.button:
        """A big button whose dialog says what it means and asks once more."""
        with dialog(f"{text}?") as made:
            ui.label(meaning)

            async def go() -> None:
                made.close()
                await tried(self.screens, self.viewer, act, self.words("Done: {what}", what=text))
                self._refresh()

            self._yes_or_no(made, text, go, style)
        return ui.button(text, on_click=made.open, color=None).props("no-caps unelevated").classes(f"{style} bw-now")

    def _yes_or_no(self, made: ui.dialog, text: str, go: Callable[[], Awaitable[None]], style: str) -> None:
        words = self.words
        with ui.element("div").classes("bw-line").style("justify-content: space-between; width: 100%"):
            ui.button(words("Cancel"), on_click=made.close, color=None).props("no-caps flat").classes("bw-plain")
            ui.button(words("Yes: {what}", what=text), on_click=go, color=None).props("no-caps unelevated").classes(
                "bw-stop" if style == "bw-stop" else "bw-do"
            )

    def _reset(self) -> None:
        words = self.words
        text = words("Reset after a stop")
        with dialog(f"{text}?") as made:
            ui.label(words("The danger is over and the button is released. Sources may start again."))
            reason = ui.input(words("Reason, for the record")).props("outlined").style("width: 100%")

            async def go() -> None:
                async def act() -> None:
                    await self.desk.reset(self.viewer.actor, self.site_id, (reason.value or "").strip())

                if await tried(self.screens, self.viewer, act, words("Done: {what}", what=text)):
                    made.close()
                self._refresh()

            self._yes_or_no(made, text, go, "bw-do")
        button = ui.button(text, on_click=made.open, color=None).props("no-caps unelevated").classes("bw-do bw-now")
        self._show_when(button, lambda view: view.stopped or any(source.cut_off for source in view.sources))
