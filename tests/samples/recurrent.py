"""Samples of recurrent layers' steps."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, sample, st


def sequences(batch_sizes):
    """The rows of each sequence, in the order of time."""
    starts = np.cumsum([0, *batch_sizes])
    return [[starts[t] + i for t, size in enumerate(batch_sizes) if i < size] for i in range(batch_sizes[0])]


def scanned(step, x, states, batch_sizes, reverse):
    """One sequence at a time, one step at a time."""
    outputs, finals = np.empty((len(x), states[0].shape[1])), [state.copy() for state in states]
    for i, rows in enumerate(sequences(batch_sizes)):
        own = [state[i] for state in states]
        for row in rows[::-1] if reverse else rows:
            own = step(x[row], *own)
            outputs[row] = own[0]
        for final, value in zip(finals, own, strict=True):
            final[i] = value
    return np.concatenate([outputs, *finals])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn(x, weight, h, *, batch_sizes, nonlinearity="tanh", reverse=False):
    def step(x, h):
        new = x + weight @ h
        return [np.tanh(new) if nonlinearity == "tanh" else np.maximum(new, 0)]

    return scanned(step, x, [h], batch_sizes, reverse)


def lstm(x, weight, h, c, *, batch_sizes, reverse=False):
    def step(x, h, c):
        i, f, g, o = np.split(x + weight @ h, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]

    return scanned(step, x, [h, c], batch_sizes, reverse)


def gru(x, weight, h, bias=None, *, batch_sizes, reverse=False):
    def step(x, h):
        (x_r, x_z, x_n), (h_r, h_z, h_n) = np.split(x, 3), np.split(weight @ h + (0 if bias is None else bias), 3)
        z = sigmoid(x_z + h_z)
        return [(1 - z) * np.tanh(x_n + sigmoid(x_r + h_r) * h_n) + z * h]

    return scanned(step, x, [h], batch_sizes, reverse)


def drawn(draw, parts, states):
    """Arrays for so many states, and batch sizes."""
    sizes = sorted(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)), reverse=True)
    k = draw(st.integers(1, 2))
    shapes = [(sum(sizes), parts * k), (parts * k, k), *[(sizes[0], k)] * states]
    return [draw(arrays(shape)) for shape in shapes], {"batch_sizes": tuple(sizes), "reverse": draw(st.booleans())}


@sample("rnn_scan", reference=rnn)
def _(draw):
    inputs, statics = drawn(draw, 1, 1)
    return tuple(inputs), statics


@sample("rnn_scan", reference=rnn)
def _(draw):
    inputs, statics = drawn(draw, 1, 1)
    inputs[0] = np.sign(inputs[0]) * 10 + inputs[0]  # away from the kink
    inputs[1] = inputs[1] / 100
    return tuple(inputs), statics | {"nonlinearity": "relu"}


@sample("lstm_scan", reference=lstm)
def _(draw):
    inputs, statics = drawn(draw, 4, 2)
    return tuple(inputs), statics


@sample("gru_scan", reference=gru)
def _(draw):
    inputs, statics = drawn(draw, 3, 1)
    bias = draw(st.sampled_from([None, draw(arrays((inputs[1].shape[0],)))]))
    return (*inputs, bias), statics
