"""``bothways soh`` and ``bothways verify`` from a table of visits to a checked certificate."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

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
