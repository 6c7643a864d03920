"""Texts of the screens: English in the code, other languages in catalogues beside it.

A catalogue is a JSON object from the English text to the translation. ``tests/unit/adapters/web`` collects every text
that the screens use and fails where a catalogue lacks one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import Request

LANGUAGES = ("en", "nl")


def later(text: str) -> str:
    """Marks a text that is translated where it is shown, so that the catalogues' test finds it here."""
    return text


@cache
def catalogue(language: str) -> dict[str, str]:
    """Translations by English text; empty for English."""
    if language == "en":
        return {}
    text = files("bothways.adapters.web").joinpath("catalogues", f"{language}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@dataclass(frozen=True, slots=True)
class Words:
    """Texts in one language.

    >>> Words("nl")("Sign in")
    'Aanmelden'
    """

    language: str

    def __call__(self, text: str, **values: object) -> str:
        """The text in this language, with ``{name}`` replaced; English where the catalogue lacks it."""
        return catalogue(self.language).get(text, text).format(**values)


def words_for(request: Request) -> Words:
    """Texts in the language that the browser prefers among those there are."""
    wanted = [part.split(";")[0].strip().lower()[:2] for part in request.headers.get("accept-language", "").split(",")]
    return Words(next((language for language in wanted if language in LANGUAGES), "en"))
