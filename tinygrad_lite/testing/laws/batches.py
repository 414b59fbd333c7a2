"""Batches: `vmap` of an operation gives what one call after another gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ...autodiff.transforms import vjp
from ...autodiff.vectorize import vmap
from ...core.errors import LoopWarning, TinygradLiteError
from ...core.op import Op
from ...core.tree import leaves, map_leaves, unflatten
from ...tensor import Tensor
from ..samples import Sample
from .calls import assert_close, called, differentiable, is_float, law

__all__ = ["batched", "examples_near", "loops_in_batches"]

EXAMPLES = 3


@law
def batched(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Values and vector-Jacobian products of several examples at once are those of each."""
    loops_in_batches(op, sample, arrays, statics)


def loops_in_batches(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> str | None:
    """Check the law; return why the examples were computed one by one, or None if they were not.

    AssertionError if a value or a vector-Jacobian product differs from that of a single call.
    """
    examples = examples_near(op, arrays, statics)
    if not _axes(examples[0]).count(0):
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _compare(lambda *args: called(op.function, args, statics), examples)
        if sample.order:
            _compare_derivatives(op, sample, examples, statics)
    reasons = [str(warning.message) for warning in caught if issubclass(warning.category, LoopWarning)]
    return reasons[0] if reasons else None


def examples_near(op: Op, arrays: tuple, statics: dict[str, Any]) -> list[tuple]:
    """The arguments, and twice others near them that the operation takes."""
    shapes = _shapes(called(op.function, arrays, statics))

    def near(change: Callable) -> tuple:
        others = map_leaves(lambda x: np.asarray(change(x)) if isinstance(x, np.ndarray) else x, arrays)
        try:
            return others if _shapes(called(op.function, others, statics)) == shapes else arrays
        except TinygradLiteError:
            return arrays

    def turned(x: np.ndarray) -> np.ndarray:
        return x * (1 - 2.0**-6) if is_float(x) else x.reshape(-1)[::-1].reshape(x.shape)

    return [arrays, near(lambda x: x * (1 + 2.0**-6) if is_float(x) else x), near(turned)]


def _shapes(out: Any) -> list[tuple[tuple[int, ...], bool]]:
    """The shapes of the results, and whether each is free of NaN: near values it should stay so."""
    return [(np.shape(x), bool(np.isnan(x).any())) for x in map(np.asarray, leaves(out))]


def _compare(function: Callable, examples: list[tuple]) -> None:
    """`vmap(function)` of the examples against the function of each."""
    expected = [leaves(function(*example)) for example in examples]
    got = leaves(vmap(function, in_axes=_axes(examples[0]))(*_stacked(examples)))
    for mine, *theirs in zip(got, *expected, strict=True):
        assert_close(_plain(mine), np.stack([_plain(x) for x in theirs]), 1e-10)


def _compare_derivatives(op: Op, sample: Sample, examples: list[tuple], statics: dict[str, Any]) -> None:
    """Vector-Jacobian products with respect to the floating-point arrays; the constants are those of the first call."""
    function, moving = differentiable(op, sample, examples[0], statics)
    rows = [[x for x in leaves(differentiable(op, sample, e, statics)[1]) if is_float(x)] for e in examples]
    out = function(*moving)
    if not rows[0] or not all(np.asarray(y).dtype.kind in "fc" for y in leaves(out)):
        return
    count = len(rows[0])
    cotangents = [np.cos(np.arange(np.size(y), dtype=y.dtype)).reshape(np.shape(y)) for y in leaves(out)]

    def pulled(*floats_and_cotangents: Any) -> Any:
        floats, g = floats_and_cotangents[:count], floats_and_cotangents[count:]

        def restricted(*primals: Any) -> Any:
            given = iter(primals)
            return function(*map_leaves(lambda x: next(given) if is_float(x) else x, tuple(moving)))

        return vjp(restricted, *floats)[1](unflatten(out, iter(g)))

    _compare(pulled, [[*row, *(np.asarray(g * (i + 1)) for g in cotangents)] for i, row in enumerate(rows)])


def _axes(arrays: tuple) -> list[int | None]:
    return [0 if any(isinstance(x, np.ndarray) for x in leaves(arg)) else None for arg in arrays]


def _stacked(examples: list[tuple]) -> tuple:
    rows = [leaves(example) for example in examples]
    joined = (np.stack(parts) if isinstance(parts[0], np.ndarray) else parts[0] for parts in zip(*rows, strict=True))
    return unflatten(examples[0], joined)


def _plain(x: Any) -> np.ndarray:
    return np.asarray(x.data if isinstance(x, Tensor) else x)
