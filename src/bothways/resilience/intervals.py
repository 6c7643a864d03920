"""How far a share that was estimated from draws may be off."""

from __future__ import annotations

import math

from bothways.domain.errors import DomainError


def wilson(share: float, draws: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a binomial share (Wilson 1927, doi:10.1080/01621459.1927.10502953), 95 % by default.

    For means of numbers in [0, 1], as survival given a draw is, it is wider than needed: their variance is at most that
    of a binomial.

    Args:
        share: the estimate, 0…1.
        draws: number of independent draws, at least 1.
        z: quantile of the normal distribution.

    Returns:
        Lower and upper end.

    Raises:
        DomainError: a share outside 0…1, or no draws.

    >>> [round(end, 4) for end in wilson(0.9, 100)]
    [0.8256, 0.9448]
    """
    if draws < 1 or not 0.0 <= share <= 1.0:
        msg = f"a binomial interval needs a share in 0…1 and at least one draw, not {share} and {draws}"
        raise DomainError(msg)
    spread = z * z / draws
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = z / (1.0 + spread) * math.sqrt(share * (1.0 - share) / draws + spread / (4.0 * draws))
    return max(0.0, middle - half), min(1.0, middle + half)
