"""Penalties by the size of weights: each alone, or in groups that belong together."""

from __future__ import annotations

from math import prod

from .. import ops
from ..core.axes import axes_of
from ..core.op import Array
from ..linalg import vector_norm
from .penalties import FIRST, LAST, Penalty, Sum
from .selection import Selector, matrices
from .strength import Strength

__all__ = ["L1", "L2", "ElasticNet", "GroupLasso"]


class L1(Penalty):
    """strength * sum |w|; its gradient is strength * sign(w), 0 where w is 0.

    Its proximal map moves each weight by t towards 0 and lets none past it, so weights become exactly 0.

    >>> from tinygrad_lite.regularizers import L1
    >>> L1(0.5)([tensor([1.0, -2.0])])
    Tensor(1.5, dtype=float32)
    >>> L1(0.5).prox(np.array([1.0, -0.3]), 0.5).tolist()
    [0.5, 0.0]
    """

    elementwise = True
    homogeneous = True
    place = FIRST

    def of(self, w: Array) -> Array:
        return ops.sum(ops.abs(w))

    def gradient(self, w: Array) -> Array:
        return ops.sign(w)

    def prox(self, w: Array, t: float) -> Array:
        return ops.maximum(w - t, 0.0) + ops.minimum(w + t, 0.0)


class L2(Penalty):
    """strength / 2 * sum w^2; its gradient is strength * w, so the strength is what is called weight decay.

    Its proximal map divides by 1 + t.

    >>> from tinygrad_lite.regularizers import L2
    >>> L2(0.5)([tensor([1.0, -2.0])])
    Tensor(1.25, dtype=float32)
    """

    elementwise = True
    place = LAST

    def of(self, w: Array) -> Array:
        return 0.5 * ops.sum(w * w)

    def gradient(self, w: Array) -> Array:
        return w

    def prox(self, w: Array, t: float) -> Array:
        return w / (1.0 + t)


class ElasticNet(Sum):
    """L1(strength * l1_ratio) + L2(strength * (1 - l1_ratio)).

    Source: H. Zou, T. Hastie, Regularization and variable selection via the elastic net, 2005, in scikit-learn's form.

    >>> from tinygrad_lite.regularizers import ElasticNet
    >>> ElasticNet(1.0, l1_ratio=0.25)
    L1(0.25) + L2(0.75)
    """

    def __init__(self, strength: float | Strength, l1_ratio: float = 0.5) -> None:
        if not 0 <= l1_ratio <= 1:
            raise ValueError(f"ElasticNet: l1_ratio is {l1_ratio}; it must be from 0 to 1.")
        super().__init__((L1(strength * l1_ratio), L2(strength * (1 - l1_ratio))))


class GroupLasso(Penalty):
    """strength * sum over groups of sqrt(size of the group) * |group|_2: groups become 0 as a whole.

    axis : what a group is one index of. 0: rows, a unit of a linear layer or an output channel of a convolution;
        1: columns, an input or an input channel; (0, 1): the kernels of a convolution.

    It is on matrices and convolutions' weights only. Its proximal map shortens each group by t * sqrt(size), and makes
    it exactly 0 if it is not longer than that.

    Source: M. Yuan, Y. Lin, Model selection and estimation in regression with grouped variables, 2006.

    >>> from tinygrad_lite.regularizers import GroupLasso
    >>> GroupLasso(1.0).prox(np.array([[3.0, 4.0], [0.1, 0.1]]), 1 / np.sqrt(2)).round(6).tolist()
    [[2.4, 3.2], [0.0, 0.0]]
    """

    choice = matrices
    homogeneous = True
    groups = True

    def __init__(
        self, strength: float | Strength, axis: int | tuple[int, ...] = 0, selector: Selector | None = None
    ) -> None:
        super().__init__(strength, selector)
        self.axis = axis

    def _lengths(self, w: Array) -> tuple[Array, float]:
        """The groups' norms, with axes of length 1, and the root of their size."""
        within = others(w, self.axis, "GroupLasso")
        return lengths(w, within), prod(w.shape[i] for i in within) ** 0.5

    def of(self, w: Array) -> Array:
        norms, root = self._lengths(w)
        return root * ops.sum(norms)

    def prox(self, w: Array, t: float) -> Array:
        norms, root = self._lengths(w)
        rest = ops.maximum(norms - t * root, 0.0)
        return w * (rest / ops.where(ops.greater(rest, 0.0), norms, 1.0))


def others(w: Array, axis: int | tuple[int, ...], who: str) -> tuple[int, ...]:
    """The axes that are not among those named."""
    named = axes_of(axis, len(w.shape), who)
    return tuple(i for i in range(len(w.shape)) if i not in named)


def lengths(w: Array, within: tuple[int, ...]) -> Array:
    """Norms along some axes, which stay with length 1."""
    return vector_norm(w, axis=within, keepdims=True) if within else ops.abs(w)
