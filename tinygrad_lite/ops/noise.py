"""Noise for training: dropout that keeps mean and variance, dropout of whole channels, and random slopes."""

from __future__ import annotations

from math import sqrt
from typing import Any

from ..core.axes import shape_of
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array
from .activations import leaky_relu
from .comparison import where
from .piecewise import selu
from .random import default_generator
from .windows import image_axes

__all__ = ["alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "rrelu"]


def dropout1d(x: Array, *, p: float = 0.5, training: bool = True, rng: Any = None) -> Array:
    """Dropout of whole channels of sequences; see `dropout2d`. x : (n, c, l).

    >>> dropout1d(np.ones((1, 1, 2)), p=1.0)
    array([[[0., 0.]]])
    """
    return _channels("dropout1d", x, p, training, rng, 1)


def dropout2d(x: Array, *, p: float = 0.5, training: bool = True, rng: Any = None) -> Array:
    """Dropout of whole channels of images, whose neighbouring elements are alike; `p`, `training`, `rng` of `dropout`.

    x : (n, c, h, w).
    Raises ShapeError if `p` is not between 0 and 1, or x has other axes.
    Source: Tompson et al. 2014, arXiv:1411.4280.

    >>> dropout2d(np.ones((1, 1, 1, 2)), p=0.5, training=False)
    array([[[[1., 1.]]]])
    """
    return _channels("dropout2d", x, p, training, rng, 2)


def dropout3d(x: Array, *, p: float = 0.5, training: bool = True, rng: Any = None) -> Array:
    """Dropout of whole channels of volumes; see `dropout2d`. x : (n, c, d, h, w).

    >>> dropout3d(np.ones((1, 1, 1, 1, 2)), p=1.0)
    array([[[[[0., 0.]]]]])
    """
    return _channels("dropout3d", x, p, training, rng, 3)


def _channels(op: str, x: Array, p: float, training: bool, rng: Any, axes: int) -> Array:
    image_axes(op, x, axes)
    kept = _kept(op, x, p, training, rng, (*x.shape[:2], *(1,) * axes))
    return x if kept is None else where(kept, x * (1.0 / (1.0 - p) if p < 1.0 else 1.0), 0.0)


def alpha_dropout(x: Array, *, p: float = 0.5, training: bool = True, rng: Any = None) -> Array:
    """Dropout to `selu`'s least value instead of 0, scaled and shifted so that mean 0 and variance 1 stay.

    p, training, rng : as for `dropout`. Where all elements are dropped (p = 1) the result is 0.
    Raises ShapeError if `p` is not between 0 and 1.
    Source: Klambauer et al. 2017, arXiv:1706.02515.

    >>> alpha_dropout(np.ones(2), training=False)
    array([1., 1.])
    """
    return _alpha(x, p, _kept("alpha_dropout", x, p, training, rng, shape_of(x)))


def feature_alpha_dropout(x: Array, *, p: float = 0.5, training: bool = True, rng: Any = None) -> Array:
    """`alpha_dropout` of whole channels. x : (n, c, ...).

    Raises ShapeError if `p` is not between 0 and 1, or x has fewer than two axes.

    >>> feature_alpha_dropout(np.ones((1, 2)), training=False)
    array([[1., 1.]])
    """
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"feature_alpha_dropout: x is {shape}; it must be (n, c, ...).")
    kept = _kept("feature_alpha_dropout", x, p, training, rng, (*shape[:2], *(1,) * (len(shape) - 2)))
    return _alpha(x, p, kept)


def _alpha(x: Array, p: float, kept: Any) -> Array:
    if kept is None:
        return x
    if p == 1.0:
        return where(kept, x, 0.0)
    least = float(selu(-1000.0))
    scale = 1.0 / sqrt((1.0 - p) * (1.0 + p * least * least))
    return where(kept, x, least) * scale - scale * p * least


def rrelu(x: Array, *, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, rng: Any = None) -> Array:
    """x where x >= 0 and r x elsewhere, each slope r drawn from `lower` to `upper`; their mean if not `training`.

    rng : the generator to draw from; the default generator if None.
    Raises ShapeError if lower is greater than upper.
    Source: Xu et al. 2015, arXiv:1505.00853.

    >>> rrelu(np.array([-24.0, 2.0]))
    array([-5.5,  2. ])
    """
    if lower > upper:
        raise ShapeError(f"rrelu: lower is {lower} and upper is {upper}; lower must not be greater.")
    if not training:
        return leaky_relu(x, negative_slope=(lower + upper) / 2)
    data = unwrap(x)
    device = backend_of(data).device_of(data)
    made = (rng or default_generator()).uniform(shape_of(x), low=lower, high=upper, dtype=data.dtype, device=device)
    return x * where(data >= 0, 1.0, unwrap(made))


def _kept(op: str, x: Array, p: float, training: bool, rng: Any, shape: tuple[int, ...]) -> Any:
    """What is not dropped, as booleans; None if that is everything."""
    if not 0.0 <= p <= 1.0:
        raise ShapeError(f"{op}: p is {p}; it must be a probability, from 0 to 1.")
    if not training or p == 0.0:
        return None
    data = unwrap(x)
    return unwrap((rng or default_generator()).bernoulli(1.0 - p, shape, device=backend_of(data).device_of(data)))
