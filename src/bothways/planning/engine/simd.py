"""Vectors of lanes for numba: one LLVM vector value per variable, so that a kernel is SIMD by construction.

Numba leaves the loop over lanes to LLVM's vectoriser, which gives up when it cannot prove that arrays do not overlap.
Here a variable of a kernel *is* a vector (``<32 x float>``); LLVM splits it into whatever registers the processor has.
One lane is one vehicle; nothing crosses lanes except the reductions.

Inside kernels: ``load``, ``load_like``, ``load_register``, ``store``, ``splat``, ``+ - * /``, ``vmin``, ``vmax``,
``select_lt(a, b, x, y)`` (x where a < b, else y), ``any_lt``, ``total`` and ``greatest``. The kind of number
(float32 or float64) is that of the array loaded from.
"""

# ruff: noqa: ARG001 (numba fixes the arguments of what generates code, used or not)

from __future__ import annotations

import operator
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model


def _lane_count() -> int:
    """32 float32 lanes where a register holds 16 of them (AVX-512), else 16: two to four registers per variable."""
    return 32 if llvm.get_host_cpu_features().get("avx512f", False) else 16


LANES = _lane_count()
"""Lanes of a float32 vector; also the number of vehicles in a block."""

HALF = LANES // 2
"""Lanes of a float64 vector: as many bytes, hence as many registers, as a float32 vector."""


Vector = Any
"""A vector in the arguments of a kernel: numba infers its type, Python has none for it."""


REGISTER = HALF // 2
"""Lanes of a float64 vector that fills one register, not two: for kernels with many variables at once."""


class Lanes(types.Type):  # type: ignore[misc]
    """Numba type of a vector: ``LANES`` float32, or ``HALF`` float64 or as many as said."""

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self.dtype = dtype
        self.width = width or (LANES if dtype == types.float32 else HALF)
        super().__init__(name=f"Lanes({dtype}, {self.width})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        element = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.width))


def _pointer(context: Any, builder: Any, lanes: Any, array_type: Any, array: Any, offset: Any) -> Any:
    struct = cgutils.create_struct_proxy(array_type)(context, builder, value=array)
    vector = context.get_data_type(lanes)
    return builder.bitcast(builder.gep(struct.data, [offset]), vector.as_pointer())


def _align(array_type: Any) -> int:
    return 4 if array_type.dtype == types.float32 else 8


def _load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    pointer = _pointer(context, builder, signature.return_type, signature.args[0], args[0], args[1])
    return builder.load(pointer, align=_align(signature.args[0]))


@intrinsic
def load(typingctx: Any, array: Any, offset: Any) -> Any:
    """A vector's worth of numbers of a flat array from ``offset`` on."""
    return Lanes(array.dtype)(array, types.intp), _load


@intrinsic
def load_register(typingctx: Any, array: Any, offset: Any) -> Any:
    """One register's worth of a flat float64 array from ``offset`` on."""
    return Lanes(array.dtype, REGISTER)(array, types.intp), _load


@intrinsic
def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Writes a vector into a flat array from ``offset`` on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[2], signature.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=_align(signature.args[0]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def splat(typingctx: Any, like: Any, value: Any) -> Any:
    """A vector with the same number in every lane, of the kind of the vector ``like``."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_data_type(signature.return_type)
        first = builder.insert_element(ir.Constant(vector, ir.Undefined), args[1], ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)

    return like(like, like.dtype), codegen


def _arithmetic(name: str) -> Any:
    @intrinsic
    def apply(typingctx: Any, left: Any, right: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(args[0], args[1], flags=("contract",))

        return left(left, right), codegen

    return apply


_add, _sub, _mul, _div = _arithmetic("fadd"), _arithmetic("fsub"), _arithmetic("fmul"), _arithmetic("fdiv")


@overload(operator.add, strict=False)
def _overload_add(left: Any, right: Any) -> Any:
    if isinstance(left, Lanes) and isinstance(right, Lanes):
        return lambda left, right: _add(left, right)  # noqa: PLW0108 (numba wants a function)
    return None


@overload(operator.sub, strict=False)
def _overload_sub(left: Any, right: Any) -> Any:
    if isinstance(left, Lanes) and isinstance(right, Lanes):
        return lambda left, right: _sub(left, right)  # noqa: PLW0108 (numba wants a function)
    return None


@overload(operator.mul, strict=False)
def _overload_mul(left: Any, right: Any) -> Any:
    if isinstance(left, Lanes) and isinstance(right, Lanes):
        return lambda left, right: _mul(left, right)  # noqa: PLW0108 (numba wants a function)
    return None


@overload(operator.truediv, strict=False)
def _overload_div(left: Any, right: Any) -> Any:
    if isinstance(left, Lanes) and isinstance(right, Lanes):
        return lambda left, right: _div(left, right)  # noqa: PLW0108 (numba wants a function)
    return None


def _compared(comparison: str) -> Any:
    @intrinsic
    def choose(typingctx: Any, left: Any, right: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, args[0], args[1]), args[0], args[1])

        return left(left, right), codegen

    return choose


vmin, vmax = _compared("<"), _compared(">")


@intrinsic
def select_lt(typingctx: Any, left: Any, right: Any, then: Any, otherwise: Any) -> Any:
    """``then`` in the lanes where left < right, ``otherwise`` in the others."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return then(left, right, then, otherwise), codegen


@intrinsic
def any_lt(typingctx: Any, left: Any, right: Any) -> Any:
    """Whether left < right in any lane."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(args[0].type.count)
        mask = builder.bitcast(builder.fcmp_ordered("<", args[0], args[1]), word)
        return builder.icmp_unsigned("!=", mask, ir.Constant(word, 0))

    return types.boolean(left, right), codegen


def _folded(builder: Any, vector: Any, join: Any) -> Any:
    """All lanes of a vector joined pairwise, so that the order and with it the result is fixed."""
    width = vector.type.count
    undefined = ir.Constant(vector.type, ir.Undefined)
    index = ir.VectorType(ir.IntType(32), width)
    shift = width
    while shift > 1:
        shift //= 2
        turned = ir.Constant(index, [(k + shift) % width for k in range(width)])
        vector = join(vector, builder.shuffle_vector(vector, undefined, turned))
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


@intrinsic
def total(typingctx: Any, value: Any) -> Any:
    """Sum over the lanes, pairwise, so the order and with it the result is fixed."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _folded(builder, args[0], builder.fadd)

    return value.dtype(value), codegen


@intrinsic
def greatest(typingctx: Any, value: Any) -> Any:
    """Greatest number of all lanes; what is no number may be passed over."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def greater(left: Any, right: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", left, right), left, right)

        return _folded(builder, args[0], greater)

    return value.dtype(value), codegen


@intrinsic
def load_like(typingctx: Any, like: Any, array: Any, offset: Any) -> Any:
    """A vector of the kind of ``like`` from an array of either kind of number."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = context.get_data_type(signature.return_type)
        source = ir.VectorType(context.get_data_type(signature.args[1].dtype), vector.count)
        struct = cgutils.create_struct_proxy(signature.args[1])(context, builder, value=args[1])
        pointer = builder.bitcast(builder.gep(struct.data, [args[2]]), source.as_pointer())
        value = builder.load(pointer, align=_align(signature.args[1]))
        if signature.args[1].dtype == like.dtype:
            return value
        return builder.fpext(value, vector) if like.dtype == types.float64 else builder.fptrunc(value, vector)

    return like(like, array, types.intp), codegen
