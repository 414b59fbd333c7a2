"""Smooth activations beyond those of `activations`, and gates."""

from __future__ import annotations

from typing import Any

from ..core.axes import axes_of
from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array, composite, primitive
from .activations import floored, sigmoid, softmax, softplus
from .elementwise import negative, square, tanh
from .joining import split
from .random import default_generator

__all__ = ["glu", "gumbel_softmax", "logsigmoid", "mish", "softmin", "tanhshrink"]


@composite()
def mish(x: Array) -> Array:
    """x tanh(softplus(x)).

    Source: Misra 2019, arXiv:1908.08681.

    >>> mish(np.array([-1.0, 0.0, 1.0]))
    array([-0.30340146,  0.        ,  0.86509839])
    """
    return floored(x) * tanh(softplus(x))


@composite()
def logsigmoid(x: Array) -> Array:
    """Logarithm of the logistic function, -log(1 + e**-x), without overflow.

    >>> logsigmoid(np.array([-100.0, 0.0]))
    array([-100.        ,   -0.69314718])
    """
    return negative(softplus(negative(x)))


@primitive(x=lambda g, x: g * square(tanh(x)))
def tanhshrink(xp, x: Array) -> Array:
    """x - tanh(x).

    >>> tanhshrink(np.array([-1.0, 0.0, 1.0]))
    array([-0.23840584,  0.        ,  0.23840584])
    """
    return x - xp.tanh(x)


@composite(shapes="any")
def glu(x: Array, /, axis: int = -1) -> Array:
    """Gated linear unit, a * sigmoid(b), where a and b are the first and second half of x along `axis`.

    Raises ShapeError if the axis has an odd length.
    Source: Dauphin et al. 2016, arXiv:1612.08083.

    >>> glu(np.array([1.0, 2.0, 0.0, 1000.0]))
    array([0.5, 2. ])
    """
    (axis,) = axes_of(axis, len(x.shape), "glu")
    if x.shape[axis] % 2:
        raise ShapeError(f"glu: x is {tuple(x.shape)} and axis={axis}; the length of the axis must be even.")
    value, gate = split(x, 2, axis=axis)
    return value * sigmoid(gate)


@composite(shapes="any", autocast="float32")
def softmin(x: Array, /, axis: int | tuple[int, ...] = -1) -> Array:
    """Softmax of -x over `axis`.

    >>> softmin(np.array([0.0, 1000.0]))
    array([1., 0.])
    """
    return softmax(negative(x), axis=axis)


def gumbel_softmax(logits: Array, *, tau: float = 1.0, hard: bool = False, axis: int = -1, rng: Any = None) -> Array:
    """A random choice along `axis` with probabilities softmax(logits), relaxed: softmax((logits + Gumbel noise) / tau).

    hard : the value is the choice itself, 1 at one place and 0 elsewhere; the derivative stays that of the softmax.
    rng : the generator to draw from; the default generator if None.
    Raises ShapeError unless tau > 0.
    Source: Jang et al. 2016, arXiv:1611.01144.

    >>> gumbel_softmax(np.array([0.0, 1000.0]), hard=True)
    array([0., 1.])
    """
    if not tau > 0:
        raise ShapeError(f"gumbel_softmax: tau is {tau}; it must be positive.")
    data = unwrap(logits)
    backend = backend_of(data)
    xp = backend.xp
    # float64, so that no number drawn comes near 0 or 1, where the noise would be infinite.
    drawn = (rng or default_generator()).uniform(data.shape, dtype="float64", low=1e-16, device=backend.device_of(data))
    noise = xp.astype(-xp.log(-xp.log(unwrap(drawn))), data.dtype)
    soft = softmax((logits + noise) / tau, axis=axis)
    if not hard:
        return soft
    (axis,) = axes_of(axis, len(data.shape), "gumbel_softmax")
    value = unwrap(soft)
    n = value.shape[axis]
    positions = xp.reshape(xp.arange(n), tuple(n if i == axis else 1 for i in range(len(value.shape))))
    chosen = xp.astype(xp.argmax(value, axis=axis, keepdims=True) == positions, value.dtype)
    return chosen + (soft - value)  # exactly the choice: the difference is 0
