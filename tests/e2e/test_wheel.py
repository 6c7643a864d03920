"""The built wheel works where nothing of the checkout is: an empty environment, no HOME, read-only packages."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """An environment that holds the locked requirements and the wheel, readable by anybody, writable by nobody."""
    base = tmp_path_factory.mktemp("wheel")
    for folder in (base, *base.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
        if folder.name.startswith("pytest-of"):
            break
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(base / "dist")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = (base / "dist").glob("*.whl")
    env = base / "env"
    venv.create(env, with_pip=True)
    python = env / "bin" / "python"
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "run.txt")], check=True)
    subprocess.run([*pip, str(wheel)], check=True)
    subprocess.run([str(python), "-m", "pip", "check"], check=True)
    return env


def run(env: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess:
    """Runs the installed command as somebody who can write nowhere but in the temporary folder."""
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    bare = {"PATH": os.environ["PATH"], "TMPDIR": str(cwd), "LANG": "C.UTF-8"}
    return subprocess.run(
        [str(env / "bin" / "bothways"), *words], cwd=cwd, env=bare, capture_output=True, text=True, check=False, **who
    )


@pytest.fixture
def open_folder(tmp_path):
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
        if folder.name.startswith("pytest-of"):
            break
    return tmp_path


def test_version_and_help(installed, open_folder):
    assert run(installed, "--version", cwd=open_folder).stdout.startswith("bothways ")
    words = [installed / "bin" / "python", "-m", "bothways", "--version"]
    module = subprocess.run(words, cwd=open_folder, capture_output=True, text=True, check=True)
    assert module.stdout.startswith("bothways ")
    shown = run(installed, "--help", cwd=open_folder)
    assert shown.returncode == 0
    for command in ("study", "plan", "bill"):
        assert command in shown.stdout


def test_a_plan_is_made_without_home_and_without_a_writable_installation(installed, open_folder):
    problem = {
        "step_h": 1.0,
        "periods": 3,
        "import_price": [0.3, 0.1, 0.2],
        "export_price": [0.0, 0.0, 0.0],
        "base_load_kw": [1.0, 1.0, 1.0],
        "demand_charge_per_kw": 0.0,
        "import_limit_kw": None,
        "import_limit_penalty_per_kwh": 0.0,
        "export_limit_kw": None,
        "vehicles": {
            "arrival": [0],
            "departure": [3],
            "energy_at_arrival_kwh": [10.0],
            "energy_required_kwh": [15.0],
            "energy_min_kwh": [5.0],
            "energy_max_kwh": [40.0],
            "charge_kw": [5.0],
            "discharge_kw": [0.0],
            "charge_efficiency": [1.0],
            "discharge_efficiency": [1.0],
            "wear_per_kwh": [0.0],
        },
    }
    (open_folder / "problem.json").write_text(json.dumps(problem))
    done = run(installed, "plan", "problem.json", "--json", cwd=open_folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == "optimal"
    assert answer["objective"] == pytest.approx(0.3 + 0.1 * 6 + 0.2)


def test_compiled_kernels_load_without_home(installed, open_folder):
    script = (
        "from bothways.app.cli import runtime; runtime.prepare(); import numpy as np\n"
        "from bothways.simulation.plant import respond\n"
        "print(respond(5.0, 0.0, 10.0, 7.0, 0.0, 1.0, 1.0, 1.0))"
    )
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    bare = {"PATH": os.environ["PATH"], "TMPDIR": str(open_folder)}
    done = subprocess.run(
        [str(installed / "bin" / "python"), "-c", script],
        cwd=open_folder, env=bare, capture_output=True, text=True, check=False, **who,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(5.0, 5.0)"
