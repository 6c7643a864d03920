"""Every sentence that the loop and the gate can say is known to the screens' translation."""

import ast
import inspect

import pytest

from bothways.adapters.web.sayings import alarm_told, spoken
from bothways.adapters.web.words import Words
from bothways.operations.site import compare, core, gate, sentences


def _texts(module):
    """All sentences in a module's code, with 7 in place of what is filled in; docstrings left out."""
    tree = ast.parse(inspect.getsource(module))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | said:
            yield node.value


def test_every_sentence_of_the_loop_is_translated():
    told = [text for text in _texts(sentences) if " " in text and text[-1] == "."]
    whole = [text for text in told if text[0].isupper()]
    reasons = [text.replace("limit of 7", "limit of phase L1") for text in told if text[0].islower()]
    assert (len(whole), len(reasons)) >= (6, 13)
    for text in whole + [f"Waits: {reason}" for reason in reasons]:
        assert spoken(text, Words("nl")) != text, text
        assert spoken(text, Words("en")) == text


@pytest.mark.parametrize(
    "doing", ["May charge with 7.0 kW:", "May charge with 7.0 kW, takes 3.1 kW:", "Discharges with 4.0 kW:", "Waits:"]
)
def test_what_it_does_and_why_are_translated_together(doing):
    said = spoken(f"{doing} the limit of the site leaves no more (40 kW).", Words("nl"))
    assert said.endswith(": de grens van de locatie laat niet meer over (40 kW).")
    assert not said.startswith(doing[:5]) or doing.startswith("Waits")


def test_every_refusal_of_the_gate_is_translated():
    part = "charger of this model"  # stands in another sentence, where a station has no model
    starts = "abcdefghijklmnopqrstuvwxyz7"
    refusals = [text for text in _texts(gate) if text.count(" ") >= 3 and text[0] in starts and text != part]
    assert len(refusals) >= 10
    for text in refusals:
        assert spoken(text, Words("nl")) != text, text


def test_what_alarms_tell_is_translated_with_times_of_the_site():
    texts = [text for text in _texts(compare) if " kW, order is " in text or " instead of " in text]
    texts += [
        text for text in _texts(core) if text.startswith(("not heard", "no power", "latest", "no reading", "7 kW"))
    ]
    assert len(texts) >= 10
    for text in texts:
        at = text.replace("7Z", "2026-11-21 15:12:27Z")
        assert alarm_told(at, "Europe/Amsterdam", Words("nl")) != at, at
        english = alarm_told(at, "Europe/Amsterdam", Words("en"))
        assert english == at.replace("15:12:27Z", "16:12:27")
    assert alarm_told("Mia: smoke in the garage", "UTC", Words("nl")) == "Mia: smoke in the garage"
