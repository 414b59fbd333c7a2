"""The written convention at kinks and ties: the derivative is the one of least norm (`core/domain.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...autodiff.gradients import grad
from ...core.errors import TinygradLiteError
from ...core.op import Op
from ...core.tree import leaves, map_leaves, unflatten
from ...tensor import Tensor
from ..samples import Sample
from .calls import as_tensors, differentiable, is_float, law

__all__ = ["least_norm"]

NEAR = 1e-11
"""How far the points beside a kink are from it."""

DIRECTIONS = 16
"""How many random directions, each with its opposite, lead to them."""

LARGEST = 6
"""How many numbers are moved at most; so few that the directions reach every order of them that matters."""

STEEP = 1e4
"""Gradients larger than this beside a point say that the function is not Lipschitz there; the convention is silent."""


@law
def least_norm(op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]) -> None:
    """At kinks, at ties and at 0 the gradient of each output is the element of least norm of the hull of those beside.

    Tried are the sample's arrays with elements made equal to each other, set to the declared kinks, and all set to 0.
    """
    if sample.order:
        for what, point in _points(op, arrays):
            _check_point(op, sample, point, statics, what)


def _points(op: Op, arrays: tuple) -> Iterator[tuple[str, tuple]]:
    """The arrays with their floating-point elements replaced by special ones."""
    whole = [x for x in leaves(arrays) if is_float(x)]
    flat = np.concatenate([x.ravel() for x in whole]) if whole else np.zeros(0)
    if not 0 < flat.size <= LARGEST:
        return

    def placed(values: np.ndarray) -> tuple:
        parts = iter(np.split(values, np.cumsum([x.size for x in whole])[:-1]))
        return map_leaves(lambda x: next(parts).reshape(x.shape) if is_float(x) else x, arrays)

    count = np.arange(flat.size)
    if flat.size > 1:
        yield "neighbours equal", placed(flat[count // 2 * 2])
        yield "all equal", placed(np.full_like(flat, flat[0]))
    if flat.size > 3:
        yield "every third equal", placed(np.where(count % 3 == 0, flat[0], flat))
    for kink in op.kinks:
        yield f"every second at {kink}", placed(np.where(count % 2 == 0, kink, flat))
    if all(op.domain_of(name).low < 0 < op.domain_of(name).high for name in op.arrays):
        yield "all 0", placed(np.zeros_like(flat))


def _check_point(op: Op, sample: Sample, point: tuple, statics: dict[str, Any], what: str) -> None:
    function, moving = differentiable(op, sample, point, statics)
    rng = np.random.default_rng(0)
    at = _gradients(function, moving)
    beside = []
    for _ in range(DIRECTIONS):
        steps = [NEAR * rng.standard_normal(np.shape(x)) for x in leaves(moving)]
        for sign in (1.0, -1.0):
            moved = (
                np.asarray(x + sign * step) if is_float(x) else x for x, step in zip(leaves(moving), steps, strict=True)
            )
            beside.append(_gradients(function, unflatten(moving, moved)))
    if not at or any(len(one) != len(at) for one in beside):
        return  # it is refused there, or not finite
    for number, got in enumerate(at):
        around = np.stack([one[number] for one in beside])
        if not np.all(np.abs(around) < STEEP):
            continue
        expected = _shortest(around)
        scale = max(1.0, float(np.abs(around).max(initial=0.0)))
        close = np.allclose(got, expected, rtol=0.0, atol=1e-3 * scale)
        assert close, f"{op.name}, {what}: output {number} has the gradient {got}, that of least norm is {expected}"


def _gradients(function: Any, moving: list) -> list[np.ndarray]:
    """The gradient of the first, the middle and the last element of each output; none if the call is refused."""
    inputs = as_tensors(tuple(moving), requires_grad=True)
    wanted = [x for x in leaves(inputs) if isinstance(x, Tensor) and x.requires_grad]
    found = []
    with np.errstate(all="ignore"):
        try:
            outputs = [out for out in leaves(function(*inputs)) if isinstance(out, Tensor) and out.requires_grad]
            if not all(np.all(np.isfinite(out.data)) for out in outputs):
                return []
            for out in outputs if wanted else ():
                for place in sorted({0, out.size // 2, out.size - 1} & set(range(out.size))):
                    one = np.zeros(out.shape, out.dtype)
                    one.flat[place] = 1.0
                    parts = grad([out], wanted, [one], retain_graph=True)
                    found.append(np.concatenate([part.data.ravel() for part in parts]))
        except TinygradLiteError:
            return []
    return found


def _shortest(points: np.ndarray) -> np.ndarray:
    """The point of least norm of the convex hull of `points` (k, n)."""
    from scipy.optimize import nnls

    distinct = np.unique(np.round(points, 9), axis=0)
    if len(distinct) == 1:
        return distinct[0]
    # Non-negative weights whose sum is 1, which the last equation asks for with emphasis.
    emphasis = 1e3 * max(1.0, float(np.abs(points).max(initial=0.0)))
    system = np.concatenate([distinct.T, np.full((1, len(distinct)), emphasis)])
    weights, _ = nnls(system, np.append(np.zeros(points.shape[1]), emphasis), maxiter=100 * len(distinct))
    return distinct.T @ (weights / weights.sum())
