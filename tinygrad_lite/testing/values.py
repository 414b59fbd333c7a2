"""Random inputs that suit an operation: inside its domain, away from its kinks, no two values close to each other.

Finite differences need all three: a step across a kink or out of the domain, or one that makes two values change their
order (in max, sort, maximum), measures something that is no derivative.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.domain import REALS, Interval
from ..core.op import Op

__all__ = ["elementwise_inputs", "required_arrays", "separated_arrays", "with_constants"]

MARGIN = 0.2
"""Distance of values from a bound of the domain and from a kink."""

REACH = 2.5
"""How far values go from the bound of a half-line, from the outermost kinks, or from 0 on the whole line."""


def separated_arrays(
    shapes: Sequence[tuple[int, ...]],
    rng: np.random.Generator,
    *,
    domain: Interval = REALS,
    kinks: Sequence[float] = (),
) -> list[np.ndarray]:
    """A float64 array for each of `shapes`; no two values of any of the arrays are close to each other.

    The values are spread over the part of `domain` that is near 0 (or near its bound) and not near one of `kinks`: one
    value in the middle half of each of as many equal cells as there are values.

    >>> x, y = separated_arrays([(2,), (3,)], np.random.default_rng(0), domain=Interval(0, np.inf))
    >>> x.shape, y.shape, bool((x > 0).all())
    ((2,), (3,), True)
    """
    sizes = [math.prod(shape) for shape in shapes]
    total = sum(sizes)
    cells = (rng.permutation(total) + rng.uniform(0.25, 0.75, total)) / max(total, 1)
    values = _place(cells, _allowed(domain, kinks))
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _allowed(domain: Interval, kinks: Sequence[float]) -> list[tuple[float, float]]:
    """The intervals that values are taken from."""
    low, high = domain.low, domain.high
    inside = sorted(kink for kink in kinks if low < kink < high)
    if math.isfinite(low) and math.isfinite(high):
        margin = min(MARGIN, (high - low) / 10)
        low, high = low + margin, high - margin
    elif math.isfinite(low):
        low, high = low + MARGIN, max([low, *inside]) + REACH
    elif math.isfinite(high):
        low, high = min([high, *inside]) - REACH, high - MARGIN
    else:
        low, high = min([0.0, *inside]) - REACH, max([0.0, *inside]) + REACH
    gap = min([MARGIN, *((b - a) / 4 for a, b in itertools.pairwise(inside))])
    starts = [low, *(kink + gap for kink in inside)]
    ends = [*(kink - gap for kink in inside), high]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]


def _place(cells: np.ndarray, intervals: list[tuple[float, float]]) -> np.ndarray:
    """Numbers between 0 and 1 mapped, in order, to the intervals laid end to end."""
    lengths = [end - start for start, end in intervals]
    offsets = np.concatenate([[0.0], np.cumsum(lengths)])
    along = cells * offsets[-1]
    which = np.clip(np.searchsorted(offsets, along, side="right") - 1, 0, len(intervals) - 1)
    return np.array([start for start, _ in intervals])[which] + along - offsets[which]


def elementwise_inputs(op: Op, shapes: Sequence[tuple[int, ...]], rng: np.random.Generator) -> list[np.ndarray]:
    """Arrays of the given shapes for an operation declared with `shapes="elementwise"`, from the facts it declares."""
    domains = [op.domain_of(name) for name in required_arrays(op)]
    if len(set(domains)) <= 1:
        return separated_arrays(shapes, rng, domain=domains[0] if domains else REALS, kinks=op.kinks)
    return [
        separated_arrays([shape], rng, domain=domain, kinks=op.kinks)[0]
        for shape, domain in zip(shapes, domains, strict=True)
    ]


def required_arrays(op: Op) -> list[str]:
    """The names of the array arguments without a default."""
    parameters = op.signature.parameters
    return [name for name in op.arrays if parameters[name].default is inspect.Parameter.empty]


def with_constants(op: Op, arrays: Sequence[Any], constant: Sequence[str] = ()) -> tuple[Callable, list[Any]]:
    """A call of `op` as a function of its differentiable arguments, and those arguments.

    Held fixed are the arguments named in `constant`, and those that a primitive has no rule for (where's condition).
    The function takes static arguments by keyword.
    """
    names = op.arrays * len(arrays) if op.variadic else op.arrays
    differentiable = {name for name in op.arrays if name not in constant and (not op.primitive or name in op.rules)}
    ruled = [i for i in range(len(arrays)) if names[i] in differentiable]

    def call(*moving: Any, **statics: Any) -> Any:
        full = list(arrays)
        for i, value in zip(ruled, moving, strict=True):
            full[i] = value
        return op.function(*full, **statics)

    call.__name__ = op.name
    call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # the report names the inputs by it
        [inspect.Parameter(names[i], inspect.Parameter.POSITIONAL_ONLY) for i in ruled if not op.variadic]
    )
    return call, [arrays[i] for i in ruled]
