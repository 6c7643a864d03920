"""What a check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "look", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        verdict: ``good``, ``look`` (works, but somebody should look at it) or ``broken``.
        text: what was found.
        remedy: what to do, ``""`` where nothing.
    """

    check: str
    verdict: Verdict
    text: str
    remedy: str = ""
