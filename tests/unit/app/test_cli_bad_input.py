"""Bad input at the command line: everything in one answer, exit code 2, nothing half-written."""

import shutil
from pathlib import Path

import pytest

from bothways.app.cli import main, runtime
from bothways.domain.errors import InputError, Problem

ROOT = Path(__file__).resolve().parents[3]
VISITS = str(ROOT / "examples" / "battery" / "visits.csv")
PROFILE = str(ROOT / "examples" / "battery" / "profile.csv")


def run(monkeypatch, capsys, *words):
    """Exit code and what was printed, as the installed command would."""
    monkeypatch.setattr("sys.argv", ["bothways", *words])
    with pytest.raises(SystemExit) as ended:
        main.run()
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def test_what_is_alike_is_said_once(capsys):
    alike = [Problem(f"load.csv line {line}", "'x'", "a number", "Correct the cell.") for line in (2, 3, 4)]
    assert runtime.explain(InputError([*alike, Problem("load.csv", "none", "rows", "Add rows.")])) == 2
    told = capsys.readouterr().err
    assert told.count("found:") == 4
    assert told.count("Correct the cell.") == 1
    assert told.count("Add rows.") == 1


@pytest.mark.parametrize(
    ("command", "example", "remedy"),
    [("study", "home-blackout", "Run bothways outage"), ("outage", "home-v2h", "Run bothways study")],
)
def test_a_scenario_of_the_other_command(monkeypatch, capsys, tmp_path, command, example, remedy):
    scenario = str(ROOT / "examples" / example / "scenario.toml")
    code, _, told = run(monkeypatch, capsys, command, scenario, "--out", str(tmp_path / "out"))
    assert code == 2
    assert told.startswith("1 problem(s)")
    assert remedy in told
    assert not (tmp_path / "out").exists()


def test_nan_and_other_faults_of_a_scenario_together(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "home"
    shutil.copytree(ROOT / "examples" / "home-v2h", folder)
    text = (folder / "scenario.toml").read_text(encoding="utf-8")
    for old, new in (("charger_price = 150.0", "charger_price = nan"), ("soc_floor = 0.25", "soc_floor = 25")):
        assert old in text
        text = text.replace(old, new)
    (folder / "scenario.toml").write_text(text, encoding="utf-8")
    code, _, told = run(monkeypatch, capsys, "study", str(folder / "scenario.toml"), "--out", str(tmp_path / "out"))
    assert code == 2
    assert told.startswith("2 problem(s)")
    assert "investment.smart.charger_price" in told
    assert "Divide percent by 100." in told


def test_no_key_is_left_behind_where_the_certificate_has_no_place(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("a file, not a folder")
    key = tmp_path / "key.pem"
    words = ("--capacity-kwh", "60", "--certificate", str(tmp_path / "file" / "c.json"), "--key", str(key), "--new-key")
    code, _, told = run(monkeypatch, capsys, "soh", VISITS, *words, "--issuer", "Depot")
    assert code == 2
    assert "a place where results can be written" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_figure_without_a_place_is_noticed_before_the_table_is_read(monkeypatch, capsys):
    code, _, told = run(monkeypatch, capsys, "age", "nowhere.csv", "--figure", "/proc/figure.html")
    assert code == 2
    assert "/proc/figure.html" in told


def test_another_case_of_a_column_is_guessed(monkeypatch, capsys, tmp_path):
    table = tmp_path / "profile.csv"
    table.write_text(Path(PROFILE).read_text(encoding="utf-8").replace("soc", "SOC", 1), encoding="utf-8")
    code, _, told = run(monkeypatch, capsys, "age", str(table))
    assert code == 2
    assert "Did you mean 'SOC'?" in told


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("structlog", "pip install 'bothways[live,web]'"),
        ("demandlib.bdew", "pip install 'bothways[profiles]'"),
        ("jsonschema_rs", "pip install 'bothways[live,web]'"),
        ("numpy", "install bothways again"),
    ],
)
def test_a_package_that_is_not_installed_is_no_defect(monkeypatch, capsys, module, words):
    listed = ["numpy>=2.0", "structlog>=24.4; extra == 'live'", "jsonschema-rs>=0.29; extra == 'live'",
              "demandlib>=0.2.2; extra == 'profiles'"]  # fmt: skip
    monkeypatch.setattr("importlib.metadata.requires", lambda _: listed)
    assert runtime.explain(ModuleNotFoundError(f"No module named {module!r}", name=module)) == 1
    told = capsys.readouterr().err
    assert words in told
    assert "defect" not in told
