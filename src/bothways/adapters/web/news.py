"""Pages say when nothing comes from the server any more: an open page must not show old figures as if they were new."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response
from nicegui import ui
from nicegui.translations import translations

from bothways.adapters.web.words import LANGUAGES, Words, later

_PATH = "/screens/news.js"
_OLD = later(
    "The server has not been heard for {seconds} s: figures here are old, and buttons do nothing. In danger, use the "
    "emergency stop on site."
)
_FRAMEWORK = {
    "connection_lost": later("Connection lost."), "trying_to_reconnect": later("Trying to reconnect …"),
    "message_too_long": later("Message too long"),
    "message_too_long_body": later("The message is too long to be sent."),
}  # fmt: skip
router = APIRouter(include_in_schema=False)


@router.get(_PATH)
async def script() -> Response:
    """The script that listens."""
    text = files("bothways.adapters.web").joinpath("scripts", "news.js").read_text(encoding="utf-8")
    return Response(text, media_type="text/javascript", headers={"cache-control": "no-cache"})


def speak() -> None:
    """Gives the framework's own few sentences the languages that it lacks."""
    for language in LANGUAGES:
        if language not in translations and language != "en":
            told = {name: Words(language)(text) for name, text in _FRAMEWORK.items()}
            translations[language] = told  # type: ignore[index]


def watch(words: Words) -> None:
    """Puts the script on the page that is being built."""
    text = words(_OLD, seconds="{seconds}")
    ui.add_body_html(f'<script src="{_PATH}" data-text="{escape(text)}"></script>')


def tell() -> None:
    """A sign of life for a page on which nothing changes."""
    ui.run_javascript("")
