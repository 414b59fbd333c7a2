"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any, ClassVar

from .optimizer import Decay, Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v <- momentum * v + (1 - dampening) * g,  w <- w - lr * v.

    params, lr, decay : see `Optimizer`.
    momentum : share of the last direction that is kept; v starts as the first gradient.
    dampening : share of the gradient that is left out of v.
    weight_decay : adds weight_decay * w to the gradient g (coupled). Not together with `decay`.
    nesterov : step along g + momentum * v instead of v; needs a momentum, and no dampening.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013; in the
    form of `torch.optim.SGD`, where lr multiplies v when it is applied.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.], dtype=float32, requires_grad=True)
    """

    hyper: ClassVar = ("lr", "momentum", "dampening", "weight_decay", "nesterov")

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        decay: Decay | None = None,
    ) -> None:
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov
        self.weight_decay = self.choose_decay(weight_decay, decay)
        self.require(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (not momentum or dampening):
            raise ValueError(
                f"SGD: nesterov=True with momentum {momentum} and dampening {dampening}; it needs a momentum above 0 "
                f"and dampening 0."
            )
        super().__init__(params, lr, decay=decay)

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("momentum_buffer",) if self.momentum else ()

    @staticmethod
    def update(param: Any, grad: Any, state: dict[str, Any], hyper: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        momentum = hyper["momentum"]
        if hyper["weight_decay"]:
            grad = grad + hyper["weight_decay"] * param
        if not momentum:
            return param - hyper["lr"] * grad, state
        velocity = grad
        if hyper["step"] > 1:
            velocity = momentum * state["momentum_buffer"] + (1 - hyper["dampening"]) * grad
        direction = grad + momentum * velocity if hyper["nesterov"] else velocity
        return param - hyper["lr"] * direction, {"momentum_buffer": velocity}
