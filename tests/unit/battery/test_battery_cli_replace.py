"""``bothways replace`` and the study's table of batteries that a company owns; help texts show their units."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from bothways.app.cli.helping import shown_as_written
from bothways.app.cli.main import app
from bothways.battery.models import MODELS
from bothways.battery.replacement import ReplacementTerms
from bothways.domain.errors import InputError
from bothways.studies.ageing import Ageing, CellAgeing, StrategyAgeing
from bothways.studies.leasing import replacements_of

HOURS = [0.8] * 12 + [0.4] * 12


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "p.csv"
    rows = [f"2025-01-{1 + k // 24:02d}T{k % 24:02d}:00:00Z,{soc},20" for k, soc in enumerate(HOURS * 3)]
    path.write_text("timestamp,soc,temperature_c\n" + "\n".join(rows) + "\n")
    return str(path)


def run(*call):
    return CliRunner().invoke(app, [str(word) for word in call])


def test_every_cell_is_told_with_lease_resale_and_buy_back(profile):
    answer = run("replace", profile, "--price", 120, "--second-life", 40, "--missing", 8, "--years", 12, "--json")
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert [cell["model"] for cell in told["cells"]] == list(MODELS)
    for cell in told["cells"]:
        best = cell["best_years"]
        costs = [cost for cost in cell["yearly_cost"] if cost is not None]
        assert cell["yearly_cost_at_best"] == pytest.approx(min(costs))
        assert costs.index(min(costs)) + 1 == best
        assert cell["monthly_lease"] == pytest.approx(cell["yearly_cost_at_best"] / 12)
        # bought for 7200, kept to its best age at 5 %: the lease pays for it, by hand
        left = np.array(cell["capacity_fraction"])[: best + 1]
        years = np.arange(1, best + 1)
        gone = 1 - 0.5 * (left[1:] + left[:-1])
        spent = 7200 + float((gone * 8 * 60 / 1.05**years).sum()) - 40 * 60 * left[best] / 1.05**best
        assert float((cell["yearly_cost_at_best"] / 1.05**years).sum()) == pytest.approx(spent)


def test_the_table_says_what_the_star_means(profile):
    answer = run("replace", profile, "--price", 120, "--model", "nmc111-sanyo", "--works-down-to", 0.9)
    assert answer.exit_code == 0, answer.output
    assert "nmc111-sanyo" in answer.stdout
    assert "stops doing its work" in answer.stdout
    fails = run("replace", profile, "--price", 120, "--model", "nmc111-sanyo", "--works-down-to", 0.99)
    assert fails.exit_code == 0
    assert "fails" in fails.stdout


def test_all_faults_of_the_options_come_together(profile):
    answer = run(
        "replace", profile, "--price", 10, "--second-life", 20, "--interest", 3, "--years", 1, "--temperature", 293,
        "--model", "x",
    )  # fmt: skip
    assert isinstance(answer.exception, InputError)
    text = str(answer.exception)
    for word in ("--second-life", "--interest", "--years", "293 K is 19.85 °C", "--model"):
        assert word in text


def test_a_temperature_in_kelvin_is_told_from_one_in_celsius(profile):
    answer = run("age", profile, "--temperature", 298.15)
    assert "298.15 K is 25 °C" in str(answer.exception)


def test_help_keeps_units_and_defaults_in_brackets():
    for command, words in (("age", "[kWh]"), ("study", "[default:"), ("plan", "[s]"), ("soh", "[days]")):
        answer = run(command, "--help")
        assert answer.exit_code == 0
        assert words in answer.output
    nested = run("station", "add", "--help")
    assert "[kW]" in nested.output
    assert shown_as_written("a [b] [Ω]") == r"a \[b] [Ω]"


def ageing(left):
    cells = (CellAgeing("c", "Cell", (0.0, 0.5, 1.0, 2.0, 10.0), left, left, left, left, left, None),)
    return Ageing((StrategyAgeing("smart", cells, 1.0, 0.5),), 2, 2, 0, 0, 0, 120.0, 20.0, "", None, "", 7.0)


def test_a_study_reads_the_curve_at_whole_years_and_says_what_fails_at_once():
    terms = ReplacementTerms(100.0, second_life_per_kwh=30.0)
    (item,) = replacements_of(ageing((1.0, 0.99, 0.98, 0.97, 0.89)), terms)["smart"]
    assert item.best_years == 10
    assert item.bounded
    assert item.resale == pytest.approx(60.0 * 30.0 * 0.89)
    assert item.buy_back > item.resale
    (bad,) = replacements_of(ageing((1.0, 0.8, 0.7, 0.6, 0.5)), replace(terms, works_down_to=0.8))["smart"]
    assert bad.best_years is None
