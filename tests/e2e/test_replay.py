"""Hours of the JPL garage's sessions, replayed 60 times as fast over real sockets, cost what the study says.

``BOTHWAYS_REPLAY_HOURS`` sets how many hours of the day; two by default, from six on, while the garage fills up.
"""

import os
from datetime import date
from pathlib import Path

import pytest

from bothways.app.replay.command import replay, show
from bothways.app.replay.window import WindowForm

HOURS = float(os.environ.get("BOTHWAYS_REPLAY_HOURS", "2"))
SCENARIO = Path(__file__).parents[2] / "examples" / "workplace-jpl" / "scenario.toml"
# The greatest quarter of an hour decides the demand charge. Over a whole day both sides plan towards the same one;
# while the garage fills up it hangs on the minute in which a plan was made.
WHOLE = HOURS > 12.0
TOLERANCE = 0.02 if WHOLE else 0.06


@pytest.mark.slow
def test_the_live_system_bills_what_the_study_says(capsys):
    first, case = (0.0, "Garage alone") if WHOLE else (6.0, "Behind an office's meter")
    result = replay(SCENARIO, WindowForm(date(2019, 10, 8), first, HOURS, case), 60.0)
    show(result, TOLERANCE, as_json=False)
    told = capsys.readouterr().out
    print(told)
    assert abs(result.difference) <= TOLERANCE, told
    study, live = result.study, result.live
    assert live.component("energy") == pytest.approx(study.component("energy"), rel=TOLERANCE), told
    explained = sum(term.amount for term in result.terms)
    assert explained == pytest.approx(live.bill.total - study.bill.total, abs=0.02), told
    assert "loop-failing" not in result.played.alarms
    print(
        f"soak: {HOURS:g} h of the JPL sessions at 60 times the speed, {result.played.messages} messages: bill "
        f"{live.bill.total:.2f} live, {study.bill.total:.2f} in the study, {100.0 * result.difference:+.2f} %"
    )
    assert result.played.messages > 20 * HOURS * 20  # twenty vehicles or more, each with a value a minute
