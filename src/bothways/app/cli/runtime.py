"""What every sub-command shares: the numba cache folder, and the words for an error."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2


def prepare() -> None:
    """Chooses a writable folder for compiled kernels before any kernel is imported.

    numba raises on import of a cached kernel when neither the package folder nor the user's cache folder can be
    written (a read-only installation without HOME), so a folder in the system's temporary directory, private to
    the user, is the last resort.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    for candidate in _cache_candidates():
        try:
            candidate.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = candidate / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError:
            continue
        if candidate.stat().st_uid == os.getuid():
            os.environ["NUMBA_CACHE_DIR"] = str(candidate)
            return
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="bothways-kernels-")


def _cache_candidates() -> list[Path]:
    candidates = []
    if base := os.environ.get("XDG_CACHE_HOME"):
        candidates.append(Path(base) / "bothways" / "kernels")
    if home := os.environ.get("HOME"):
        candidates.append(Path(home) / ".cache" / "bothways" / "kernels")
    candidates.append(Path(tempfile.gettempdir()) / f"bothways-kernels-{os.getuid()}")
    return candidates


def explain(error: Exception) -> int:
    """Prints an error in plain words on stderr and returns the exit code."""
    from bothways.domain.errors import BothwaysError, InfeasibleError, InputError  # noqa: PLC0415

    match error:
        case InputError():
            print(f"{len(error.problems)} problem(s) in the input; nothing was written:", file=sys.stderr)
            before = ("", "")
            for number, problem in enumerate(error.problems, 1):
                print(f"  {number}. {problem.where}", file=sys.stderr)
                print(f"     found:   {problem.found}", file=sys.stderr)
                if (problem.allowed, problem.remedy) == before:  # twenty cells of one column: said once
                    continue
                print(f"     allowed: {problem.allowed}", file=sys.stderr)
                print(f"     remedy:  {problem.remedy}", file=sys.stderr)
                before = (problem.allowed, problem.remedy)
            return EXIT_BAD_INPUT
        case InfeasibleError():
            print("No schedule can keep the hard limits:", file=sys.stderr)
            for reason in error.reasons:
                print(f"  - {reason}", file=sys.stderr)
        case BothwaysError():
            print(f"bothways: {error}", file=sys.stderr)
        case ModuleNotFoundError() if error.name and error.name.split(".")[0] != "bothways":
            print(f"bothways: {_missing(error.name.split('.')[0])}", file=sys.stderr)
        case MemoryError():
            print("bothways: not enough memory for this input", file=sys.stderr)
        case OSError():
            print(f"bothways: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        case _:
            print(
                f"bothways: internal error ({type(error).__name__}: {error}). This is a defect of bothways; "
                "run again with BOTHWAYS_DEBUG=1 for the trace and report it.",
                file=sys.stderr,
            )
    return EXIT_FAILURE


def _missing(module: str) -> str:
    """Which extra of bothways brings a package that is not installed."""
    import re  # noqa: PLC0415
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415

    try:
        listed = requires("bothways") or []
    except PackageNotFoundError:
        listed = []
    words = re.compile(rf"{re.escape(module.replace('_', '-'))}\b.*extra == ['\"](\w+)['\"]", re.IGNORECASE)
    extras = [found[1] for line in listed if (found := words.match(line))]
    if not extras:
        return f"the Python package {module!r} is not installed; install bothways again"
    extra = "live,web" if extras[0] in {"live", "web"} else extras[0]  # a live site has screens
    return f"this needs the Python package {module!r}. Run: pip install 'bothways[{extra}]'"
