"""LLVM vectors in numba kernels: LANES int32 at a time, on any processor."""

from typing import Any

from llvmlite import ir

from hybridnet.compiled import vector_pointer

LANES = 16  # int32 in one line of cache; accumulators and weights are readable this far past their end


def vector_at(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """LLVM pointer to LANES elements of a one-dimensional numba array."""
    data = context.make_array(kind)(context, builder, array).data
    return vector_pointer(builder, data, index, LANES)


def splat(builder: Any, value: Any) -> Any:
    """LLVM vector of LANES times one value."""
    empty = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    first = builder.insert_element(empty, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
