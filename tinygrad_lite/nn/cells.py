"""Single steps of recurrent layers."""

from __future__ import annotations

from math import sqrt
from typing import Any, ClassVar, Literal

from ..core.backend import backend_of
from ..core.errors import ShapeError
from ..core.graph import unwrap
from ..core.op import Array
from ..ops import reshape, zeros
from . import init
from .module import Module
from .parameter import Parameter
from .recurrent import steps_of

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Module):
    """One step of a recurrent layer."""

    parts: ClassVar[int]
    states: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        bound, gates = 1 / sqrt(max(hidden_size, 1)), self.parts * hidden_size
        how = {"rng": rng, "dtype": dtype, "device": device}
        self.weight_ih = Parameter(init.uniform((gates, input_size), -bound, bound, **how))
        self.weight_hh = Parameter(init.uniform((gates, hidden_size), -bound, bound, **how))
        self.bias_ih = Parameter(init.uniform((gates,), -bound, bound, **how)) if bias else None
        self.bias_hh = Parameter(init.uniform((gates,), -bound, bound, **how)) if bias else None

    def forward(self, x: Array, hx: Any = None) -> Any:
        name, shape = type(self).__name__, tuple(x.shape)
        if len(shape) not in (1, 2) or shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: input is {shape}; it must be (n, {self.input_size}) or ({self.input_size},), with input_size "
                f"= {self.input_size}."
            )
        expected = (*shape[:-1], self.hidden_size)
        if hx is None:
            raw = unwrap(x)
            nothing = zeros(expected, dtype=raw.dtype, device=backend_of(raw).device_of(raw))
            hx = (nothing,) * self.states
        states = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        if len(states) != self.states or any(tuple(state.shape) != expected for state in states):
            given = ", ".join(str(tuple(state.shape)) for state in states)
            what = f"(h, c), both {expected}" if self.states > 1 else str(expected)
            raise ShapeError(f"{name}: hx is {given}; it must be {what}.")
        n = 1 if len(shape) == 1 else shape[0]
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", None)
        rows = tuple(reshape(state, (n, self.hidden_size)) for state in states)
        _, *after = steps_of(self, reshape(x, (n, self.input_size)), names, rows, (n,), False)
        new = tuple(reshape(state, expected) for state in after)
        return new if self.states > 1 else new[0]


class RNNCell(_Cell):
    """One step of `RNN`: the state h' `(n, hidden_size)` from x `(n, input_size)` and h, zeros if None.

    Parameters: weight_ih `(hidden_size, input_size)`, weight_hh `(hidden_size, hidden_size)`, bias_ih and bias_hh
    `(hidden_size,)`; initial values as for `RNN`.

    >>> nn.RNNCell(4, 3)(np.ones((2, 4), np.float32)).shape
    (2, 3)
    """

    parts = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        *,
        rng: Any = None,
        dtype: Any = None,
        device: str | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ShapeError(f"RNNCell: nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'.")
        super().__init__(input_size, hidden_size, bias, rng=rng, dtype=dtype, device=device)
        self.nonlinearity = nonlinearity


class LSTMCell(_Cell):
    """One step of `LSTM`: the pair (h', c') from x and the pair (h, c).

    Parameters: as for `RNNCell`, with 4 hidden_size rows.


    >>> h, c = nn.LSTMCell(4, 3)(np.ones((2, 4), np.float32))
    >>> h.shape, c.shape
    ((2, 3), (2, 3))
    """

    parts, states = 4, 2


class GRUCell(_Cell):
    """One step of `GRU`: h' from x and h.

    Parameters: as for `RNNCell`, with 3 hidden_size rows.

    >>> nn.GRUCell(4, 3)(np.ones(4, np.float32)).shape
    (3,)
    """

    parts = 3
