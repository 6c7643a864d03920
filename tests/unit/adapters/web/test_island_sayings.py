"""The paper plan and the journal of an island in Dutch: every sentence is found again, and none breaks the page."""

import re

import pytest

from bothways.adapters.web.island_happened import happened_said
from bothways.adapters.web.island_sayings import island_said
from bothways.adapters.web.words import Words
from bothways.resilience.island.paper import TEXTS, paper_plan
from bothways.resilience.island.signals import RequestKind
from bothways.simulation.island_setup import DEMO, setup_from_mapping

NL = Words("nl")


def test_the_paper_plan_is_whole_in_dutch():
    site = setup_from_mapping(DEMO, "demo").site
    page = paper_plan(site, lambda text: island_said(text, NL), language="nl")
    assert '<html lang="nl">' in page
    assert "Het net moet 5 minuten goed zijn geweest." in page
    left = [item for item in re.findall(r"<li>.*?</li>", page) if re.search(r"\b(Switch|Check|Press|section)\b ", item)]
    assert left == []
    same = {text for text in TEXTS if island_said(text, NL) == text and "{" not in text}
    assert same <= {"generator"}


@pytest.mark.parametrize(
    ("who", "text", "said"),
    [
        ("controller", "grid-connected → islanding", "aan het net → wordt gescheiden"),
        ("command", "main: open", "hoofdschakelaar: uitschakelen"),
        ("command", "refuge: close (attempt 2) by hand", "refuge: inschakelen (poging 2, met de hand)"),
        ("command", "kitchen: open as a rehearsal", "kitchen: uitschakelen (oefening)"),
        ("person", "Ann: start drill", "Ann: Oefening beginnen"),
        ("person", "Ann: order open kitchen", "Ann: Uitschakelen: kitchen"),
        ("device", "something of another shape", "something of another shape"),
    ],
)
def test_lines_of_the_journal_are_said_in_dutch(who, text, said):
    assert happened_said(who, text, NL).casefold() == said.casefold()


@pytest.mark.parametrize("kind", list(RequestKind))
def test_every_request_has_words(kind):
    said = happened_said("person", f"Ann: {kind.value} essential".strip(), Words("en"))
    assert said.startswith("Ann: ")
    if kind is not RequestKind.ORDER_GIVE:  # no button asks for it
        assert kind.value not in said.removeprefix("Ann: ").split()
