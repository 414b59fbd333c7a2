"""Activations made of pieces: straight lines, and curves that meet at a point."""

from __future__ import annotations

from math import inf

from ..core.errors import ShapeError
from ..core.op import Array, composite, primitive
from .comparison import where
from .elementwise import abs, clip, exp, square
from .movement import reshape

__all__ = [
    "celu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "prelu", "relu6", "selu", "softshrink", "softsign",
    "threshold",
]  # fmt: skip


def _inside(g: Array, x: Array, low: float, high: float) -> Array:
    """g strictly between the bounds and 0 elsewhere."""
    return where(x > low, where(x < high, g, 0.0), 0.0)


@primitive(x=lambda g, x: _inside(g, x, 0.0, 6.0), kinks=(0.0, 6.0))
def relu6(xp, x: Array) -> Array:
    """Rectified linear unit that ends at 6, min(max(x, 0), 6); derivative 0 at 0 and 6.

    >>> relu6(np.array([-1.0, 2.0, 8.0]))
    array([0., 2., 6.])
    """
    return xp.clip(x, 0.0, 6.0)


@primitive(x=lambda g, x, min_val, max_val: _inside(g, x, min_val, max_val), kinks=(-1.0, 1.0))
def hardtanh(xp, x: Array, *, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to the interval from `min_val` to `max_val`; derivative 0 at both.

    >>> hardtanh(np.array([-3.0, 0.5, 3.0]))
    array([-1. ,  0.5,  1. ])
    """
    return xp.clip(x, min_val, max_val)


@primitive(x=lambda g, x: _inside(g * (1 / 6), x, -3.0, 3.0), kinks=(-3.0, 3.0))
def hardsigmoid(xp, x: Array) -> Array:
    """The logistic function in three lines, min(max(x + 3, 0), 6) / 6; derivative 0 at -3 and 3.

    >>> hardsigmoid(np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """
    return xp.clip(x + 3.0, 0.0, 6.0) / 6.0


@primitive(
    x=lambda g, x: where(x > -3.0, where(x < 3.0, g * (x * (1 / 3) + 0.5), g), 0.0),
    kinks=(-3.0, 3.0),
)
def hardswish(xp, x: Array) -> Array:
    """x min(max(x + 3, 0), 6) / 6: silu with three pieces; derivative 0 at -3 and 1 at 3.

    Source: Howard et al. 2019, arXiv:1905.02244.

    >>> hardswish(np.array([-4.0, 1.5, 4.0]))
    array([-0.   ,  1.125,  4.   ])
    """
    return xp.maximum(x, -3.0) * (xp.clip(x + 3.0, 0.0, 6.0) / 6.0)  # -inf * 0 would be NaN


@primitive(x=lambda g, x, lambd: where(abs(x) <= lambd, 0.0, g), kinks=(-0.5, 0.5))
def softshrink(xp, x: Array, *, lambd: float = 0.5) -> Array:
    """x moved towards 0 by `lambd`, and 0 where that reaches it; derivative 0 at -lambd and lambd.

    >>> softshrink(np.array([-2.0, 0.3, 2.0]))
    array([-1.5,  0. ,  1.5])
    """
    return x - xp.clip(x, -lambd, lambd)


@primitive(x=lambda g, x, lambd: where(abs(x) <= lambd, 0.0, g), kinks=(-0.5, 0.5))
def hardshrink(xp, x: Array, *, lambd: float = 0.5) -> Array:
    """x where |x| > lambd and 0 elsewhere; derivative 0 at -lambd and lambd.

    >>> hardshrink(np.array([-2.0, 0.3, 2.0]))
    array([-2.,  0.,  2.])
    """
    return xp.where(xp.abs(x) <= lambd, 0.0, x)


@primitive(x=lambda g, x, threshold: where(x <= threshold, 0.0, g))
def threshold(xp, x: Array, /, threshold: float, value: float) -> Array:
    """x where x > threshold and `value` elsewhere; derivative 0 at the threshold.

    >>> threshold(np.array([0.5, 2.0]), 1.0, -1.0)
    array([-1.,  2.])
    """
    return xp.where(x <= threshold, value, x)


@composite(shapes="any", kinks=(0.0,), autocast="low")
def prelu(x: Array, weight: Array) -> Array:
    """x where x > 0 and weight * x elsewhere; derivative `weight` at 0, but from 0 to 1.

    x : (n, channels, ...), (n,) or ().
    weight : (channels,) for one slope per channel (of axis 1; of axis 0 if there is one axis), or (1,) or () for one.
    Raises ShapeError for any other shape of `weight`.
    Source: He et al. 2015, arXiv:1502.01852.

    >>> prelu(np.array([-1.0, 2.0]), np.array([0.25]))
    array([-0.25,  2.  ])
    """
    ndim = len(x.shape)
    axis = min(ndim - 1, 1)
    if tuple(weight.shape) in ((), (1,)):
        weight = reshape(weight, (1,) * ndim)
    elif ndim and tuple(weight.shape) == (x.shape[axis],):
        weight = reshape(weight, tuple(-1 if i == axis else 1 for i in range(ndim)))
    else:
        channels = f" or ({x.shape[axis]},), the length of axis {axis}" if ndim else ""
        raise ShapeError(
            f"prelu: x is {tuple(x.shape)} and weight is {tuple(weight.shape)}; it must be (1,){channels}."
        )
    slope = where(x < 0, weight, clip(weight, min=0.0, max=1.0))  # at 0 the least between 1 and the weight
    return where(x > 0, x, slope * where(x > 0, 0.0, x))


@primitive(x=lambda g, x, out, alpha: where(x > 0, g, g * (out * (1.0 / alpha) + 1.0)), kinks=(0.0,))
def celu(xp, x: Array, *, alpha: float = 1.0) -> Array:
    """x where x > 0 and alpha (e**(x / alpha) - 1) elsewhere: elu with derivative 1 at 0 for any alpha.

    Source: Barron 2017, arXiv:1704.07483.

    >>> celu(np.array([-1.0, 2.0]), alpha=2.0)
    array([-0.78693868,  2.        ])
    """
    return xp.maximum(x, 0.0) + alpha * xp.expm1(xp.minimum(x, 0.0) / alpha)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def _selu_rule(g: Array, x: Array) -> Array:
    # Not from `out`: near 0 from below, out + scale * alpha is the slope too, but at 0 it would be the greater one.
    curve = (_SELU_SCALE * _SELU_ALPHA) * exp(where(x < 0, x, -inf))
    return g * where(x < 0, curve, _SELU_SCALE)


@primitive(x=_selu_rule, kinks=(0.0,))
def selu(xp, x: Array) -> Array:
    """Scaled elu, 1.0507 elu(x, alpha=1.6733), which keeps mean 0 and variance 1; derivative 1.0507 at 0.

    Source: Klambauer et al. 2017, arXiv:1706.02515.

    >>> selu(np.array([-1.0, 2.0]))
    array([-1.11133074,  2.10140197])
    """
    return _SELU_SCALE * (xp.maximum(x, 0.0) + _SELU_ALPHA * xp.expm1(xp.minimum(x, 0.0)))


@primitive(x=lambda g, x: g / square(1.0 + abs(x)), kinks=(0.0,))
def softsign(xp, x: Array) -> Array:
    """x / (1 + |x|), from -1 to 1.

    >>> softsign(np.array([-1.0, 0.0, 3.0]))
    array([-0.5 ,  0.  ,  0.75])
    """
    size = xp.abs(x)
    return xp.where(size == inf, xp.sign(x), x / (1.0 + xp.where(size == inf, 0.0, size)))
