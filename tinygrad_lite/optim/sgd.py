"""Stochastic gradient descent, and its average over the steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from ..fusion.device_numbers import chosen, larger
from .optimizer import Common, Optimizer, State

__all__ = ["ASGD", "SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum: v <- momentum * v + (1 - dampening) * g,  w <- w - lr * v.

    params, lr, common : see `Optimizer`.
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

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[Common],
    ) -> None:
        own = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, lr, **own, **common)

    def check(self, hyper: Mapping[str, Any]) -> None:
        super().check(hyper)
        momentum, dampening = hyper["momentum"], hyper["dampening"]
        if hyper["nesterov"] and (not momentum or dampening):
            raise ValueError(
                f"SGD: nesterov=True with momentum {momentum} and dampening {dampening}; it needs a momentum above 0 "
                f"and dampening 0."
            )

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if hyper["momentum"] else {}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        momentum = hyper["momentum"]
        if not momentum:
            return param - hyper["lr"] * grad, state
        velocity = chosen(
            hyper["step"] > 1,
            lambda: momentum * state["momentum_buffer"] + (1 - hyper["dampening"]) * grad,
            lambda: grad,
        )
        direction = grad + momentum * velocity if hyper["nesterov"] else velocity
        return param - hyper["lr"] * direction, {"momentum_buffer": velocity}


class ASGD(Optimizer):
    """Averaged stochastic gradient descent: w <- (1 - lambd * eta) w - eta * g, and the mean of w over the steps.

    The step size eta is lr at first and lr / (1 + lambd * lr * t)^alpha after t steps. The state `ax` is the mean of
    the parameters since step t0; before that it is the parameters themselves.

    params, lr, common : see `Optimizer`.
    lambd : decay of the parameters and of the step size. alpha : power of the step size.
    t0 : the step at which averaging starts.
    weight_decay : adds weight_decay * w to the gradient g. Not together with `decay`.

    Source: B. Polyak, A. Juditsky, Acceleration of stochastic approximation by averaging, SIAM J. Control Optim. 30,
    1992; the step size as in L. Bottou, Large-scale machine learning with stochastic gradient descent, 2010.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.ASGD([w], lr=0.5, t0=1)
    >>> for _ in range(20):
    ...     w.grad = 2 * w.detach() - 1
    ...     optimizer.step()
    >>> print(f'{w.item():.3f}')
    0.500
    """

    nonnegative = ("lr", "weight_decay")
    numbers: ClassVar = {"eta": 0.0, "mu": 1.0}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"ax": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        lr, lambd, step = hyper["lr"], hyper["lambd"], hyper["step"]
        eta, mu = chosen(step == 1, lambda: (lr, 1.0), lambda: (state["eta"], state["mu"]))
        param = param * (1 - lambd * eta) - eta * grad
        mean = chosen(mu == 1, lambda: param * 1.0, lambda: state["ax"] + mu * (param - state["ax"]))
        later = {"eta": lr / (1 + lambd * lr * step) ** hyper["alpha"], "mu": 1 / larger(1, step - hyper["t0"])}
        return param, {"ax": mean, **later}
