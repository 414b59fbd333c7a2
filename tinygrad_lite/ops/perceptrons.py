"""Linear maps one after another with an activation between them, as one operation."""

from __future__ import annotations

from functools import partial
from typing import Literal

from ..core.errors import ShapeError
from ..core.op import Array, composite
from .activations import gelu, relu
from .linear_maps import linear

__all__ = ["mlp"]

_ACTIVATIONS = {"relu": relu, "gelu": gelu, "gelu_tanh": partial(gelu, approximate="tanh")}


@composite(shapes="any", autocast="low")
def mlp(*arrays: Array, activation: Literal["relu", "gelu", "gelu_tanh"] = "relu") -> Array:
    """Multilayer perceptron: for each layer `linear`, and `activation` of the result of each but the last.

    arrays : x (..., n_0), then for each layer a weight (n_i, n_(i-1)) and a bias (n_i,) or None.
    activation : `"relu"`, `"gelu"`, or `"gelu_tanh"`, which is `gelu` with `approximate="tanh"`.

    The same as the operations one by one; but libraries have it as one step to add a bias and apply an activation to a
    product, and to multiply a gradient by an activation's derivative and sum it for a bias.
    Raises ShapeError for shapes that do not fit, for a layer without its bias (or None), and for other activations.

    >>> mlp(np.array([1.0, -2.0]), np.eye(2), np.array([0.0, 1.0]), np.ones((1, 2)), None)
    array([1.])
    """
    if len(arrays) < 3 or len(arrays) % 2 == 0:
        raise ShapeError(
            f"mlp: got {len(arrays)} arrays; x is required, and then for each layer a weight and a bias, or None."
        )
    if activation not in _ACTIVATIONS:
        known = ", ".join(map(repr, _ACTIVATIONS))
        raise ShapeError(f"mlp: activation is {activation!r}; it must be one of {known}.")
    x, *layers = arrays
    for i in range(0, len(layers), 2):
        x = linear(_ACTIVATIONS[activation](x) if i else x, layers[i], layers[i + 1])
    return x
