"""What every screen shares: who is looking, the frame around the page, formats of numbers and times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from nicegui import ui

from bothways.adapters.web.words import Words
from bothways.operations.access.accounts import Access
from bothways.operations.access.roles import Action, Actor
from bothways.operations.desk.desk import Desk

NOT_KNOWN = "–"
_CHECK_EVERY_S = 5.0

STYLE = """
:root { color-scheme: light dark; --line: #8a8f98; --good: #0b6e4f; --warn: #8a5a00; --bad: #b3261e; --grid: #2f5fb3;
        --pv: #a06a00; --car: #0b6e4f; }
@media (prefers-color-scheme: dark) { :root { --good: #57c99b; --warn: #e2b04a; --bad: #ff8a80; --grid: #8fb4ff;
        --pv: #f0c14b; --car: #57c99b; } }
body { font-family: system-ui, sans-serif; }
.bw-page { width: 100%; max-width: 68rem; margin: 0 auto; padding: 0.5rem 1rem 4rem; gap: 1rem; }
.bw-card { border: 1px solid color-mix(in srgb, var(--line) 45%, transparent); border-radius: 0.6rem; padding: 0.9rem 1rem;
           width: 100%; }
.bw-big { font-size: 1.7rem; font-weight: 650; font-variant-numeric: tabular-nums; line-height: 1.2; }
.bw-small { font-size: 0.92rem; opacity: 0.86; }
.bw-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 0.8rem; width: 100%; }
.bw-alarm { border-left: 5px solid var(--warn); padding: 0.5rem 0.8rem; width: 100%; }
.bw-alarm.critical { border-color: var(--bad); }
.bw-alarm.information { border-color: var(--grid); }
.bw-stopped { background: var(--bad); color: #fff; border-radius: 0.5rem; padding: 0.8rem 1rem; width: 100%; font-weight: 600; }
.bw-nav a { color: inherit; padding: 0.4rem 0.5rem; text-underline-offset: 0.25em; }
"""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is looking at a page, and in which language."""

    actor: Actor
    token: str
    words: Words


@dataclass(frozen=True, slots=True)
class Screens:
    """What pages need: the use cases and sign-in."""

    access: Access
    desk: Desk


def power(kw: float | None) -> str:
    """A power with its unit.

    >>> power(3.14159), power(None)
    ('3.1 kW', '–')
    """
    return NOT_KNOWN if kw is None else f"{kw:.1f} kW"


def energy(kwh: float | None) -> str:
    """An energy with its unit."""
    return NOT_KNOWN if kwh is None else f"{kwh:.1f} kWh"


def clock(at: datetime | None, tz: str) -> str:
    """A local time of day, with the weekday where it is not within the next day."""
    if at is None:
        return NOT_KNOWN
    return f"{at.astimezone(ZoneInfo(tz)):%a %H:%M}"


def age(seconds: float | None, words: Words) -> str:
    """How old a value is, in words."""
    if seconds is None:
        return words("never measured")
    if seconds < 3.0:
        return words("now")
    if seconds < 120.0:
        return words("{seconds} s ago", seconds=round(seconds))
    return words("{minutes} min ago", minutes=round(seconds / 60.0))


@contextmanager
def frame(screens: Screens, viewer: Viewer, title: str) -> Iterator[None]:
    """The frame around a page: title, where one can go, signing out; sends away whose session ended."""
    words = viewer.words
    ui.page_title(f"{title} · bothways")
    ui.add_css(STYLE)
    with ui.header().classes("items-center justify-between bg-transparent text-inherit").style("color: inherit"):
        with ui.element("nav").classes("bw-nav row items-center").props(f'aria-label="{words("Pages")}"'):
            for text, target in destinations(viewer):
                ui.link(words(text), target)
        with ui.row().classes("items-center"):
            ui.label(viewer.actor.name).classes("bw-small")
            ui.html(
                f'<form method="post" action="/sign-out"><button class="q-btn q-btn--outline" '
                f'style="padding:0.4rem 0.8rem">{words("Sign out")}</button></form>',
                sanitize=False,
            )
    with ui.element("main").classes("bw-page column"):
        ui.html(f"<h1 style='font-size:1.5rem;margin:0.3rem 0'>{title}</h1>", sanitize=False)
        yield

    async def still_allowed() -> None:
        if await screens.access.actor(viewer.token) is None:
            ui.navigate.to("/sign-in")

    ui.timer(_CHECK_EVERY_S, still_allowed)


def destinations(viewer: Viewer) -> list[tuple[str, str]]:
    """Pages that make sense for this viewer: text and address."""
    actor = viewer.actor
    pages = []
    if actor.scopes_for(Action.SITE_VIEW):
        pages.append(("Sites", "/sites"))
    if actor.scopes_for(Action.NEED_SET):
        pages.append(("My vehicle", "/driver"))
    if actor.scopes_for(Action.STATION_VIEW):
        pages.append(("Stations", "/stations"))
    if actor.may(Action.ACCOUNT_MANAGE):
        pages.append(("People", "/people"))
    return pages


def confirm(words: Words, title: str, explanation: str, label: str, act: Callable[[str], object]) -> ui.dialog:
    """A dialog that asks for a reason before something serious is done."""
    with ui.dialog() as dialog, ui.card().classes("w-96"):
        ui.label(title).classes("text-lg font-bold")
        ui.label(explanation)
        reason = ui.input(words("Reason, for the record")).classes("w-full").props("autofocus")

        async def go() -> None:
            if len(reason.value.strip()) < 3:
                reason.props(f'error error-message="{words("Say in a few words why.")}"')
                return
            dialog.close()
            done = act(reason.value.strip())
            if done is not None:
                await done  # type: ignore[misc]

        with ui.row().classes("w-full justify-end"):
            ui.button(words("Cancel"), on_click=dialog.close).props("flat")
            ui.button(label, on_click=go).props("color=negative")
    return dialog
