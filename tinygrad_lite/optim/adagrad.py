"""Steps divided by the size of past gradients: their sum, a decaying mean, and that of the updates as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from ..core.backend import backend_of
from .optimizer import Common, Optimizer, State

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients: s <- s + g^2,  w <- w - lr' * g / (sqrt(s) + eps).

    lr' = lr / (1 + (t - 1) lr_decay) in step t.

    params, lr, common : see `Optimizer`.
    lr_decay : how the learning rate decreases.
    weight_decay : adds weight_decay * w to the gradient g. Not together with `decay`.
    initial_accumulator_value : what s is at first.
    eps : keeps the quotient finite where all gradients have been 0.

    Source: J. Duchi, E. Hazan, Y. Singer, Adaptive subgradient methods for online learning and stochastic
    optimization, JMLR 12, 2011.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.5], dtype=float32, requires_grad=True)
    """

    nonnegative = (*Optimizer.nonnegative, "lr_decay", "initial_accumulator_value")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        **common: Unpack[Common],
    ) -> None:
        own = {"lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        super().__init__(params, lr, **own, initial_accumulator_value=initial_accumulator_value, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"sum": hyper["initial_accumulator_value"]}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        size = hyper["lr"] / (1 + (hyper["step"] - 1) * hyper["lr_decay"])
        total = state["sum"] + grad * grad
        return param - size * (grad / (backend_of(param).xp.sqrt(total) + hyper["eps"])), {"sum": total}


class Adadelta(Optimizer):
    """Steps in units of past updates: d = g sqrt(u + eps) / sqrt(v + eps),  w <- w - lr * d.

    Before that, v <- rho v + (1 - rho) g^2; after it, u <- rho u + (1 - rho) d^2.

    params, lr, common : see `Optimizer`.
    rho : share of the means that is kept.
    eps : size of the first steps, and keeps the quotient finite.
    weight_decay : adds weight_decay * w to the gradient g. Not together with `decay`.

    Source: M. Zeiler, ADADELTA: an adaptive learning rate method, 2012, arXiv:1212.5701.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.Adadelta([w])
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> print(f'{w.item():.4f}')
    0.9968
    """

    below_one = ("rho",)

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, rho=rho, eps=eps, weight_decay=weight_decay, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        rho, eps, sqrt = hyper["rho"], hyper["eps"], backend_of(param).xp.sqrt
        square = rho * state["square_avg"] + (1 - rho) * (grad * grad)
        delta = grad * (sqrt(state["acc_delta"] + eps) / sqrt(square + eps))
        changes = rho * state["acc_delta"] + (1 - rho) * (delta * delta)
        return param - hyper["lr"] * delta, {"square_avg": square, "acc_delta": changes}


class RMSprop(Optimizer):
    """Steps divided by the root of a decaying mean square v of the gradients: w <- w - lr * g / (sqrt(v) + eps).

    Before that, v <- alpha v + (1 - alpha) g^2.

    params, lr, common : see `Optimizer`.
    alpha : share of the mean that is kept.
    eps : keeps the quotient finite where all gradients have been 0.
    weight_decay : adds weight_decay * w to the gradient g. Not together with `decay`.
    momentum : b <- momentum * b + g / (sqrt(v) + eps), and a step along b.
    centered : subtract the square of a decaying mean of g from v, so that it is a variance.

    Source: T. Tieleman, G. Hinton, lecture 6.5 of Neural networks for machine learning, 2012; centered as in
    A. Graves, Generating sequences with recurrent neural networks, 2013, arXiv:1308.0850.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.RMSprop([w], lr=0.1, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.8], dtype=float32, requires_grad=True)
    """

    below_one = ("alpha",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        **common: Unpack[Common],
    ) -> None:
        own = {"alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum, "centered": centered}
        super().__init__(params, lr, **own, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        asked = {"square_avg": True, "momentum_buffer": hyper["momentum"], "grad_avg": hyper["centered"]}
        return {name: 0.0 for name, needed in asked.items() if needed}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        alpha, xp = hyper["alpha"], backend_of(param).xp
        square = alpha * state["square_avg"] + (1 - alpha) * (grad * grad)
        kept, variance = {"square_avg": square}, square
        if hyper["centered"]:
            mean = kept["grad_avg"] = alpha * state["grad_avg"] + (1 - alpha) * grad
            # Rounding makes the difference less than 0 where all gradients are equal.
            variance = xp.maximum(square - mean * mean, 0.0)
        direction = grad / (xp.sqrt(variance) + hyper["eps"])
        if hyper["momentum"]:
            direction = kept["momentum_buffer"] = hyper["momentum"] * state["momentum_buffer"] + direction
        return param - hyper["lr"] * direction, kept
