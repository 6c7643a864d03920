"""Time to import the package and to show help, in fresh processes."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time


def median_seconds(*command: str) -> float:
    """Median wall time of nine runs after a warm-up."""
    taken = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def main() -> None:
    """Prints the table."""
    bare = median_seconds(sys.executable, "-c", "pass")
    package = median_seconds(sys.executable, "-c", "import bothways")
    command = shutil.which("bothways", path=sys.executable.rsplit("/", 1)[0])
    print(f"python -c pass           {bare:.3f} s")
    print(f"import bothways          {package:.3f} s  (goal 0.15 s)")
    if command:
        print(f"bothways --help          {median_seconds(command, '--help'):.3f} s  (goal 0.30 s)")


if __name__ == "__main__":
    main()
