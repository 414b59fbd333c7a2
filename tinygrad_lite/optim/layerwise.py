"""Rules for large batches, whose steps are in proportion to each parameter's norm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from ..core.backend import backend_of
from ..fusion.norms import norm_of_each
from .optimizer import Common, Optimizer, State

__all__ = ["LAMB", "LARS"]


class LARS(Optimizer):
    """Momentum with a rate for each parameter: v <- momentum * v + lr * r * (g + weight_decay * w),  w <- w - v.

    r = trust_coefficient * |w| / (|g| + weight_decay * |w|) with norms of whole parameters; 1 where |w| or |g| is 0.

    On a GPU a step takes three launches for up to 200 parameters, whose norms it needs; that of `AdamW` takes one.

    params, lr, common : see `Optimizer`.
    momentum : share of the last step that is kept.
    weight_decay : as in the formula, 1e-4 by default. Not together with `decay`.
    trust_coefficient : length of a step relative to the parameter's at lr = 1.

    Source: Y. You, I. Gitman, B. Ginsburg, Large batch training of convolutional networks, 2017, arXiv:1708.03888,
    algorithm 1.

    >>> w = nn.Parameter([3.0, 4.0])
    >>> optimizer = optim.LARS([w], lr=1.0, weight_decay=0.0, trust_coefficient=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([2.7, 3.6], dtype=float32, requires_grad=True)
    """

    decoupled = None
    usual_decay = 1e-4
    nonnegative = (*Optimizer.nonnegative, "trust_coefficient")

    def __init__(
        self,
        params: Any,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float | None = None,
        trust_coefficient: float = 1e-3,
        **common: Unpack[Common],
    ) -> None:
        own = {"momentum": momentum, "weight_decay": weight_decay, "trust_coefficient": trust_coefficient}
        super().__init__(params, lr, **own, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"momentum_buffer": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        strength, size = hyper["weight_decay"], norm_of_each(param)
        rate = _ratio(hyper["trust_coefficient"] * size, norm_of_each(grad) + strength * size)
        step = hyper["lr"] * rate * (grad + strength * param)
        step = hyper["momentum"] * state["momentum_buffer"] + step
        return param - step, {"momentum_buffer": step}


class LAMB(Optimizer):
    """Adam's steps in proportion to each parameter's norm: w <- w - lr * |w| / |u| * u.

    u = m' / (sqrt(v') + eps) + weight_decay * w with m' and v' as in `Adam`; the norms are of whole parameters, and
    their ratio is 1 where one is 0.

    On a GPU a step takes three launches for up to 200 parameters, whose norms it needs; that of `AdamW` takes one.

    params, lr, common : see `Optimizer`.
    betas, eps : see `Adam`.
    weight_decay : as in the formula, 0.01 by default. Not together with `decay`.

    Source: Y. You et al., Large batch optimization for deep learning: training BERT in 76 minutes, 2020,
    arXiv:1904.00962, algorithm 2.

    >>> w = nn.Parameter([1.0, 1.0])
    >>> optimizer = optim.LAMB([w], lr=0.25, weight_decay=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.75, 0.75], dtype=float32, requires_grad=True)
    """

    decoupled = None
    usual_decay = 0.01

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        (b1, b2), step = hyper["betas"], hyper["step"]
        mean = (1 - b1) * grad + b1 * state["exp_avg"]
        square = (1 - b2) * (grad * grad) + b2 * state["exp_avg_sq"]
        root = backend_of(param).xp.sqrt(square / (1 - b2**step))
        direction = mean / (1 - b1**step) / (root + hyper["eps"]) + hyper["weight_decay"] * param
        rate = hyper["lr"] * _ratio(norm_of_each(param), norm_of_each(direction))
        return param - rate * direction, {"exp_avg": mean, "exp_avg_sq": square}


def _ratio(x: Any, y: Any) -> Any:
    """x / y where both are above 0, else 1."""
    xp = backend_of(x).xp
    both = xp.logical_and(xp.greater(x, 0), xp.greater(y, 0))
    return xp.where(both, x / xp.where(both, y, 1.0), 1.0)
