"""Every text of the screens has an entry in every catalogue, with the same places to fill in."""

import ast
import re
from pathlib import Path

import pytest

import bothways.adapters.web
from bothways.adapters.web.words import LANGUAGES, Words, catalogue
from bothways.operations.site.alarms import KINDS

FOLDER = Path(bothways.adapters.web.__file__).parent
CALLS = {"words", "_words", "later"}


def texts_in(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in CALLS and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            found.add(node.args[0].value)
    return found


def used() -> set[str]:
    found = {kind.remedy for kind in KINDS.values()}
    for path in FOLDER.glob("*.py"):
        found |= texts_in(path.read_text(encoding="utf-8"))
    return found


def test_the_collector_finds_texts_however_they_are_called():
    source = "words('a'); self.words('b', x=1); viewer.words('c'); later('d'); other('e'); words(name)"
    assert texts_in(source) == {"a", "b", "c", "d"}
    assert len(used()) > 100


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_every_text_used_has_an_entry_with_the_same_fields(language):
    entries = catalogue(language)
    assert sorted(used() - set(entries)) == [], "texts without a translation"
    assert sorted(set(entries) - used()) == [], "translations of texts that nobody uses"
    fields = re.compile(r"{(\w+)}")
    differing = [text for text, told in entries.items() if set(fields.findall(text)) != set(fields.findall(told))]
    assert differing == []


def test_a_text_is_filled_in_after_it_is_translated():
    assert Words("nl")("Try again in {seconds} s.", seconds=4) == "Probeer het over 4 s opnieuw."
    assert Words("en")("Try again in {seconds} s.", seconds=4) == "Try again in 4 s."
