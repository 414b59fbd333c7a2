"""Plain mathematical facts about an operation's inputs: where it is defined, and where it is not differentiable.

Tests turn them into random inputs; nothing at run time reads them.

Convention at a point where a function is not differentiable: the derivative is the element of least norm of Clarke's
generalised gradient (F. Clarke, Optimization and Nonsmooth Analysis, 1983), taken over all array arguments of the
operation; a Python number is a constant, not an argument. So relu and abs have derivative 0 at 0, clip has 0 at a
constant bound, maximum(x, y) gives one half to each of two equal arrays, and max gives 1/k to each of k equal elements.
The derivative of a composite is made of those of its parts by the chain rule.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

__all__ = ["REALS", "Interval"]


class Interval(NamedTuple):
    """The open interval from `low` to `high`; `inf` stands for no bound."""

    low: float = -inf
    high: float = inf


REALS = Interval()
