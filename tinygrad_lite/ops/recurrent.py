"""Recurrent layers' way through time: the steps of a sequence one after another, each with the state of the one before.

The sequences of a batch lie packed: at each time the rows of those that are that long, one time after another, the
longest sequence first. `batch_sizes` says how many rows each time has, so it never grows; where all sequences have the
same length, rows are those of an array `(time, n, ...)`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any

from ..core.axes import shape_of
from ..core.errors import ShapeError
from ..core.op import Array, composite
from .activations import relu, sigmoid
from .elementwise import tanh
from .joining import concat, split
from .linear_maps import linear

__all__ = ["gru_scan", "lstm_scan", "rnn_scan"]

Sizes = tuple[int, ...]


@composite(shapes="any", autocast="low")
def rnn_scan(
    x: Array, weight: Array, h: Array, /, *, batch_sizes: Sizes, nonlinearity: str = "tanh", reverse: bool = False
) -> Array:
    """The steps of a plain recurrent layer, h' = tanh(x + h weightᵀ), over packed sequences.

    x : (rows, k), what each step adds, with biases. weight : (k, k). h : (n, k), the states before.
    batch_sizes : how many rows belong to each time; a sum of rows, a first of n. reverse : from the last time on.
    nonlinearity : `"tanh"` or `"relu"`.
    Returns (rows + n, k): the states after each step in the order of x, and below them the final states (n, k).
    Raises ShapeError for shapes that do not fit.

    >>> x, weight, h = np.ones((3, 1)), np.zeros((1, 1)), np.zeros((2, 1))
    >>> rnn_scan(x, weight, h, batch_sizes=(2, 1), nonlinearity="relu").shape
    (5, 1)
    """
    _check("rnn_scan", 1, x, weight, batch_sizes, h)
    if nonlinearity not in ("tanh", "relu"):
        raise ShapeError(f"rnn_scan: nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'.")
    function = tanh if nonlinearity == "tanh" else relu

    def step(x: Array, h: Array) -> tuple[Array, ...]:
        return (function(linear(h, weight) + x),)

    return concat(scan_steps(step, x, (h,), batch_sizes, reverse))


@composite(shapes="any", autocast="low")
def lstm_scan(x: Array, weight: Array, h: Array, c: Array, /, *, batch_sizes: Sizes, reverse: bool = False) -> Array:
    """The steps of a long short-term memory over packed sequences.

    The four parts of x + h weightᵀ are i, f, g, o; c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c').

    x : (rows, 4 k), what each step adds, with biases. weight : (4 k, k). h, c : (n, k), the states before.
    batch_sizes, reverse : as for `rnn_scan`.
    Returns (rows + 2 n, k): h after each step in the order of x, and below them the final h and the final c.
    Raises ShapeError for shapes that do not fit.
    Source: Hochreiter, Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    >>> lstm_scan(np.ones((3, 8)), np.zeros((8, 2)), np.zeros((1, 2)), np.zeros((1, 2)), batch_sizes=(1, 1, 1)).shape
    (5, 2)
    """
    _check("lstm_scan", 4, x, weight, batch_sizes, h, c)

    def step(x: Array, h: Array, c: Array) -> tuple[Array, ...]:
        i, f, g, o = split(linear(h, weight) + x, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    return concat(scan_steps(step, x, (h, c), batch_sizes, reverse))


@composite(shapes="any", autocast="low")
def gru_scan(
    x: Array, weight: Array, h: Array, bias: Array | None = None, /, *, batch_sizes: Sizes, reverse: bool = False
) -> Array:
    """The steps of gated recurrent units over packed sequences.

    With the three parts of x, and those of h weightᵀ + bias: r = sigmoid(x_r + h_r), z = sigmoid(x_z + h_z),
    n = tanh(x_n + r h_n), and h' = (1 - z) n + z h.

    x : (rows, 3 k), what each step adds, with its biases. weight : (3 k, k). h : (n, k), the states before. bias :
    (3 k,) or None. batch_sizes, reverse : as for `rnn_scan`.
    Returns (rows + n, k): h after each step in the order of x, and below them the final h.
    Raises ShapeError for shapes that do not fit.
    Source: Cho et al. 2014, arXiv:1406.1078, with the reset after the product, as cuDNN and PyTorch have it.

    >>> gru_scan(np.ones((3, 6)), np.zeros((6, 2)), np.zeros((1, 2)), batch_sizes=(1, 1, 1)).shape
    (4, 2)
    """
    _check("gru_scan", 3, x, weight, batch_sizes, h)
    width = shape_of(h)[1]

    def step(x: Array, h: Array) -> tuple[Array, ...]:
        x_gates, x_n = split(x, [2 * width], axis=1)
        h_gates, h_n = split(linear(h, weight, bias), [2 * width], axis=1)
        r, z = split(sigmoid(x_gates + h_gates), 2, axis=1)
        n = tanh(x_n + r * h_n)
        return (n + z * (h - n),)

    return concat(scan_steps(step, x, (h,), batch_sizes, reverse))


def scan_steps(
    step: Callable[..., tuple[Array, ...]], x: Array, states: tuple[Array, ...], batch_sizes: Sizes, reverse: bool
) -> list[Array]:
    """The first state after each step, in the order of x, and then the final states.

    step : from the rows of x at a time and of the states to the new states.
    states : (n, ...) each; rows of sequences that have ended, or not begun, keep theirs.
    """
    parts = list(zip(split(x, list(accumulate(batch_sizes))[:-1]), batch_sizes, strict=True))
    outputs = []
    for rows, size in reversed(parts) if reverse else parts:
        whole = size == states[0].shape[0]
        active = states if whole else tuple(state[:size, :] for state in states)
        new = step(rows, *active)
        outputs.append(new[0])
        states = new if whole else tuple(concat([a, b[size:, :]]) for a, b in zip(new, states, strict=True))
    return [*(reversed(outputs) if reverse else outputs), *states]


def _check(op: str, parts: int, x: Any, weight: Any, batch_sizes: Sizes, *states: Any) -> None:
    rows, shape, others = shape_of(x), shape_of(weight), [shape_of(state) for state in states]
    k = shape[-1] if shape else 0
    fits = len(rows) == len(shape) == 2 and shape[0] == rows[1] == parts * k
    count = others[0][0] if others[0] else 0
    if not fits or any(other != (count, k) for other in others):
        width = f"{parts} k" if parts > 1 else "k"
        raise ShapeError(
            f"{op}: x is {rows}, weight is {shape} and the states are {', '.join(map(str, others))}; they must be "
            f"(rows, {width}), ({width}, k) and (n, k)."
        )
    steady = len(batch_sizes) > 0 and list(batch_sizes) == sorted(batch_sizes, reverse=True)
    positive = min(batch_sizes, default=0) > 0 or count == 0  # where there are no sequences, no time has rows
    if not steady or not positive or sum(batch_sizes) != rows[0] or batch_sizes[0] != count:
        raise ShapeError(
            f"{op}: batch_sizes is {batch_sizes}, x is {rows} and the states are {others[0]}; they must be positive "
            f"numbers that never grow, begin with {count} and have the sum {rows[0]}."
        )
