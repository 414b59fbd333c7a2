"""Initial values of parameters: the functions of `torch.nn.init`, with its names and arguments, and `rng=`.

Those that end in `_` give a tensor new values and return it; those that do not make an array of a shape:

    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", rng=rng)
    self.weight = Parameter(init.orthogonal((64, 64), rng=rng))

shape : a weight's `(out, in)` or `(out, in / groups, kh, kw)`.
rng : the generator to draw from; the default generator if None.
dtype, device : of the array; the default dtype and the CPU if None. A tensor keeps its own.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, erf, prod, sqrt
from typing import Any, Concatenate, Literal, ParamSpec

import numpy

from ..core.dtypes import default_dtype
from ..core.errors import DTypeError, ShapeError
from ..ops import creation, random
from ..tensor import Tensor

__all__ = [
    "calculate_gain", "constant", "constant_", "dirac", "dirac_", "eye", "eye_", "kaiming_normal", "kaiming_normal_",
    "kaiming_uniform", "kaiming_uniform_", "normal", "normal_", "ones", "ones_", "orthogonal", "orthogonal_", "sparse",
    "sparse_", "trunc_normal", "trunc_normal_", "uniform", "uniform_", "xavier_normal", "xavier_normal_",
    "xavier_uniform", "xavier_uniform_", "zeros", "zeros_",
]  # fmt: skip

P = ParamSpec("P")

Shape = tuple[int, ...]
Mode = Literal["fan_in", "fan_out"]

_CONVOLUTIONS = [f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)]
_GAINS = dict.fromkeys(["linear", *_CONVOLUTIONS, "sigmoid"], 1.0) | {"tanh": 5 / 3, "relu": sqrt(2), "selu": 3 / 4}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the scale of the values through a nonlinearity.

    nonlinearity : `"linear"`, the name of a convolution such as `"conv2d"`, or `"sigmoid"` (1), `"tanh"` (5/3),
        `"relu"` (sqrt 2), `"selu"` (3/4), or `"leaky_relu"`, sqrt(2 / (1 + param^2)).
    param : the negative slope, 0.01 if None, for `"leaky_relu"`.

    Raises ShapeError for any other name, DTypeError for a slope that is no number.

    >>> print(f"{nn.init.calculate_gain('relu'):.4f}")
    1.4142
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise DTypeError(f"calculate_gain: param is {param!r}; the negative slope, a number, is required.")
        return sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join(map(repr, [*_GAINS, "leaky_relu"]))
        raise ShapeError(f"calculate_gain: nonlinearity is {nonlinearity!r}; it must be one of {known}.")
    return _GAINS[nonlinearity]


def fans(shape: Shape) -> tuple[int, int]:
    """How many values each output is made of, and in how many outputs each input takes part: fan-in and fan-out."""
    if len(shape) < 2:
        raise ShapeError(f"init: shape is {tuple(shape)}; fan-in and fan-out need at least two axes, (out, in, ...).")
    window = prod(shape[2:])
    return shape[1] * window, shape[0] * window


def uniform(
    shape: Shape, a: float = 0.0, b: float = 1.0, *, rng: Any = None, dtype: Any = None, device: str | None = None
) -> Any:
    """Uniform on [a, b)."""
    return random.uniform(shape, low=a, high=b, rng=rng, dtype=dtype, device=device).data


def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, *, rng: Any = None, dtype: Any = None, device: str | None = None
) -> Any:
    """Normal with the given mean and standard deviation."""
    return random.normal(shape, mean=mean, std=std, rng=rng, dtype=dtype, device=device).data


def trunc_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, *, rng: Any = None, **how: Any
) -> Any:
    """Normal with the given mean and standard deviation, given that the values lie in [a, b]; exact, by rejection.

    a, b : the bounds, as values and not in units of std.

    Raises ShapeError unless a < b and std > 0.

    >>> bool(abs(nn.init.trunc_normal((1000,), std=0.02, a=-0.04, b=0.04)).max() <= 0.04)
    True
    """
    if not (a < b and std > 0):
        raise ShapeError(f"trunc_normal: a is {a}, b is {b} and std is {std}; a < b and std > 0 are required.")
    share = (erf((b - mean) / std / sqrt(2)) - erf((a - mean) / std / sqrt(2))) / 2
    mode = min(max(mean, a), b)
    peak = ((mode - mean) / std) ** 2
    low, high = max(a, mode - 10 * std), min(b, mode + 10 * std)  # what lies beyond has a probability below 1e-22

    values = numpy.empty(prod(shape))
    missing = numpy.arange(values.size)
    while missing.size:
        if share > 0.3:
            tried = normal((missing.size,), mean, std, rng=rng, dtype="float64")
            taken = (tried >= a) & (tried <= b)
        else:
            tried = uniform((missing.size,), low, high, rng=rng, dtype="float64")
            density = numpy.exp((peak - ((tried - mean) / std) ** 2) / 2)
            taken = uniform((missing.size,), rng=rng, dtype="float64") < density
        values[missing[taken]] = tried[taken]
        missing = missing[~taken]
    return _placed(values.reshape(shape), **how)


def constant(shape: Shape, val: float, *, dtype: Any = None, device: str | None = None) -> Any:
    """The same value everywhere."""
    return creation.full(shape, float(val), dtype=dtype, device=device).data


def zeros(shape: Shape, *, dtype: Any = None, device: str | None = None) -> Any:
    """0 everywhere."""
    return creation.zeros(shape, dtype=dtype, device=device).data


def ones(shape: Shape, *, dtype: Any = None, device: str | None = None) -> Any:
    """1 everywhere."""
    return creation.ones(shape, dtype=dtype, device=device).data


def eye(shape: Shape, **how: Any) -> Any:
    """1 on the diagonal of a matrix and 0 elsewhere: a linear layer that keeps its input. `how` is dtype, device."""
    if len(shape) != 2:
        raise ShapeError(f"eye: shape is {tuple(shape)}; two axes are required, (out, in).")
    return _placed(numpy.eye(*shape), **how)


def dirac(shape: Shape, groups: int = 1, **how: Any) -> Any:
    """The kernel of a convolution that keeps its input's channels, as many as there are; `how` is dtype, device.

    shape : (out, in / groups, *window) with a window of 1 to 3 axes; each of the groups keeps its channels.

    Raises ShapeError for another number of axes, or groups that do not divide out.

    >>> nn.init.dirac((1, 1, 3))
    array([[[0., 1., 0.]]], dtype=float32)
    """
    if len(shape) not in (3, 4, 5) or shape[0] % groups:
        raise ShapeError(
            f"dirac: shape is {tuple(shape)} and groups is {groups}; (out, in / groups, *window) with a window of 1 to "
            f"3 axes is required, and out must be divisible by groups."
        )
    values = numpy.zeros(shape)
    each = shape[0] // groups
    centre = tuple(n // 2 for n in shape[2:])
    for out in range(shape[0]):
        if out % each < shape[1]:
            values[(out, out % each, *centre)] = 1
    return _placed(values, **how)


def xavier_uniform(shape: Shape, gain: float = 1.0, **how: Any) -> Any:
    """Uniform with variance gain^2 * 2 / (fan-in + fan-out); `how` is rng, dtype, device.

    Source: X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010.
    """
    bound = gain * sqrt(6 / max(sum(fans(shape)), 1))
    return uniform(shape, -bound, bound, **how)


def xavier_normal(shape: Shape, gain: float = 1.0, **how: Any) -> Any:
    """Normal with variance gain^2 * 2 / (fan-in + fan-out); `how` is rng, dtype, device. Source: `xavier_uniform`'s."""
    return normal(shape, 0.0, gain * sqrt(2 / max(sum(fans(shape)), 1)), **how)


