"""Kernels for `ops/recurrent.py`: all steps in one call, with the gradient of the weight as one product at the end.

A sigmoid is computed as (1 + tanh(x / 2)) / 2, so that one call of tanh serves all gates of a step.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from ... import ops
from ...core.op import kernel
from .rows import floats

__all__ = ["gru_scan", "lstm_scan", "rnn_scan"]


def _takes(parts: int, x: Any, weight: Any, batch_sizes: tuple[int, ...], *states: Any) -> bool:
    """Arrays of one dtype that fit together; the definition explains what is wrong with others."""
    if not all(floats(array) and array.ndim == 2 and array.dtype == x.dtype for array in (x, weight, *states)):
        return False
    n, k = states[0].shape
    if weight.shape != (parts * k, k) or x.shape[1] != parts * k or any(s.shape != (n, k) for s in states):
        return False
    if min(batch_sizes, default=0) < 1 or batch_sizes[0] != n or sum(batch_sizes) != len(x):
        return False
    return all(a >= b for a, b in pairwise(batch_sizes))


def _steps(batch_sizes: tuple[int, ...], reverse: bool) -> list[tuple[slice, int]]:
    """The rows of each step and their number, in the order in which the steps are made."""
    ends = accumulate(batch_sizes)
    steps = [(slice(end - size, end), size) for end, size in zip(ends, batch_sizes, strict=True)]
    return steps[::-1] if reverse else steps


class _Sigmoids:
    """Gates made by one call of tanh: half of x before it, half of 1 + tanh after it, in some of the columns."""

    def __init__(self, columns: list[bool], width: int, dtype: np.dtype) -> None:
        self.scale = np.repeat(np.where(columns, 0.5, 1.0), width).astype(dtype)
        self.shift = np.repeat(np.where(columns, 0.5, 0.0), width).astype(dtype)

    def apply(self, gates: np.ndarray) -> None:
        """Gates (b, columns) from what goes into them, in place."""
        gates *= self.scale
        np.tanh(gates, out=gates)
        gates *= self.scale
        gates += self.shift


def _lstm_takes(x: Any, weight: Any, h: Any, c: Any, *, batch_sizes: Any, reverse: bool = False) -> bool:
    return _takes(4, x, weight, batch_sizes, h, c)


@kernel(ops.lstm_scan, "numpy", when=_lstm_takes)
def lstm_scan(
    x: Any, weight: Any, h: Any, c: Any, *, batch_sizes: Any, reverse: bool = False, needs: tuple[bool, ...] = ()
) -> Any:
    """Each step: one product, one tanh of all gates, one of the cells."""
    (rows, columns), (n, k), dtype = x.shape, h.shape, x.dtype
    out = np.empty((rows + 2 * n, k), dtype)
    states, cells = out[rows : rows + n], out[rows + n :]
    states[...], cells[...] = h, c
    gates, squashed = np.empty((rows, columns), dtype), np.empty((rows, k), dtype)
    before = np.empty((2, rows, k), dtype) if any(needs) else None
    transposed, sigmoids = np.ascontiguousarray(weight.T), _Sigmoids([True, True, False, True], k, dtype)
    steps, part = _steps(batch_sizes, reverse), np.empty((n, k), dtype)
    for at, b in steps:
        state, cell, gate = states[:b], cells[:b], gates[at]
        if before is not None:
            before[0, at], before[1, at] = state, cell
        np.matmul(state, transposed, out=gate)
        gate += x[at]
        sigmoids.apply(gate)
        i, f, g, o = (gate[:, j * k : (j + 1) * k] for j in range(4))
        cell *= f
        cell += np.multiply(i, g, out=part[:b])
        np.tanh(cell, out=squashed[at])
        np.multiply(o, squashed[at], out=state)
        out[at] = state
    return out, (weight, gates, squashed, before, steps)


@lstm_scan.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    weight, gates, squashed, before, steps = saved
    rows, k = squashed.shape
    to_h, to_c = (np.array(part) for part in np.split(g[rows:], 2))
    into = np.empty_like(gates)
    slopes, part = np.empty_like(gates[: len(to_h)]), np.empty_like(to_h)
    for at, b in reversed(steps):
        up, cell, gate, grad, slope, tanh, extra = (
            to_h[:b], to_c[:b], gates[at], into[at], slopes[:b], squashed[at], part[:b],
        )  # fmt: skip
        up += g[at]
        inner, forget, candidate, outer = (gate[:, j * k : (j + 1) * k] for j in range(4))
        np.multiply(gate, gate, out=slope)
        np.subtract(gate, slope, out=slope)
        middle = slope[:, 2 * k : 3 * k]
        np.multiply(candidate, candidate, out=middle)
        np.subtract(1, middle, out=middle)
        np.multiply(up, tanh, out=grad[:, 3 * k :])
        np.multiply(tanh, tanh, out=extra)
        np.subtract(1, extra, out=extra)
        extra *= outer
        extra *= up
        cell += extra
        np.multiply(cell, candidate, out=grad[:, :k])
        np.multiply(cell, before[1, at], out=grad[:, k : 2 * k])
        np.multiply(cell, inner, out=grad[:, 2 * k : 3 * k])
        grad *= slope
        cell *= forget
        np.matmul(grad, weight, out=up)
    return into, into.T @ before[0] if needs[1] else None, to_h, to_c


def _gru_takes(x: Any, weight: Any, h: Any, bias: Any = None, *, batch_sizes: Any, reverse: bool = False) -> bool:
    if bias is not None and not (floats(bias) and bias.dtype == x.dtype and bias.shape == weight.shape[:1]):
        return False
    return _takes(3, x, weight, batch_sizes, h)


@kernel(ops.gru_scan, "numpy", when=_gru_takes)
def gru_scan(
    x: Any, weight: Any, h: Any, bias: Any = None, *, batch_sizes: Any, reverse: bool = False,
    needs: tuple[bool, ...] = (),
) -> Any:  # fmt: skip
    """Each step: one product, one tanh of two gates, one of the candidates."""
    (rows, columns), (n, k), dtype = x.shape, h.shape, x.dtype
    out = np.empty((rows + n, k), dtype)
    states = out[rows:]
    states[...] = h
    gates = np.empty((rows, columns), dtype)
    before = np.empty((2, rows, k), dtype)  # the states, and what they add to the candidates
    transposed, sigmoids = np.ascontiguousarray(weight.T), _Sigmoids([True, True], k, dtype)
    steps, product = _steps(batch_sizes, reverse), np.empty((n, columns), dtype)
    for at, b in steps:
        state, gate, own = states[:b], gates[at], product[:b]
        before[0, at] = state
        np.matmul(state, transposed, out=own)
        if bias is not None:
            own += bias
        np.add(own[:, : 2 * k], x[at, : 2 * k], out=gate[:, : 2 * k])
        sigmoids.apply(gate[:, : 2 * k])
        r, z, candidate = (gate[:, j * k : (j + 1) * k] for j in range(3))
        before[1, at] = own[:, 2 * k :]
        np.multiply(r, own[:, 2 * k :], out=candidate)
        candidate += x[at, 2 * k :]
        np.tanh(candidate, out=candidate)
        state -= candidate
        state *= z
        state += candidate
        out[at] = state
    return out, (weight, gates, before, steps)


@gru_scan.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    weight, gates, before, steps = saved
    rows, k = before.shape[1:]
    to_h = np.array(g[rows:])
    into = np.empty_like(gates)
    products = np.empty_like(gates)  # the gradient of h weightᵀ + bias
    slopes, part = np.empty_like(gates[: len(to_h)]), np.empty_like(to_h)
    for at, b in reversed(steps):
        up, gate, grad, slope, product, extra = to_h[:b], gates[at], into[at], slopes[:b], products[at], part[:b]
        up += g[at]
        r, z, candidate = (gate[:, j * k : (j + 1) * k] for j in range(3))
        np.multiply(gate, gate, out=slope)
        np.subtract(gate[:, : 2 * k], slope[:, : 2 * k], out=slope[:, : 2 * k])
        np.subtract(1, slope[:, 2 * k :], out=slope[:, 2 * k :])
        to_r, to_z, to_n = (grad[:, j * k : (j + 1) * k] for j in range(3))
        np.subtract(before[0, at], candidate, out=to_z)
        to_z *= up
        np.multiply(up, z, out=extra)
        np.subtract(up, extra, out=to_n)
        to_n *= slope[:, 2 * k :]
        np.multiply(to_n, before[1, at], out=to_r)
        grad[:, : 2 * k] *= slope[:, : 2 * k]
        product[:, : 2 * k] = grad[:, : 2 * k]
        np.multiply(to_n, r, out=product[:, 2 * k :])
        np.matmul(product, weight, out=up)
        up += extra
    of_weight = products.T @ before[0] if needs[1] else None
    return into, of_weight, to_h, products.sum(axis=0) if needs[3:] == (True,) else None


def _rnn_takes(
    x: Any, weight: Any, h: Any, *, batch_sizes: Any, nonlinearity: str = "tanh", reverse: bool = False
) -> bool:
    return nonlinearity in ("tanh", "relu") and _takes(1, x, weight, batch_sizes, h)


@kernel(ops.rnn_scan, "numpy", when=_rnn_takes)
def rnn_scan(
    x: Any, weight: Any, h: Any, *, batch_sizes: Any, nonlinearity: str = "tanh", reverse: bool = False,
    needs: tuple[bool, ...] = (),
) -> Any:  # fmt: skip
    """Each step: one product, one nonlinearity."""
    (rows, k), n = x.shape, len(h)
    out = np.empty((rows + n, k), x.dtype)
    states = out[rows:]
    states[...] = h
    before = np.empty((rows, k), x.dtype) if any(needs) else None
    transposed, steps = np.ascontiguousarray(weight.T), _steps(batch_sizes, reverse)
    for at, b in steps:
        state, new = states[:b], out[at]
        if before is not None:
            before[at] = state
        np.matmul(state, transposed, out=new)
        new += x[at]
        np.tanh(new, out=new) if nonlinearity == "tanh" else np.maximum(new, 0, out=new)
        state[...] = new
    return out, (weight, out, before, steps, nonlinearity)


@rnn_scan.backward
def _(g: Any, saved: tuple, needs: tuple[bool, ...]) -> tuple:
    weight, out, before, steps, nonlinearity = saved
    rows = len(before)
    to_h = np.array(g[rows:])
    into = np.empty_like(before)
    for at, b in reversed(steps):
        up, new, grad = to_h[:b], out[at], into[at]
        up += g[at]
        if nonlinearity == "tanh":
            np.multiply(new, new, out=grad)
            np.subtract(1, grad, out=grad)
            grad *= up
        else:
            np.multiply(up, new > 0, out=grad)
        np.matmul(grad, weight, out=up)
    return into, into.T @ before if needs[1] else None, to_h
