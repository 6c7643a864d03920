"""What every screen shares: who is looking, and the frame around the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files

from fastapi import Request
from nicegui import ui

from bothways.adapters.web import news
from bothways.adapters.web.words import Words
from bothways.domain.errors import BothwaysError, InputError
from bothways.operations.access.accounts import Access
from bothways.operations.access.roles import Actor
from bothways.operations.desk.desk import Desk

_CHECK_EVERY_S = 5.0


@dataclass(slots=True)
class Viewer:
    """Who is looking at a page, and in which language; rights are read again while the page is open."""

    actor: Actor
    token: str
    words: Words


@dataclass(frozen=True, slots=True)
class Screens:
    """What pages need: the use cases and sign-in, and which pages there are."""

    access: Access
    desk: Desk
    pages: tuple[ScreenPage, ...] = ()
    services: Mapping[type, object] = field(default_factory=dict)
    public_url: str = ""


@dataclass(frozen=True, slots=True)
class ScreenPage:
    """A page: one line in ``screens.PAGES`` adds it.

    Attributes:
        path: its address; parts in braces come as ``request.path_params``.
        build: makes its content for a viewer; what it raises becomes the right answer (``Unknown``, ``NotAllowed``).
        link: text of its link at the top of every page, marked with ``later``; ``""`` for none.
        shown: whether the link makes sense for a viewer.
    """

    path: str
    build: Callable[[Screens, Viewer, Request], Awaitable[None]]
    link: str = ""
    shown: Callable[[Actor], bool] = lambda _: True


@cache
def style(name: str) -> str:
    """A style sheet of the screens."""
    return files("bothways.adapters.web").joinpath("styles", f"{name}.css").read_text(encoding="utf-8")


def in_words(error: BothwaysError, words: Words) -> str:
    """An error for a person."""
    if isinstance(error, InputError):
        return " ".join(f"{problem.allowed}. {problem.remedy}" for problem in error.problems)
    return words("This was not done: {why}", why=str(error))


@contextmanager
def frame(screens: Screens, viewer: Viewer, title: str, here: str = "", *, narrow: bool = False) -> Iterator[None]:
    """The frame around a page: title, where one can go, signing out; sends away whose session ended."""
    words = viewer.words
    ui.page_title(f"{title} · bothways")
    ui.add_css(style("pages"))
    news.watch(words)
    with ui.element("header").classes("bw-top"):
        with ui.element("nav").classes("bw-nav").props(f'aria-label="{escape(words("Pages"))}"'):
            for text, target in destinations(screens, viewer):
                link = ui.link(words(text), target)
                if target == here:
                    link.classes("here").props('aria-current="page"')
        with ui.element("div").classes("bw-who"):
            ui.link(viewer.actor.name, "/account").classes("bw-small").props(f'title="{escape(words("My account"))}"')
            ui.html(
                '<form method="post" action="/sign-out"><button class="bw-plain">'
                f"{escape(words('Sign out'))}</button></form>",
                sanitize=False,
            )
    with ui.element("div").classes("bw-page narrow" if narrow else "bw-page"):
        heading(title, 1)
        yield

    async def still_allowed() -> None:
        if await renewed(screens, viewer):
            news.tell()
        else:
            ui.navigate.to("/sign-in")

    ui.timer(_CHECK_EVERY_S, still_allowed, immediate=False)


def heading(text: str, level: int = 2) -> ui.html:
    """A heading that screen readers can jump to."""
    return ui.html(escape(text), sanitize=False, tag=f"h{level}")


async def renewed(screens: Screens, viewer: Viewer) -> bool:
    """Reads the viewer's rights again; false where the session ended."""
    account = await screens.access.actor(viewer.token)
    if account is None:
        return False
    viewer.actor = account.actor()
    return True


async def tried(screens: Screens, viewer: Viewer, act: Callable[[], Awaitable[object]], done: str = "") -> bool:
    """Does what somebody asked for, if the session still holds, and says what became of it."""
    if not await renewed(screens, viewer):
        ui.navigate.to("/sign-in")
        return False
    try:
        await act()
    except BothwaysError as error:
        ui.notify(in_words(error, viewer.words), type="negative", multi_line=True, timeout=8000, position="top")
        return False
    if done:
        ui.notify(done, type="positive", timeout=2500, position="top")
    return True


def destinations(screens: Screens, viewer: Viewer) -> list[tuple[str, str]]:
    """Pages that make sense for this viewer: text and address."""
    return [(page.link, page.path) for page in screens.pages if page.link and page.shown(viewer.actor)]


@contextmanager
def dialog(title: str) -> Iterator[ui.dialog]:
    """A dialog with its title; what is made inside is its content."""
    with ui.dialog().props(f'aria-label="{escape(title)}"') as made, ui.card().classes("bw-dialog"):
        heading(title)
        yield made


def confirm(
    words: Words, title: str, explanation: str, label: str, act: Callable[[str], Awaitable[object]], *, urgent: bool
) -> ui.dialog:
    """A dialog that asks for a reason before something serious is done; what is urgent is done without one, too."""
    with dialog(title) as made:
        ui.label(explanation)
        reason = ui.input(words("Reason, for the record")).props("outlined autofocus").style("width: 100%")

        async def go() -> None:
            if not urgent and len((reason.value or "").strip()) < 3:
                reason.props(f'error error-message="{escape(words("Say in a few words why."))}"')
                return
            made.close()
            await act(reason.value.strip())

        reason.on("keydown.enter", go)
        with ui.element("div").classes("bw-line").style("justify-content: flex-end; width: 100%"):
            ui.button(words("Cancel"), on_click=made.close, color=None).props("no-caps flat").classes("bw-plain")
            ui.button(label, on_click=go, color=None).props("no-caps unelevated").classes("bw-stop")
    return made
