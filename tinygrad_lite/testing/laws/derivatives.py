"""Derivatives: they are those of finite differences, and the same with and without a recorded graph."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.dtypes import is_complex
from ...core.op import Op
from ...core.tree import leaves, map_leaves
from ...ops.complex import imag, real
from ...tensor import Tensor
from ..gradients import check_gradients
from ..report import Comparison
from ..samples import Sample
from .calls import as_tensors, assert_close, called, differentiable, gradients_of, is_float, law

__all__ = ["comparisons", "composed", "derivatives", "real_parts", "third_derivative"]


@law
def derivatives(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """First and second derivatives, reverse and forward, are those of finite differences."""
    comparisons(op, sample, arrays, statics, sample.order)


@law
def third_derivative(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """The third derivative, too."""
    comparisons(op, sample, arrays, statics, 3)


def comparisons(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any], order: int) -> tuple[Comparison, ...]:
    """Derivatives up to `order` beside finite differences; none for a constant, of which nothing may be recorded.

    AssertionError if a derivative is wrong or a constant is recorded.
    """
    function, moving = differentiable(op, sample, arrays, statics)
    inexact = any(np.asarray(out).dtype.kind in "fc" for out in leaves(called(op.function, arrays, statics)))
    if order and inexact and any(is_float(x) for x in leaves(moving)):
        return check_gradients(real_parts(function), *moving, order=order).rows
    tracked = leaves(called(op.function, as_tensors(arrays, requires_grad=True), statics))
    assert not any(isinstance(out, Tensor) and out.requires_grad for out in tracked), "a constant is recorded"
    return ()


def real_parts(function: Callable) -> Callable:
    """`function` with the real and the imaginary part of each complex result in its place."""

    @functools.wraps(function)
    def parts(*values: Any) -> Any:
        return map_leaves(lambda out: (real(out), imag(out)) if is_complex(out.dtype) else out, function(*values))

    return parts


@law
def composed(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """Gradients through the recorded graph (create_graph) are those of plain arrays: rules mean the same on Tensors."""
    plain = gradients_of(op, sample, arrays, statics)
    graph = gradients_of(op, sample, arrays, statics, create_graph=True)
    for one, other in zip(plain, graph, strict=True):
        assert_close(one.data, other.data, 1e-12)
