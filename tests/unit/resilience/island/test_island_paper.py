"""The paper plan holds every step in order, for people who have never been there, and brings no script."""

import re

from bothways.resilience.island.commands import Action, instruction
from bothways.resilience.island.paper import SURE, TEXTS, paper_plan
from bothways.resilience.island.site import IslandSite, Section, Source, SourceKind

SITE = IslandSite(
    "hall",
    (Section("T1", 1, (1.0, 1.0, 1.0), by_hand="panel <A>"), Section("T2", 2, (1.0, 0.0, 0.0), by_hand="panel B")),
    (Source("battery", SourceKind.BATTERY, 10.0, grid_forming=True), Source("charger", SourceKind.V2X, 5.0)),
    main_by_hand="cellar, left",
)


def test_every_step_is_there_in_an_order_that_never_feeds_the_street():
    page = paper_plan(SITE, str, contact="Ann, 112")
    steps = [re.sub("<.*?>", "", item) for item in re.findall(r"<li>(.*?)</li>", page)]
    off = next(k for k, step in enumerate(steps) if "Switch OFF the main switch (cellar, left)" in step)
    start = next(k for k, step in enumerate(steps) if "start battery in island mode" in step)
    stopped = [k for k, step in enumerate(steps) if "Stop " in step]
    on = next(k for k, step in enumerate(steps) if "then switch ON the main switch" in step)
    assert stopped[0] < stopped[1] < off < start < on
    assert max(stopped) < on
    assert "panel &lt;A&gt;" in page
    assert "Ann, 112" in page
    assert "<script" not in page
    assert "@page" in page


def test_every_fixed_text_and_every_instruction_passes_the_translation():
    said = set()

    def say(text):
        said.add(text)
        return text

    paper_plan(SITE, say)
    assert set(TEXTS) - {"generator", SURE} <= said  # this building has no generator
    assert "The grid must have been good for 5 minutes." in said
    assert instruction("main", Action.OPEN, SITE) in said
