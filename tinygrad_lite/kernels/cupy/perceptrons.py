"""A kernel for `ops/perceptrons.py`: activations in the epilogues of matrix products.

Each layer is one call of cuBLASLt forward and, beside the gradient of its weight, one backward. The results of hidden
layers are written once and never read again but by products; a ReLU keeps one bit for each element. Against operations
one by one, which read and write each hidden result twice more forward and three times more backward.
"""

from __future__ import annotations

from itertools import pairwise
from math import pi, sqrt
from typing import Any, NamedTuple

from ... import ops
from ...core.op import kernel
from ...cuda.cublaslt import Epilogue
from ...cuda.module import cupy
from ...cuda.plans import auxiliary, multiply
from .products import affine, linear, matmul

__all__ = ["mlp"]

_NAMES = {"relu": "RELU", "gelu_tanh": "GELU"}


class _Hidden(NamedTuple):
    """A hidden layer. aux : what the epilogue kept, if there was one. argument : of the activation otherwise."""

    result: Any
    aux: Any
    argument: Any


def _layers(x: Any, *layers: Any, activation: str = "relu") -> bool:
    """At least two layers that fit each other, and an activation that cuBLASLt has."""
    if activation not in _NAMES or len(layers) < 4 or len(layers) % 2 or not affine(x, layers[0], layers[1]):
        return False
    following = zip(pairwise(layers[::2]), layers[3::2], strict=True)
    return all(affine(before.T, weight, bias) for (before, weight), bias in following)


@kernel(ops.mlp, "cupy", when=_layers)
def mlp(x: Any, *layers: Any, activation: str = "relu", needs: tuple[bool, ...]) -> Any:
    """Bias and activation are applied to each product before it is stored."""
    inputs = [x if x.ndim == 2 else x.reshape(-1, x.shape[-1])]
    hidden = []
    for i in range(0, len(layers) - 2, 2):
        layer = _hidden(inputs[-1], layers[i], layers[i + 1], activation, keep=any(needs[: i + 3]))
        hidden.append(layer)
        inputs.append(layer.result)
    out = linear.forward(inputs[-1], *layers[-2:])
    saved = x.shape, inputs, hidden, layers[::2], activation
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], out.shape[-1]), saved


def _hidden(rows: Any, weight: Any, bias: Any, activation: str, *, keep: bool) -> _Hidden:
    """A layer and its activation, with what the gradient will need if there will be one."""
    epilogue = Epilogue[_NAMES[activation] + "_AUX" * keep + "_BIAS" * (bias is not None)]
    aux = auxiliary(epilogue, rows.shape[0], weight.shape[0], rows.dtype) if keep else None
    if bias is None or bias.flags.c_contiguous:
        result = multiply(rows, weight.T, epilogue, bias, aux)
        if result is not None:
            return _Hidden(result, aux, None)
    argument = linear.forward(rows, weight, bias)
    result = ops.relu(argument) if activation == "relu" else ops.gelu(argument, approximate="tanh")
    return _Hidden(result, None, argument)


@mlp.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    shape, inputs, hidden, weights, activation = saved
    found: list[Any] = [None] * len(needs)
    g = g.reshape(-1, g.shape[-1])
    sums: Any = None
    for i in reversed(range(len(weights))):
        of_weight, of_bias = needs[2 * i + 1 : 2 * i + 3]
        if of_weight:
            found[2 * i + 1], sums = _of_weight(g, inputs[i], sums, wants_sums=of_bias)
        if of_bias:
            found[2 * i + 2] = cupy().sum(g, axis=0) if sums is None else sums
        if not any(needs[: 2 * i + 1]):
            break
        if i:
            g, sums = _through(g, weights[i], hidden[i - 1], activation, wants_sums=needs[2 * i])
    if needs[0]:
        found[0] = matmul.forward(g, weights[0]).reshape(shape)
    return tuple(found)


def _of_weight(g: Any, rows: Any, sums: Any, *, wants_sums: bool) -> tuple[Any, Any]:
    """The gradient of a weight, and if it is not known yet that of the bias, in one pass over g."""
    if wants_sums and sums is None and g.shape[0] > 1:
        sums = cupy().empty(g.shape[1], dtype=g.dtype)
        out = multiply(g.T, rows, Epilogue.BGRADB, sums)
        if out is not None:
            return out, sums
        sums = None
    return matmul.forward(g.T, rows), sums


def _through(g: Any, weight: Any, layer: _Hidden, activation: str, *, wants_sums: bool) -> tuple[Any, Any]:
    """The gradient of an activation's argument, and its sums over the rows if they come with it."""
    if layer.aux is not None:
        sums = cupy().empty(weight.shape[1], dtype=g.dtype) if wants_sums else None
        epilogue = Epilogue["D" + _NAMES[activation] + "_BGRAD" * wants_sums]
        out = multiply(g, weight, epilogue, sums, layer.aux)
        if out is not None:
            return out, sums
    out = matmul.forward(g, weight)
    if activation == "relu":
        return ops.where(layer.result > 0, out, 0.0), None
    argument = layer.aux[:, : weight.shape[1]] if layer.argument is None else layer.argument
    return (out * _slope(argument)).astype(out.dtype), None


def _slope(z: Any) -> Any:
    """The derivative of gelu with tanh, s + z s' with s = sigmoid(u(z)); of 16-bit numbers in float32."""
    z = z.astype("float32") if z.dtype.itemsize == 2 else z
    s = ops.sigmoid(z * (2 * sqrt(2 / pi) + (2 * sqrt(2 / pi) * 0.044715) * z * z))
    return s + ops.floored(z) * s * (1.0 - s) * (2 * sqrt(2 / pi) + (6 * sqrt(2 / pi) * 0.044715) * z * z)