def kaiming_uniform(
    shape: Shape, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu", **how: Any
) -> Any:
    """Uniform with variance gain^2 / fan; the defaults' gain, sqrt 2, is relu's. `how` is rng, dtype, device.

    a : the negative slope, for `"leaky_relu"`.
    mode : `"fan_in"` keeps the scale of values in the forward pass, `"fan_out"` that of gradients in the backward pass.

    Source: K. He et al., Delving deep into rectifiers, 2015, arXiv:1502.01852.
    """
    bound = sqrt(3) * _kaiming_std(shape, a, mode, nonlinearity)
    return uniform(shape, -bound, bound, **how)


def kaiming_normal(
    shape: Shape, a: float = 0.0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu", **how: Any
) -> Any:
    """Normal with variance gain^2 / fan. Arguments and source as for `kaiming_uniform`."""
    return normal(shape, 0.0, _kaiming_std(shape, a, mode, nonlinearity), **how)


def _kaiming_std(shape: Shape, a: float, mode: Mode, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ShapeError(f"init: mode is {mode!r}; it must be 'fan_in' or 'fan_out'.")
    fan = fans(shape)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / sqrt(max(fan, 1))


def orthogonal(shape: Shape, gain: float = 1.0, *, rng: Any = None, **how: Any) -> Any:
    """A random matrix with orthonormal rows or columns, whichever are fewer, times gain; uniform among all of these.

    shape : (out, ...); the axes after the first are one.

    Raises ShapeError for fewer than two axes.
    Source: A. Saxe et al., Exact solutions to the nonlinear dynamics of learning in deep linear neural networks, 2014,
    arXiv:1312.6120; the signs: F. Mezzadri, How to generate random matrices from the classical compact groups, 2007.

    >>> q = nn.init.orthogonal((2, 5), dtype="float64")
    >>> (q @ q.T).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    if len(shape) < 2:
        raise ShapeError(f"orthogonal: shape is {tuple(shape)}; at least two axes are required, (out, in, ...).")
    rows, columns = shape[0], prod(shape[1:])
    drawn = normal((max(rows, columns), min(rows, columns)), rng=rng, dtype="float64")
    q, r = numpy.linalg.qr(drawn)
    q = q * numpy.sign(numpy.diagonal(r))
    return _placed(gain * (q if rows >= columns else q.T).reshape(shape), **how)


def sparse(shape: Shape, sparsity: float, std: float = 0.01, *, rng: Any = None, **how: Any) -> Any:
    """Normal around 0 with standard deviation std, but in each column a share of `sparsity`, rounded up, is 0.

    Raises ShapeError unless there are two axes and sparsity is from 0 to 1.
    Source: J. Martens, Deep learning via Hessian-free optimization, 2010.

    >>> (nn.init.sparse((4, 3), 0.5) == 0).sum(axis=0)
    array([2, 2, 2])
    """
    if len(shape) != 2 or not 0 <= sparsity <= 1:
        raise ShapeError(
            f"sparse: shape is {tuple(shape)} and sparsity is {sparsity}; two axes, (out, in), and a share from 0 to 1 "
            f"are required."
        )
    values = normal(shape, 0.0, std, rng=rng, dtype="float64")
    places = numpy.argsort(uniform(shape, rng=rng), axis=0)[: ceil(sparsity * shape[0])]
    numpy.put_along_axis(values, places, 0.0, axis=0)
    return _placed(values, **how)


def _placed(values: numpy.ndarray, dtype: Any = None, device: str | None = None) -> Any:
    """Values that were made in main memory, in a dtype and on a device."""
    return creation.tensor(values, dtype=default_dtype() if dtype is None else dtype, device=device).data


# The same for tensors


def _in_place(make: Callable[Concatenate[Shape, P], Any]) -> Callable[Concatenate[Tensor, P], Tensor]:
    """`make` with a tensor for its shape: the tensor gets the values, in its own dtype and on its own device."""

    def fill(tensor: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        options: dict[str, Any] = {**kwargs, "dtype": tensor.dtype, "device": tensor.device}
        tensor.data = make(tuple(tensor.shape), *args, **options)
        return tensor

    fill.__name__ = fill.__qualname__ = f"{make.__name__}_"
    fill.__doc__ = f"Give a tensor values as `{make.__name__}` makes them, with the same arguments; returns the tensor."
    return fill


uniform_ = _in_place(uniform)
normal_ = _in_place(normal)
trunc_normal_ = _in_place(trunc_normal)
constant_ = _in_place(constant)
zeros_ = _in_place(zeros)
ones_ = _in_place(ones)
eye_ = _in_place(eye)
dirac_ = _in_place(dirac)
xavier_uniform_ = _in_place(xavier_uniform)
xavier_normal_ = _in_place(xavier_normal)
kaiming_uniform_ = _in_place(kaiming_uniform)
kaiming_normal_ = _in_place(kaiming_normal)
orthogonal_ = _in_place(orthogonal)
sparse_ = _in_place(sparse)
