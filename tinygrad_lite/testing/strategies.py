"""Hypothesis strategies for shapes, arrays and tensors. Importing it needs the package `hypothesis`.

An array's values come from a seed that Hypothesis draws, not number by number: that is a hundred times faster. So a
failing example shrinks to small shapes and simple options, and keeps its moderate, well-separated values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..core.domain import REALS, Interval
from ..core.op import Op
from .values import elementwise_inputs, required_arrays, separated_arrays

__all__ = [
    "LAYOUTS", "arrays", "axes", "axis", "broadcastable_arrays", "broadcastable_shapes", "elementwise_arguments",
    "generators", "integer_arrays", "laid_out", "shapes", "tensors",
]  # fmt: skip

LAYOUTS = ("contiguous", "strided", "reversed", "transposed")
"""How an array's values may lie in memory; see `laid_out`."""


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """A new array of equal values with another memory layout.

    `"contiguous"`: C order. `"strided"`: every second element of a larger array, along each axis. `"reversed"`:
    negative strides. `"transposed"`: Fortran order.

    >>> x = laid_out(np.ones((2, 3)), "reversed")
    >>> x.strides
    (-24, -8)
    """
    if layout == "contiguous":
        return np.array(array, order="C")
    if layout == "transposed":
        return np.array(array, order="F")
    if layout == "reversed":
        everything = (..., *(slice(None, None, -1) for _ in array.shape))
        return np.array(array[everything], order="C")[everything]
    if layout == "strided":
        larger = np.zeros(tuple(2 * n for n in array.shape), dtype=array.dtype)
        view = larger[(..., *(slice(None, None, 2) for _ in array.shape))]
        view[...] = array
        return view
    raise ValueError(f"laid_out: layout is {layout!r}; it must be one of {', '.join(LAYOUTS)}.")


def shapes(
    *, min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of `min_dims` to `max_dims` axes; `min_side=0` includes those of empty arrays."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable_shapes(
    draw, n: int = 2, *, max_dims: int = 3, min_side: int = 1, max_side: int = 4
) -> tuple[tuple[int, ...], ...]:
    """`n` shapes that broadcast together: leading axes may be missing, and axes may have length 1."""
    result = draw(shapes(max_dims=max_dims, min_side=min_side, max_side=max_side))
    found = []
    for _ in range(n):
        kept = draw(st.integers(0, len(result)))
        stretched = draw(st.lists(st.booleans(), min_size=kept, max_size=kept))
        own = [1 if one else side for one, side in zip(stretched, result[len(result) - kept :], strict=True)]
        found.append(tuple(own))
    return tuple(found)


def axis(ndim: int) -> st.SearchStrategy[int]:
    """One axis of an array with `ndim` >= 1 axes, counted from either end."""
    return st.integers(-ndim, ndim - 1)


@st.composite
def axes(draw, ndim: int, *, none: bool = True, empty: bool = False) -> int | tuple[int, ...] | None:
    """What reductions take as `axis`: None (unless `none=False`), an integer, or a tuple of different ones."""
    if ndim == 0:
        return None if none else ()
    kind = draw(st.sampled_from(["none", "one", "several"] if none else ["one", "several"]))
    if kind == "none":
        return None
    if kind == "one":
        return draw(axis(ndim))
    chosen = draw(st.lists(st.integers(0, ndim - 1), min_size=0 if empty else 1, max_size=ndim, unique=True))
    return tuple(i - ndim if draw(st.booleans()) else i for i in chosen)


def generators() -> st.SearchStrategy[np.random.Generator]:
    """Seeded NumPy generators."""
    return st.integers(0, 2**16 - 1).map(np.random.default_rng)


@st.composite
def arrays(
    draw,
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] | None = None,
    *,
    domain: Interval = REALS,
    kinks: Sequence[float] = (),
    dtype: Any = "float64",
    layouts: Sequence[str] = ("contiguous",),
) -> np.ndarray:
    """Floating-point arrays of moderate values, no two of them close to each other.

    shape : a shape, or a strategy for shapes (default: `shapes()`).
    domain : where the values may lie; they keep a distance from its bounds, and from each of `kinks`.
    layouts : which of `LAYOUTS` the array may have in memory.
    """
    chosen = draw(shapes()) if shape is None else draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    (array,) = separated_arrays([chosen], draw(generators()), domain=domain, kinks=kinks)
    return laid_out(array.astype(dtype), draw(st.sampled_from(layouts)) if len(layouts) > 1 else layouts[0])


@st.composite
def broadcastable_arrays(
    draw, n: int = 2, *, max_dims: int = 3, min_side: int = 1, domain: Interval = REALS, kinks: Sequence[float] = ()
) -> list[np.ndarray]:
    """`n` float64 arrays whose shapes broadcast together and whose values all differ, across the arrays too."""
    chosen = draw(broadcastable_shapes(n, max_dims=max_dims, min_side=min_side))
    return separated_arrays(chosen, draw(generators()), domain=domain, kinks=kinks)


@st.composite
def integer_arrays(
    draw, shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]], low: int, high: int, *, unique: bool = False
) -> np.ndarray:
    """int64 arrays of values from `low` to `high` - 1; all different if `unique`."""
    chosen = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    rng = draw(generators())
    if unique:
        return rng.choice(np.arange(low, high), size=math.prod(chosen), replace=False).reshape(chosen)
    return rng.integers(low, high, size=chosen)


@st.composite
def tensors(draw, shape: Any = None, *, requires_grad: bool = True, **options: Any) -> Any:
    """Tensors over `arrays` (which see for the options)."""
    from ..tensor import Tensor

    return Tensor(draw(arrays(shape, **options)), requires_grad=requires_grad)


@st.composite
def elementwise_arguments(draw, op: Op, *, max_dims: int = 3, min_side: int = 0) -> tuple[np.ndarray, ...]:
    """Arrays for an operation with `shapes="elementwise"`: broadcastable, in its domain, away from its kinks."""
    chosen = draw(broadcastable_shapes(len(required_arrays(op)), max_dims=max_dims, min_side=min_side))
    return tuple(elementwise_inputs(op, chosen, draw(generators())))
