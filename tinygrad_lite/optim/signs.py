"""Rules that heed the signs of gradients more than their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from ..core.backend import backend_of
from .optimizer import Common, Optimizer, State

__all__ = ["Lion", "Rprop"]


class Rprop(Optimizer):
    """Resilient backpropagation: every weight has a step of its own, longer while the gradient's sign stays.

    w <- w - s * sign(g). The step s, lr at first, is multiplied by the larger of `etas` where g has the sign that it
    had before, and by the smaller where it has the other; there w stays, and s is as it is in the next step.
    For whole data sets, not mini-batches, whose signs change by chance.

    params, lr, common : see `Optimizer`.
    etas : the two factors, below and above 1.
    step_sizes : the least and the largest step.

    Source: M. Riedmiller, H. Braun, A direct adaptive method for faster backpropagation learning: the RPROP
    algorithm, IEEE ICNN 1993; in the form without going back (Rprop-) of C. Igel, M. Hüsken, 2000, where a sign
    that has changed counts as 0.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.Rprop([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.75], dtype=float32, requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, etas=etas, step_sizes=step_sizes, **common)

    def check(self, hyper: Mapping[str, Any]) -> None:
        super().check(hyper)
        (shorter, longer), (least, most) = hyper["etas"], hyper["step_sizes"]
        if not 0 < shorter < 1 < longer:
            raise ValueError(f"Rprop: etas is {hyper['etas']}; it must be a number between 0 and 1 and one above 1.")
        if not 0 <= least <= most:
            raise ValueError(f"Rprop: step_sizes is {hyper['step_sizes']}; it must be the least and the largest step.")

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"prev": 0.0, "step_size": hyper["lr"]}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        (shorter, longer), (least, most), xp = hyper["etas"], hyper["step_sizes"], backend_of(param).xp
        size, agreement = state["step_size"], xp.sign(grad) * xp.sign(state["prev"])
        changed = xp.where(agreement < 0, shorter * size, size)
        size = xp.clip(xp.where(agreement > 0, longer * size, changed), least, most)
        grad = xp.where(agreement < 0, 0.0, grad)
        return param - size * xp.sign(grad), {"prev": grad, "step_size": size}


class Lion(Optimizer):
    """Evolved sign momentum: w <- w - lr * sign(b1 m + (1 - b1) g),  then m <- b2 m + (1 - b2) g.

    A third of the learning rate of AdamW, or less, and as many times its weight decay, are the usual choice.

    params, lr, common : see `Optimizer`.
    betas : the pair (b1, b2), each at least 0 and less than 1.
    weight_decay : additionally w <- w - lr * weight_decay * w. Not together with `decay`.

    Source: X. Chen et al., Symbolic discovery of optimization algorithms, 2023, arXiv:2302.06675.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.Lion([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.75], dtype=float32, requires_grad=True)
    """

    decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, betas=betas, weight_decay=weight_decay, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        (b1, b2), mean = hyper["betas"], state["exp_avg"]
        direction = backend_of(param).xp.sign(b1 * mean + (1 - b1) * grad)
        return param - hyper["lr"] * direction, {"exp_avg": b2 * mean + (1 - b2) * grad}
