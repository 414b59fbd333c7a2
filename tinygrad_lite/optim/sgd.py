"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .optimizer import Constraint, Decay, Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v <- momentum * v + (1 - dampening) * g,  w <- w - lr * v.

    params, lr, decay, project : see `Optimizer`.
    momentum : share of the last direction that is kept; v starts as the first gradient.
    dampening : share of the gradient that is left out of v.
    weight_decay : adds weight_decay * w to the gradient g (coupled). Not together with `decay`.
    nesterov : step along g + momentum * v instead of v; needs a momentum, and no dampening.
    maximize : go up the gradient instead of down.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013; in the
    form of `torch.optim.SGD`, where lr multiplies v when it is applied.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.], dtype=float32, requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        decay: Decay | None = None,
        project: Constraint | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            decay=decay,
            project=project,
        )

    def check(self, hyper: Mapping[str, Any]) -> None:
        super().check(hyper)
        momentum, dampening = hyper["momentum"], hyper["dampening"]
        if hyper["nesterov"] and (not momentum or dampening):
            raise ValueError(
                f"SGD: nesterov=True with momentum {momentum} and dampening {dampening}; it needs a momentum above 0 "
                f"and dampening 0."
            )

    @staticmethod
    def state_names(hyper: Mapping[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if hyper["momentum"] else ()

    @staticmethod
    def update(param: Any, grad: Any, state: dict[str, Any], hyper: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        momentum = hyper["momentum"]
        if not momentum:
            return param - hyper["lr"] * grad, state
        velocity = grad
        if hyper["step"] > 1:
            velocity = momentum * state["momentum_buffer"] + (1 - hyper["dampening"]) * grad
        direction = grad + momentum * velocity if hyper["nesterov"] else velocity
        return param - hyper["lr"] * direction, {"momentum_buffer": velocity}
