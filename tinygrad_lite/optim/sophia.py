"""Sophia with the Gauss-Newton-Bartlett estimate of the curvature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from ..core.backend import backend_of
from ..core.effects import replayed
from .flat import Numbers
from .optimizer import Common, Optimizer, State

__all__ = ["SophiaG"]


class SophiaG(Optimizer):
    """Clipped steps divided by an estimate h of the curvature: w <- w - lr * clip(m / max(rho h, eps), -1, 1).

    m <- b1 m + (1 - b1) g. Every ten steps or so, h is renewed by `update_hessian`, after a backward pass of the loss
    with targets that are drawn from what the model itself predicts:

        logits = model(x)
        optimizer.zero_grad()
        cross_entropy(logits, sample_from(logits)).backward()   # a mean over the batch
        optimizer.update_hessian(len(x))
        optimizer.zero_grad()

    params, lr, common : see `Optimizer`.
    betas : the pair (b1, b2), each at least 0 and less than 1.
    rho : how much curvature it takes for a step to be no longer clipped.
    weight_decay : additionally w <- w - lr * weight_decay * w, 0.1 by default. Not together with `decay`.
    eps : least divisor.

    Source: H. Liu et al., Sophia: a scalable stochastic second-order optimizer for language model pre-training, 2024,
    arXiv:2305.14342, algorithms 2 and 3.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.SophiaG([w], lr=0.25, weight_decay=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.update_hessian(1)
    >>> optimizer.step()
    >>> w
    Parameter([0.75], dtype=float32, requires_grad=True)
    """

    decoupled = True
    usual_decay = 0.1
    nonnegative = (*Optimizer.nonnegative, "rho")
    numbers: ClassVar = {"hessian_updates": 0}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.965, 0.99),
        rho: float = 0.04,
        weight_decay: float | None = None,
        eps: float = 1e-12,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, betas=betas, rho=rho, weight_decay=weight_decay, eps=eps, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "hessian": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        xp, b1 = backend_of(param).xp, hyper["betas"][0]
        mean = b1 * state["exp_avg"] + (1 - b1) * grad
        ratio = mean / xp.maximum(hyper["rho"] * state["hessian"], hyper["eps"])
        return param - hyper["lr"] * xp.clip(ratio, -1.0, 1.0), {**state, "exp_avg": mean}

    @replayed(graph="refreshed")
    def update_hessian(self, batch_size: int) -> None:
        """h <- b2 h + (1 - b2) * batch_size * g^2, for every parameter that has a gradient g of the sampled loss."""
        for group in self.param_groups:
            b2 = group["betas"][1]

            def rule(
                param: Any, grad: Any, state: State, numbers: Numbers, b2: float = b2
            ) -> tuple[Any, State, Numbers]:
                hessian = b2 * state["hessian"] + (1 - b2) * batch_size * (grad * grad)
                return param, {**state, "hessian": hessian}, (numbers[0], self._held(numbers)["hessian_updates"] + 1)

            group.take_in()
            for flat in group.flat:
                with backend_of(flat.data).on(flat.data):
                    flat.update(flat.present(), rule, self.state_arrays(group))
