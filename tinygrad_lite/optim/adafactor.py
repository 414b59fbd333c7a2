"""Adafactor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from ..core.backend import backend_of
from ..core.dtypes import limits
from ..fusion.device_numbers import root, smaller
from .optimizer import Common, Optimizer, State

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Steps divided by the root of a mean square that is kept as rows times columns, in proportion to each parameter.

    For a parameter of two or more axes, the means R over the last axis and C over the one before it of g^2 are
    averaged over the steps, with t^beta2_decay as the weight of the newest, and v = R C / mean(R); for others v is kept
    whole. u = g / sqrt(v), divided by its root mean square over d where that is above 1, and
    w <- w - max(eps2, RMS(w)) * min(lr, 1 / sqrt(t)) * u.

    On a GPU a step takes dozens of launches for each parameter, whose means it needs; rules for single elements, as
    that of `AdamW`, take one for all.

    params, lr, common : see `Optimizer`.
    beta2_decay : power of t in the weight of the newest g^2, at most 0.
    eps : the pair (eps1, eps2): least value of sqrt(v), by default the machine precision, and the least size that
        a parameter counts as having.
    d : the largest root mean square of an update, at least 1.
    weight_decay : additionally w <- w - lr * weight_decay * w. Not together with `decay`.

    Source: N. Shazeer, M. Stern, Adafactor: adaptive learning rates with sublinear memory cost, 2018, arXiv:1804.04235;
    in the form of `torch.optim.Adafactor`.

    >>> w = nn.Parameter([[1.0, 1.0]])
    >>> optimizer = optim.Adafactor([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([[0.75, 0.75]], dtype=float32, requires_grad=True)
    >>> {name: getattr(kept, "shape", kept) for name, kept in optimizer.state_dict()["state"]["0"].items()}
    {'step': 1, 'row_var': (1, 1), 'col_var': (1, 2)}
    """

    elementwise = False
    decoupled = None
    nonnegative = ("lr", "weight_decay")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay, **common)

    def check(self, hyper: Mapping[str, Any]) -> None:
        super().check(hyper)
        if not hyper["beta2_decay"] <= 0:
            raise ValueError(f"Adafactor: beta2_decay is {hyper['beta2_decay']}; it must be at most 0.")
        if not hyper["d"] >= 1:
            raise ValueError(f"Adafactor: d is {hyper['d']}; it must be at least 1.")
        if not all(value is None or value >= 0 for value in hyper["eps"]):
            raise ValueError(f"Adafactor: eps is {hyper['eps']}; each must be at least 0, or the first None.")

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        xp, (eps1, eps2), lr, step = backend_of(param).xp, hyper["eps"], hyper["lr"], hyper["step"]
        if eps1 is None:
            eps1 = float(limits(param.dtype).eps)
        newest = step ** hyper["beta2_decay"]

        def averaged(name: str, value: Any) -> Any:
            return newest * value + (1 - newest) * state[name] if name in state else value

        size = smaller(lr, 1 / root(step)) * xp.clip(_rms(param), eps2, None)
        param = param * (1 - lr * hyper["weight_decay"])
        square = grad * grad
        if grad.ndim > 1:
            rows = averaged("row_var", xp.mean(square, axis=-1, keepdims=True))
            columns = averaged("col_var", xp.mean(square, axis=-2, keepdims=True))
            variance = rows * columns / xp.clip(xp.mean(rows, axis=-2, keepdims=True), eps1, None)
            kept = {"row_var": rows, "col_var": columns}
        else:
            variance = averaged("variance", square)
            kept = {"variance": variance}
        update = grad / xp.sqrt(xp.clip(variance, eps1 * eps1, None))
        return param - (size / xp.clip(_rms(update) / hyper["d"], 1.0, None)) * update, kept


def _rms(array: Any) -> Any:
    """The root mean square of all elements, 0-d."""
    xp = backend_of(array).xp
    return xp.sqrt(xp.mean(array * array))
