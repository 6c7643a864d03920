"""Writing large tables past the caches: what is written once and read much later by others needs no room in them.

An ordinary store first reads the line that it goes to. For tables larger than the caches, written vehicle by vehicle in
whatever order, that and the later write back are most of the time.
"""

# ruff: noqa: ARG001 (numba fixes the arguments of what generates code, used or not)

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


@intrinsic
def stream(typingctx: Any, table: Any, row: Any, column: Any, value: Any) -> Any:
    """Writes one number of a table, C-ordered and float64, past the caches where the processor can; unchecked."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        struct = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        shape = cgutils.unpack_tuple(builder, struct.shape, 2)
        offset = builder.add(builder.mul(args[1], shape[1]), args[2])
        word = ir.IntType(64)
        pointer = builder.bitcast(builder.gep(struct.data, [offset]), word.as_pointer())
        done = builder.store(builder.bitcast(args[3], word), pointer, align=8)
        done.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(table, types.intp, types.intp, types.float64), codegen
