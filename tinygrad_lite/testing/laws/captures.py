"""Captures: replaying an operation gives what calling it gives, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autodiff.capture import jit
from ...autodiff.transforms import vjp
from ...core.errors import CaptureError
from ...core.op import Op
from ...core.tree import leaves, map_leaves
from ...tensor import Tensor
from ..samples import Fresh, Sample
from .batches import examples_near
from .calls import called, differentiable, is_float, law

__all__ = ["captured"]


@law
def captured(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Values and vector-Jacobian products of a replay with other arrays are those of a call.

    An operation that looks at values, for example to count them, cannot be captured, and says so.
    """
    if any(isinstance(value, Fresh) for value in statics.values()):
        return  # random numbers: a replay draws the next ones
    examples = examples_near(op, arrays, statics)
    _compare(lambda *args: called(op.function, args, statics), examples)
    function, moving = differentiable(op, sample, arrays, statics)
    if sample.order and any(map(is_float, leaves(moving))):
        moved = [tuple(differentiable(op, sample, example, statics)[1]) for example in examples]
        _compare(lambda *args: _slopes(function, args), moved)


def _slopes(function: Any, args: tuple) -> Any:
    """The products of a fixed cotangent with the Jacobians by the floating-point arguments."""

    def restricted(*primals: Any) -> Any:
        given = iter(primals)
        return function(*map_leaves(lambda x: next(given) if _floating(x) else x, args))

    out, pull = vjp(restricted, *(x for x in leaves(args) if _floating(x)))
    if not all(np.dtype(y.dtype).kind in "fc" for y in leaves(out)):
        return out
    return pull(map_leaves(lambda y: np.cos(np.arange(y.size, dtype=y.dtype)).reshape(y.shape), out))


def _floating(x: Any) -> bool:
    return hasattr(x, "dtype") and np.dtype(x.dtype).kind == "f"


def _compare(function: Any, examples: list[tuple]) -> None:
    replayed = jit(function)
    for example in examples:
        tensors = map_leaves(lambda x: Tensor(x) if isinstance(x, np.ndarray) else x, example)
        expected = leaves(function(*tensors))
        try:
            got = leaves(replayed(*example))
        except CaptureError:
            return
        for mine, theirs in zip(got, expected, strict=True):
            a, b = (np.asarray(x.detach() if isinstance(x, Tensor) else x) for x in (mine, theirs))
            assert a.dtype == b.dtype, f"a replay has dtype {a.dtype}, a call {b.dtype}"
            np.testing.assert_array_equal(a, b)
