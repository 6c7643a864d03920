"""Runs every benchmark of this folder, one after the other."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Runs the named benchmarks, or all."""
    wanted = set(sys.argv[1:])
    for path in sorted(HERE.glob("*.py")):
        runs = '__name__ == "__main__"' in path.read_text()  # the others are parts of those that do
        if path.name != "run.py" and runs and (not wanted or path.stem in wanted):
            print(f"\n== {path.stem}", flush=True)
            sys.argv = [str(path)]
            runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main()
