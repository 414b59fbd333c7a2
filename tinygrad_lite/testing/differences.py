"""Derivatives along a line by finite differences, with an estimate of their error, and the detection of kinks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Difference", "difference", "first_step", "is_kink"]

LEVELS = 14
"""How often the step is halved at most; a smooth function needs three or four."""


@dataclass(frozen=True)
class Difference:
    """A derivative, the estimated error of it, and the step at which the differences began."""

    value: float
    error: float
    step: float


def first_step(dtype: str) -> float:
    """The step to begin with, relative to the inputs' size, for a function computed in `dtype`.

    After two extrapolations the truncation error is of order step**6; it balances the rounding error eps / step at
    eps**(1/7): 0.006 for float64, 0.1 for float32.
    """
    return float(np.finfo(dtype).eps) ** (1 / 7)


def difference(function: Callable[[float], float], step: float, target: float) -> Difference:
    """The derivative of `function` at 0 by central differences with halved steps, extrapolated to step 0.

    target : the error that is good enough.

    Values that are not finite (a step out of the domain) are passed over, and smaller steps tried. The error is inf if
    no two steps gave anything. Source: C. Ridders, Accurate computation of F'(x) and F'(x) F''(x), 1982.

    >>> found = difference(np.exp, 0.01, target=1e-9)
    >>> print(f"{found.value:.9f}")
    1.000000000
    """
    best, best_error = math.nan, math.inf
    above: list[float] = []
    h = step
    for _ in range(LEVELS):
        with np.errstate(all="ignore"):
            row = [(function(h) - function(-h)) / (2 * h)]
        for k, earlier in enumerate(above):
            factor = 4.0 ** (k + 1)
            row.append((factor * row[k] - earlier) / (factor - 1))
            error = max(abs(row[k + 1] - row[k]), abs(row[k + 1] - earlier))
            if error < best_error:
                best, best_error = row[k + 1], error
        if best_error <= target:
            break
        above = row if math.isfinite(row[-1]) else []
        h /= 2
    return Difference(best, best_error, step)


def is_kink(function: Callable[[float], float], step: float, noise: float, *, converged: bool) -> bool:
    """Whether `function` has a kink or a jump at 0, or so close to it that central differences cannot tell.

    The second difference f(h) - 2 f(0) + f(-h) of a smooth function shrinks like h**2; at a kink it shrinks like h.
    At a jump the values on either side stay as they are, which those of a noisy function do not.

    step : the first step of the central differences.
    noise : the error of a function value.
    converged : whether the central differences converged. Then only a kink at 0 itself is one; a kink farther away
        was crossed by the first steps only.

    >>> is_kink(abs, 0.01, 1e-16, converged=True), is_kink(np.sin, 0.01, 1e-16, converged=True)
    (True, False)
    """
    scales = (step / 16,) if converged else (step, step / 16, step / 256)
    with np.errstate(all="ignore"):
        middle = function(0.0)
        for large in scales:
            small = large / 16
            left, right, far_left, far_right = map(function, (-small, small, -large, large))
            bend, far_bend = abs(right - 2 * middle + left), abs(far_right - 2 * middle + far_left)
            if far_bend / 32 < bend < far_bend / 8 and bend > 16 * noise:
                return True
            jump = abs(right - left)
            if abs(far_right - right) + abs(far_left - left) < jump / 2 and jump > 16 * noise:
                return True
    return False
