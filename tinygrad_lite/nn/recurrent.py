"""Recurrent layers. Their cells, for single steps, are in `cells.py`."""

from __future__ import annotations

from math import sqrt
from typing import Any, ClassVar, Literal

from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array
from ..ops import (
    concat,
    dropout,
    gru_scan,
    linear,
    lstm_scan,
    permute_dims,
    reshape,
    rnn_scan,
    sigmoid,
    split,
    stack,
    take,
    tanh,
    zeros,
)
from ..ops.recurrent import scan_steps
from . import init
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence, indices_like, pack_padded_sequence, pad_packed_sequence

__all__ = ["GRU", "LSTM", "RNN", "steps_of"]


def steps_of(
    module: Any, x: Array, names: tuple[str | None, ...], states: tuple[Array, ...], sizes: tuple[int, ...],
    reverse: bool,
) -> list[Array]:  # fmt: skip
    """The outputs of packed rows x with a layer's or cell's weights of these names, and the final states."""
    w_ih, w_hh, b_ih, b_hh, w_hr = (None if name is None else getattr(module, name) for name in names)
    how = {"batch_sizes": sizes, "reverse": reverse}
    rows, n = sum(sizes), sizes[0]
    if module.parts == 3:
        return split(gru_scan(linear(x, w_ih, b_ih), w_hh, *states, b_hh, **how), [rows])
    gates = linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
    if module.parts == 1:
        return split(rnn_scan(gates, w_hh, *states, nonlinearity=module.nonlinearity, **how), [rows])
    if w_hr is None:
        return split(lstm_scan(gates, w_hh, *states, **how), [rows, rows + n])

    def projected(x: Array, h: Array, c: Array) -> tuple[Array, ...]:
        i, f, g, o = split(linear(h, w_hh) + x, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return linear(sigmoid(o) * tanh(c), w_hr), c

    *outputs, h, c = scan_steps(projected, gates, states, sizes, reverse)
    return [concat(outputs), h, c]


class _Recurrent(Module):
    """Layers of recurrent units, perhaps in both directions. Names of parameters are those of PyTorch."""

    parts: ClassVar[int]
    states: ClassVar[int] = 1

    def _start(
        self, input_size: int, hidden_size: int, num_layers: int, bias: bool, batch_first: bool, p: float,
        bidirectional: bool, rng: Any, dtype: Any, device: str | None, proj_size: int = 0,
    ) -> None:  # fmt: skip
        name = type(self).__name__
        for what, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if value < 1:
                raise ShapeError(f"{name}: {what} is {value}; it must be at least 1.")
        if not 0.0 <= p <= 1.0:
            raise ShapeError(f"{name}: dropout is {p}; it must be a probability, from 0 to 1.")
        if not 0 <= proj_size < hidden_size:
            raise ShapeError(f"{name}: proj_size is {proj_size}; it must be less than hidden_size = {hidden_size}.")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, p, bidirectional
        self.proj_size, self.rng = proj_size, rng
        bound, gates, out = 1 / sqrt(hidden_size), self.parts * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else out * (1 + bidirectional)
            shapes = [(gates, inputs), (gates, out), (gates,), (gates,), (proj_size, hidden_size)]
            for direction in range(1 + bidirectional):
                for parameter, shape in zip(self._names(layer, direction), shapes, strict=True):
                    if parameter is not None:
                        values = init.uniform(shape, -bound, bound, rng=rng, dtype=dtype, device=device)
                        setattr(self, parameter, Parameter(values))

    def _names(self, layer: int, direction: int) -> tuple[str | None, ...]:
        """Those of w_ih, w_hh, b_ih, b_hh and w_hr; None for what there is not."""
        present = (True, True, self.bias, self.bias, self.proj_size > 0)
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        end = f"_l{layer}" + "_reverse" * direction
        return tuple(kind + end if there else None for kind, there in zip(kinds, present, strict=True))

    def forward(self, x: Any, hx: Any = None, *, lengths: Any = None) -> tuple[Any, Any]:
        if isinstance(x, PackedSequence):
            rows, states = self._run(x.data, x.batch_sizes, self._initial(x.data, x.batch_sizes[0], hx, x))
            return x._replace(data=rows), self._final(states, x)
        shape = tuple(x.shape)
        swapped = self.batch_first and len(shape) == 3
        if len(shape) not in (2, 3) or shape[-1] != self.input_size or shape[swapped] == 0:
            order = "(n, time, {})" if self.batch_first else "(time, n, {})"
            raise ShapeError(
                f"{type(self).__name__}: input is {shape}; it must be {order.format(self.input_size)}, or (time, "
                f"{self.input_size}), with input_size = {self.input_size} and at least one time."
            )
        if lengths is not None:
            packed = pack_padded_sequence(x, lengths, self.batch_first, enforce_sorted=False)
            out, states = self.forward(packed, hx)
            return pad_packed_sequence(out, self.batch_first, total_length=shape[swapped])[0], states
        time, n = (shape[1], shape[0]) if swapped else (shape[0], 1 if len(shape) == 2 else shape[1])
        rows = reshape(permute_dims(x, (1, 0, 2)) if swapped else x, (time * n, self.input_size))
        if hx is not None and len(shape) == 2:
            hx = tuple(state[:, None] for state in self._states(hx))
            hx = hx if self.states > 1 else hx[0]
        rows, states = self._run(rows, (n,) * time, self._initial(x, n, hx, None))
        if len(shape) == 2:
            finals = tuple(state[:, 0] for state in states)
            return rows, finals if self.states > 1 else finals[0]
        out = reshape(rows, (time, n, rows.shape[-1]))
        return permute_dims(out, (1, 0, 2)) if swapped else out, self._final(states, None)

    def _states(self, hx: Any) -> tuple[Array, ...]:
        if self.states == 1:
            return (hx,)
        if not isinstance(hx, (tuple, list)) or len(hx) != self.states:
            raise ShapeError(f"{type(self).__name__}: hx must be a pair, (h, c); it is a {type(hx).__name__}.")
        return tuple(hx)

    def _initial(self, x: Array, n: int, hx: Any, packed: PackedSequence | None) -> tuple[Array, ...]:
        """The states before, (layers * directions, n, size) each, in the order of the packed sequences."""
        count = self.num_layers * (1 + self.bidirectional)
        shapes = [(count, n, self.proj_size or self.hidden_size), (count, n, self.hidden_size)][: self.states]
        if hx is None:
            raw = unwrap(x)
            how = {"dtype": raw.dtype, "device": backend_of(raw).device_of(raw)}
            return tuple(zeros(shape, **how) for shape in shapes)
        states = self._states(hx)
        for state, shape in zip(states, shapes, strict=True):
            if tuple(state.shape) != shape:
                # Without an axis of sequences, the caller's shapes have none either.
                raise ShapeError(f"{type(self).__name__}: a state in hx is {tuple(state.shape)}; it must be {shape}.")
        if packed is None or packed.sorted_indices is None:
            return states
        return tuple(take(state, indices_like(state, packed.sorted_indices), axis=1) for state in states)

    def _final(self, states: tuple[Array, ...], packed: PackedSequence | None) -> Any:
        if packed is not None and packed.unsorted_indices is not None:
            order = packed.unsorted_indices
            states = tuple(take(state, indices_like(state, order), axis=1) for state in states)
        return states if self.states > 1 else states[0]

    def _run(self, x: Array, sizes: tuple[int, ...], initial: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """The outputs of packed rows x, (rows, directions * size), and the final states of all layers."""
        finals: list[list[Array]] = []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(1 + self.bidirectional):
                before = tuple(state[len(finals)] for state in initial)
                output, *after = steps_of(self, x, self._names(layer, direction), before, sizes, direction == 1)
                outputs.append(output)
                finals.append(after)
            x = outputs[0] if len(outputs) == 1 else concat(outputs, axis=1)
            if self.dropout and layer < self.num_layers - 1:
                x = dropout(x, p=self.dropout, training=self.training, rng=self.rng)
        return x, tuple(stack([after[i] for after in finals]) for i in range(self.states))


class RNN(_Recurrent):
    """Layers of plain recurrent units, h' = tanh(W_ih x + b_ih + W_hh h + b_hh); see `rnn_scan`.

    input_size, hidden_size : lengths of the last axes of input and of h.
    num_layers : each takes the outputs of the one before.
    nonlinearity : `"tanh"` or `"relu"`.
    bias : whether there are b_ih and b_hh.
    batch_first : whether arrays are (n, time, ...) instead of (time, n, ...); not those of states.
    dropout : the probability of dropout of the outputs of each layer but the last, in training.
    bidirectional : whether each layer has a second part that goes from the last time to the first; the outputs of both
        are beside each other.
    rng : generator of the initial values, uniform in +-1/sqrt(hidden_size), and of dropout; the default one if None.

    Called with x, (time, n, input_size), (n, time, input_size), (time, input_size) or a `PackedSequence`, and with the
    states hx before, (num_layers * directions, n, hidden_size), zeros if None. Returns the outputs, in the form of x
    and with directions * hidden_size in their last axis, and the final states, in the form of hx.
    lengths : those of the sequences of a padded batch, in any order: outputs beyond a sequence's end are 0, and its
        final state is that at its end.

    Parameters: weight_ih_l0 `(hidden_size, input_size)`, weight_hh_l0 `(hidden_size, hidden_size)`, bias_ih_l0 and
    bias_hh_l0 `(hidden_size,)`, the same of the other layers, and of the other direction with `_reverse`.

    Raises ShapeError for sizes, inputs and states that do not fit.

    >>> outputs, h = nn.RNN(4, 3)(np.ones((7, 2, 4), np.float32))
    >>> outputs.shape, h.shape
    ((7, 2, 3), (1, 2, 3))
    """

    parts = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ShapeError(f"RNN: nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'.")
        self.nonlinearity = nonlinearity
        self._start(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, rng, dtype, device
        )  # fmt: skip


class LSTM(_Recurrent):
    """Layers of long short-term memory; see `lstm_scan`. Arguments, inputs and outputs as for `RNN`.

    proj_size : if not 0, h is multiplied by a matrix and has this length; c has hidden_size.

    The states are a pair (h, c).

    Parameters: as for `RNN`, with 4 hidden_size rows: those of i, f, g and o; with proj_size also weight_hr_l0
    `(proj_size, hidden_size)`, and so on.

    >>> outputs, (h, c) = nn.LSTM(4, 3, bidirectional=True)(np.ones((7, 2, 4), np.float32), lengths=[7, 5])
    >>> outputs.shape, h.shape, c.shape
    ((7, 2, 6), (2, 2, 3), (2, 2, 3))
    """

    parts, states = 4, 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self._start(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, rng, dtype, device,
            proj_size,
        )  # fmt: skip


class GRU(_Recurrent):
    """Layers of gated recurrent units; see `gru_scan`. Arguments, inputs and outputs as for `RNN`.

    Parameters: as for `RNN`, with 3 hidden_size rows: those of r, z and n.

    >>> outputs, h = nn.GRU(4, 3, num_layers=2, batch_first=True)(np.ones((2, 7, 4), np.float32))
    >>> outputs.shape, h.shape
    ((2, 7, 3), (2, 2, 3))
    """

    parts = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self._start(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, rng, dtype, device
        )  # fmt: skip
