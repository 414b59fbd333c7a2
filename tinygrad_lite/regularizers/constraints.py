"""Constraints: after each update the optimizer moves the parameters to the nearest that fulfil them.

    optimizer = SGD(model, lr=0.1, project=MaxNorm(3.0) + NonNegative().on(named("head")))

They are added and put on selections as penalties are, and with penalties; then the proximal maps come first.
"""

from __future__ import annotations

from .. import ops
from ..core.op import Array
from .norms import lengths, others
from .penalties import Term
from .selection import matrices

__all__ = ["Box", "Constraint", "MaxNorm", "NonNegative", "UnitNorm"]


class Constraint(Term):
    """One constraint on each selected parameter. Subclass it and define `nearest` for one of your own.

    >>> from tinygrad_lite.regularizers import Constraint
    >>> class Centred(Constraint):
    ...     def nearest(self, w):
    ...         return w - w.mean()
    >>> w = nn.Parameter([1.0, 3.0])
    >>> w.grad = tensor([0.0, 0.0])
    >>> optim.SGD([w], lr=0.1, project=Centred()).step()
    >>> w.tolist()
    [-1.0, 1.0]
    """

    place = 3

    def __init__(self) -> None:
        self.selector = self.choice

    def nearest(self, w: Array) -> Array:
        """The array nearest to w that fulfils it, written with operations."""
        raise NotImplementedError(f"{type(self).__name__}: define nearest(self, w), the projection of one parameter.")

    def prox(self, w: Array, t: float) -> Array:
        return self.nearest(w)

    def __mul__(self, factor: float) -> Constraint:
        return self


class NonNegative(Constraint):
    """w >= 0.

    >>> from tinygrad_lite.regularizers import NonNegative
    >>> NonNegative().nearest(np.array([1.0, -2.0])).tolist()
    [1.0, 0.0]
    """

    elementwise = True

    def nearest(self, w: Array) -> Array:
        return ops.maximum(w, 0.0)


class Box(Constraint):
    """low <= w <= high.

    >>> from tinygrad_lite.regularizers import Box
    >>> Box(-1.0, 1.0).nearest(np.array([0.5, -2.0])).tolist()
    [0.5, -1.0]
    """

    elementwise = True

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        if not low <= high:
            raise ValueError(f"Box: low is {low} and high is {high}; low must not be above high.")
        self.low, self.high = low, high

    def nearest(self, w: Array) -> Array:
        return ops.minimum(ops.maximum(w, self.low), self.high)


class MaxNorm(Constraint):
    """Every group's norm is at most `limit`; by default a group is the weights of one unit.

    axis : what a group is one index of, as for `GroupLasso`.

    On matrices and convolutions' weights only.
    Source: N. Srivastava et al., Dropout, 2014, section 5.1, with limits of 3 to 4.

    >>> from tinygrad_lite.regularizers import MaxNorm
    >>> MaxNorm(1.0).nearest(np.array([[3.0, 4.0], [0.5, 0.5]])).round(6).tolist()
    [[0.6, 0.8], [0.5, 0.5]]
    """

    choice = matrices

    def __init__(self, limit: float, axis: int | tuple[int, ...] = 0) -> None:
        super().__init__()
        if not limit > 0:
            raise ValueError(f"MaxNorm: limit is {limit}; it must be above 0.")
        self.limit, self.axis = limit, axis

    def nearest(self, w: Array) -> Array:
        norms = lengths(w, others(w, self.axis, "MaxNorm"))
        over = ops.greater(norms, self.limit)
        return w * ops.where(over, self.limit / ops.where(over, norms, 1.0), 1.0)


class UnitNorm(Constraint):
    """Every group's norm is 1; a group of zeros becomes one of equal weights.

    axis : what a group is one index of, as for `GroupLasso`.

    On matrices and convolutions' weights only.

    >>> from tinygrad_lite.regularizers import UnitNorm
    >>> UnitNorm().nearest(np.array([[3.0, 4.0], [0.0, 0.0]])).round(6).tolist()
    [[0.6, 0.8], [0.707107, 0.707107]]
    """

    choice = matrices

    def __init__(self, axis: int | tuple[int, ...] = 0) -> None:
        super().__init__()
        self.axis = axis

    def nearest(self, w: Array) -> Array:
        within = others(w, self.axis, "UnitNorm")
        w = ops.where(ops.equal(lengths(w, within), 0.0), 1.0, w)
        return w / lengths(w, within)
