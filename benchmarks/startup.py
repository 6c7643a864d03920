"""Time to import the package and to show help, in fresh processes."""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import time


def median_seconds(*command: str) -> tuple[float, float]:
    """Median wall time and processor time of nine runs after a warm-up."""
    taken = []
    for _ in range(10):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        taken.append((time.perf_counter() - start, spent))
    walls, spents = zip(*taken[1:], strict=True)
    return statistics.median(walls), statistics.median(spents)


def main() -> None:
    """Prints the table."""
    command = shutil.which("bothways", path=sys.executable.rsplit("/", 1)[0])
    rows = [
        ("python -c pass", (sys.executable, "-c", "pass"), ""),
        ("import bothways", (sys.executable, "-c", "import bothways"), "(goal 0.15 s)"),
    ]
    if command:
        rows.append(("bothways --help", (command, "--help"), "(goal 0.30 s)"))
    print(f"{'':24} {'wall':>8} {'processor':>10}")
    for name, words, goal in rows:
        wall, spent = median_seconds(*words)
        print(f"{name:24} {wall:6.3f} s {spent:8.3f} s  {goal}".rstrip())


if __name__ == "__main__":
    main()
