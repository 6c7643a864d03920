"""Work handed out to threads as they come for it, so that none waits for one that has the longer share.

A core that is also wanted elsewhere, or stays that are longer at one end of the fleet, would otherwise hold up
all the others.
"""

# ruff: noqa: ARG001 (numba fixes the arguments of what generates code, used or not)

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from bothways.planning.problem import Ints

PIECE = 8
"""Blocks that a thread takes at a time: some 50 microseconds of a sweep."""


def fresh(more: int = 0) -> Ints:
    """The counter that :func:`claim` takes, at 0, and ``more`` numbers behind it."""
    return np.zeros(1 + more, dtype=np.int64)


@intrinsic
def claim(typingctx: Any, counter: Any, amount: Any) -> Any:
    """Adds ``amount`` to the first number of ``counter`` and returns what was there, in one indivisible step."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        return builder.atomic_rmw("add", struct.data, builder.sext(args[1], ir.IntType(64)), ordering="monotonic")

    return types.int64(counter, types.int64), codegen
