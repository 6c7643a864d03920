"""``bothways soh`` and ``bothways verify`` from a table of visits to a checked certificate."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bothways.app.cli import runtime
from bothways.app.cli.main import app
from bothways.domain.errors import InputError

HEAD = "vehicle_id,arrival,departure,charged_kwh,discharged_kwh,soc_at_arrival,soc_at_departure,temperature_c\n"
ROWS = (
    "a,2025-03-01T18:00Z,2025-03-02T06:00Z,32.0,0,0.30,0.80,12\n"
    "a,2025-03-03T18:00Z,2025-03-04T06:00Z,38.4,0,0.30,0.90,12\n"
    "a,2025-03-05T18:00Z,2025-03-06T06:00Z,3.0,9.0,,,\n"
    "b,2025-03-05T18:00Z,2025-03-06T06:00Z,10.0,0,0.5,0.7,12\n"
)


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    path = tmp_path / "visits.csv"
    path.write_text(HEAD + ROWS)
    return path


def test_record_in_words_and_json(visits: Path) -> None:
    call = ["soh", str(visits), "--capacity-kwh", "60", "--battery", "a"]
    words = CliRunner().invoke(app, call)
    assert words.exit_code == 0, words.output
    assert "capacity 57.6 kWh" in words.stdout
    assert "state of health 96.0%" in words.stdout
    told = json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)
    assert (told["battery_id"], told["visits"], told["stage"]) == ("a", 3, "first life")
    assert told["capacity"]["kwh"] == pytest.approx(57.6)
    assert told["dwell"]["unknown_hours"] == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (("", ""), [], "2 batteries"),
        (("", ""), ["--battery", "c"], "one of: a, b"),
        (("charged_kwh", "energy"), ["--battery", "a"], "no column 'charged_kwh'"),
        (("38.4", "x"), ["--battery", "a"], "line 3, column charged_kwh"),
        (("0.90", "90"), ["--battery", "a"], "line 3, column soc_at_departure"),
        (("0.30,0.80,12", "0.30,0.80,285"), ["--battery", "a"], "285 K is 11.85 °C"),
        (("0.30,0.80,12", "0.30,0.80,1200"), ["--battery", "a"], "Correct the value or its unit"),
        (("2025-03-04T06:00Z", "2025-03-03T06:00Z"), ["--battery", "a"], "line 3, column departure"),
        (("", ""), ["--battery", "a", "--certificate", "c.json"], "--key"),
        (("", ""), ["--battery", "a", "--new-key"], "--certificate"),
    ],
)
def test_bad_input_is_named(visits: Path, change: tuple[str, str], options: list[str], words: str) -> None:
    text = visits.read_text()
    visits.write_text(text.replace(*change) if change[0] else text)
    answer = CliRunner().invoke(app, ["soh", str(visits), "--capacity-kwh", "60", *options])
    assert isinstance(answer.exception, InputError)
    assert words in str(answer.exception)


def refused(call: list[str]) -> InputError:
    answer = CliRunner().invoke(app, call)
    assert isinstance(answer.exception, InputError), answer.output
    assert answer.stdout == ""
    assert runtime.explain(answer.exception) == 2
    return answer.exception


def test_visits_that_cannot_fit_are_refused_each_with_its_line(visits: Path) -> None:
    call = ["soh", str(visits), "--battery", "a", "--capacity-kwh"]
    told = refused([*call, "5"]).problems
    assert [problem.where.split("visits.csv")[1] for problem in told] == [
        " line 2, column charged_kwh",
        " line 3, column charged_kwh",
    ]
    assert all("2 × --capacity-kwh (5 kWh)" in problem.allowed and "not Wh" in problem.remedy for problem in told)
    visits.write_text(visits.read_text().replace("32.0,0,", "32000,0,").replace("3.0,9.0,", "3.0,9000,"))
    told = refused([*call, "60"]).problems
    assert [(problem.found, problem.where.rsplit(" ", 1)[1]) for problem in told] == [
        ("'32000'", "charged_kwh"),
        ("'9000'", "discharged_kwh"),
    ]


def test_a_long_visit_may_move_more_than_the_battery_holds(tmp_path: Path) -> None:
    path = tmp_path / "weeks.csv"
    path.write_text(HEAD + "a,2025-03-01T18:00Z,2025-03-11T18:00Z,400,330,0.5,0.5,12\n")
    answer = CliRunner().invoke(app, ["soh", str(path), "--capacity-kwh", "60"])
    assert answer.exit_code == 0, answer.output


def test_a_repeated_visit_is_refused_with_both_lines(visits: Path) -> None:
    row = ROWS.splitlines()[0]
    again = row.replace("2025-03-01T18:00Z", "2025-03-01T19:00+01:00")  # the same instant in other words
    visits.write_text(visits.read_text() + again + "\n")
    told = refused(["soh", str(visits), "--capacity-kwh", "60", "--battery", "a"]).problems
    assert len(told) == 1
    assert "line 6, column arrival" in told[0].where
    assert "line 2" in told[0].found


def test_visits_that_overlap_are_refused_with_both_lines(visits: Path) -> None:
    visits.write_text(visits.read_text() + "a,2025-03-01T20:00Z,2025-03-01T21:00Z,5,0,,,\n")
    told = refused(["soh", str(visits), "--capacity-kwh", "60", "--battery", "a"]).problems
    assert len(told) == 1
    assert "line 6, column arrival" in told[0].where
    assert "line 2" in told[0].found


@pytest.mark.parametrize("capacity", ["17", "25", "40", "300", "60000"])
def test_a_capacity_far_from_the_one_stated_is_refused_and_never_signed(
    visits: Path, tmp_path: Path, capacity: str
) -> None:
    target, key = tmp_path / "c.json", tmp_path / "key.pem"
    call = ["soh", str(visits), "--battery", "a", "--capacity-kwh", capacity]
    error = refused([*call, "--certificate", str(target), "--key", str(key), "--new-key", "--issuer", "Depot"])
    assert "--capacity-kwh" in str(error)
    assert not target.exists()
    assert not key.exists()


def test_all_faults_of_the_options_are_told_together(visits: Path) -> None:
    call = ["soh", str(visits), "--capacity-kwh", "inf", "--window-days", "inf", "--resistance", "nan"]
    told = refused([*call, "--charge-efficiency", "90", "--soc-error", "-1", "--new-key"]).problems
    assert {problem.where for problem in told} == {
        "--capacity-kwh",
        "--window-days",
        "--resistance",
        "--charge-efficiency",
        "--soc-error",
        "--certificate",
    }


def test_a_state_of_charge_in_percent_is_named_as_such(visits: Path) -> None:
    visits.write_text(visits.read_text().replace("0.90", "90"))
    told = refused(["soh", str(visits), "--capacity-kwh", "60", "--battery", "a"]).problems
    assert "divide percent by 100" in told[0].remedy


def test_one_visit_in_words(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text(HEAD + "a,2025-03-01T18:00Z,2025-03-02T06:00Z,32.0,-0.0,0.30,0.80,12\n")
    call = ["soh", str(path), "--capacity-kwh", "60"]
    words = CliRunner().invoke(app, call).stdout
    assert "1 visit from" in words
    assert words.count("1 visit\n") == 1
    assert ", 0 kWh fed back (0.0 full cycles)" in words
    assert "-0.0" not in CliRunner().invoke(app, [*call, "--json"]).stdout


def test_an_empty_table(visits: Path) -> None:
    visits.write_text(HEAD)
    answer = CliRunner().invoke(app, ["soh", str(visits), "--capacity-kwh", "60"])
    assert isinstance(answer.exception, InputError)
    assert "no rows" in str(answer.exception)


def test_a_certificate_is_checked_without_asking_anybody(visits: Path, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="the extra bothways[trust] is not installed")
    target, key = tmp_path / "c.json", tmp_path / "key.pem"
    run = CliRunner().invoke
    call = ["soh", str(visits), "--capacity-kwh", "60", "--battery", "a", "--certificate", str(target)]
    signed = run(app, [*call, "--key", str(key), "--new-key", "--issuer", "Depot Ltd"])
    assert signed.exit_code == 0, signed.output
    public = tmp_path / "key.pem.pub"
    plain = run(app, ["verify", str(target)])
    assert plain.exit_code == 0
    assert "not known" in plain.stdout
    known = run(app, ["verify", str(target), "--public-key", str(public)])
    assert known.exit_code == 0
    assert "signed with the key given" in known.stdout
    told = json.loads(run(app, ["verify", str(target), "--public-key", str(public), "--json"]).stdout)
    assert (told["unchanged"], told["signed_by_given_key"]) == (True, True)

    other = tmp_path / "other.json"
    again = [*call[:-1], str(other), "--key", str(tmp_path / "k2.pem"), "--new-key", "--issuer", "Somebody"]
    assert run(app, again).exit_code == 0
    stranger = run(app, ["verify", str(other), "--public-key", str(public)])
    assert stranger.exit_code == 1
    assert "another key" in stranger.stdout

    content = json.loads(target.read_text())
    content["payload"]["capacity"]["health"] = 0.99
    target.write_text(json.dumps(content))
    changed = run(app, ["verify", str(target)])
    assert changed.exit_code == 1
    assert "changed after it was signed" in changed.stdout
