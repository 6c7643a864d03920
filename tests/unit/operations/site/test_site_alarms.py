"""Alarms are raised once, end by themselves, and are all written down; comparison is bounded."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from bothways.operations.orders import Composite
from bothways.operations.site.alarms import KINDS, Alarms
from bothways.operations.site.compare import RESENDS, Watch, compare, disagreement

NOW = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)
PAGE = Path(__file__).parents[4] / "docs" / "reference" / "alarms.md"


def test_the_page_says_what_the_code_says():
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            kind, severity, _, remedy = (cell.strip() for cell in line.strip("|").split("|"))
            rows[kind.strip("`")] = (severity, remedy)
    assert rows == {name: (kind.severity, kind.remedy) for name, kind in KINDS.items()}


def test_an_alarm_keeps_its_first_instant_and_is_told_twice():
    told = []
    alarms = Alarms(lambda alarm, raised: told.append((alarm.kind, raised)))
    alarms.set(True, "meter-silent", "site", NOW, "first")
    alarms.set(True, "meter-silent", "site", NOW + timedelta(hours=1), "later")
    assert [(alarm.since, alarm.text) for alarm in alarms.active] == [(NOW, "first")]
    assert alarms.active[0].severity == "warning"
    assert "site meter" in alarms.active[0].remedy
    alarms.set(False, "meter-silent", "site", NOW, "")
    alarms.set(False, "meter-silent", "site", NOW, "")
    assert told == [("meter-silent", True), ("meter-silent", False)]


@pytest.mark.parametrize(
    ("commanded", "metered", "composite", "kind"),
    [
        (7.0, 7.2, None, ""), (7.0, 3.0, None, ""), (7.0, 0.0, None, ""), (0.0, 0.2, None, ""),
        (3.0, 7.0, None, "takes-more"), (0.0, 1.5, None, "takes-more"), (-3.0, 4.0, None, "takes-more"),
        (-3.0, -7.0, None, "takes-more"),
        (0.0, -3.0, None, "discharges-untold"), (5.0, -3.0, None, "discharges-untold"),
        (-5.0, -4.9, None, ""), (-5.0, 0.0, None, "gives-less"), (-5.0, -1.0, None, "gives-less"),
        (5.0, None, Composite(limit_kw=11.0), "composite-differs"), (5.0, None, Composite(limit_kw=5.0), ""),
        (5.0, None, Composite(limit_kw=2.0), ""), (5.0, None, None, ""),
    ],
)  # fmt: skip
def test_what_disagrees(commanded, metered, composite, kind):
    assert disagreement(commanded, metered, composite)[0] == kind


def watch_for(seconds, commanded, metered, watch=None):
    watch = watch or Watch()
    return [compare(watch, NOW + timedelta(seconds=k), commanded, metered, None).action for k in range(seconds)]


def test_resending_is_bounded_and_ends_at_the_safe_profile():
    actions = watch_for(900, 0.0, 7.0)
    assert actions.count("resend") == RESENDS
    assert actions.count("safe") == 1
    assert [action for action in actions if action != "nothing"][-1] == "safe"


def test_untold_discharging_ends_the_transaction():
    actions = watch_for(300, 0.0, -7.0)
    assert actions.count("resend") == RESENDS
    assert "end" in actions


def test_a_short_disagreement_is_a_ramp():
    watch = Watch()
    assert set(watch_for(29, 0.0, 7.0, watch)) == {"nothing"}
    assert compare(watch, NOW, 0.0, 0.0, None).kind == ""
    assert watch.since is None


def test_an_order_that_has_just_changed_disproves_nothing():
    watch = Watch()
    watch_for(40, 0.0, 7.0, watch)
    assert compare(watch, NOW + timedelta(seconds=41), 1.0, None, None).kind == "takes-more"


def test_a_station_that_was_given_up_is_tried_again_later_and_later():
    watch = Watch()
    moments = [k for k in range(6000) if compare(watch, NOW + timedelta(seconds=k), 0.0, 7.0, None).action == "safe"]
    waits = [after - before for before, after in pairwise(moments)]
    assert len(moments) >= 3
    assert waits[0] > 900
    assert waits[1] > 1800


def test_patience_grows_with_the_time_that_vehicles_need():
    watch = Watch()
    kinds = {compare(watch, NOW + timedelta(seconds=k), 0.0, 7.0, None, settle_s=120.0).kind for k in range(179)}
    assert kinds == {""}
    assert compare(watch, NOW + timedelta(seconds=180), 0.0, 7.0, None, settle_s=120.0).kind == "takes-more"


def wandering(metered_kw, seconds=600, settle_s=20.0, least=0.0, most=4.0):
    """Findings where another order goes out every second, so that none ever settles."""
    watch, found = Watch(), []
    for k in range(seconds):
        now = NOW + timedelta(seconds=k)
        order = least + (most - least) * (k % 7) / 6.0
        found.append(compare(watch, now, order, None, None, settle_s=settle_s, seen=(now, metered_kw)))
    return watch, found


@pytest.mark.parametrize(
    ("metered", "least", "most", "kind"),
    [
        (11.0, 0.0, 4.0, "takes-more"), (4.2, 0.0, 4.0, ""), (0.0, 0.0, 4.0, ""), (-3.0, 0.0, 4.0, "discharges-untold"),
        (-9.0, -5.0, 4.0, "takes-more"), (-5.1, -5.0, 4.0, ""), (7.0, -5.0, 0.0, "takes-more"),
    ],
)  # fmt: skip
def test_orders_that_change_all_the_time_hide_no_disobedience(metered, least, most, kind):
    watch, found = wandering(metered, least=least, most=most)
    assert found[-1].kind == kind
    assert [item.action for item in found].count("resend") == (RESENDS if kind else 0)
    assert {item.kind for item in found[:50]} == {""}  # first one settling time is known, then patience
    assert len(watch.orders) <= 256


def test_a_value_from_before_the_orders_says_nothing():
    watch = Watch()
    for k in range(200):
        now = NOW + timedelta(seconds=k)
        assert compare(watch, now, float(k % 5), None, None, settle_s=20.0, seen=(NOW, 11.0)).kind == ""
