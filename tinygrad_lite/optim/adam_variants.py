"""Relatives of Adam: with the largest gradient, with Nesterov's momentum, and rectified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from ..core.backend import backend_of
from ..fusion.device_numbers import chosen, root
from .optimizer import Common, Optimizer, State

__all__ = ["Adamax", "NAdam", "RAdam"]


class Adamax(Optimizer):
    """Adam with a decaying maximum in place of the mean square: u <- max(b2 u, |g| + eps),  w <- w - lr * m' / u.

    m' is as in `Adam`.

    params, lr, common : see `Optimizer`.
    betas, eps, weight_decay : see `Adam`.

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, 2015, arXiv:1412.6980, section 7.1.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.Adamax([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.5], dtype=float32, requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        b1, b2 = hyper["betas"]
        mean = b1 * state["exp_avg"] + (1 - b1) * grad
        largest = backend_of(param).xp.maximum(b2 * state["exp_inf"], abs(grad) + hyper["eps"])
        size = hyper["lr"] / (1 - b1 ** hyper["step"])
        return param - size * (mean / largest), {"exp_avg": mean, "exp_inf": largest}


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, whose strength grows with the steps: mu_t = b1 (1 - 0.96^(t momentum_decay) / 2).

    w <- w - lr * (c g + d m) / (sqrt(v') + eps) with c = (1 - mu_t) / (1 - mu_1 ... mu_t) and
    d = mu_(t+1) / (1 - mu_1 ... mu_(t+1)); m, v and v' are as in `Adam`.

    params, lr, common : see `Optimizer`.
    betas, eps, weight_decay, decoupled_weight_decay : see `Adam`.
    momentum_decay : how quickly the momentum grows.

    Source: T. Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.NAdam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> print(f'{w.item():.4f}')
    0.4718
    """

    nonnegative = (*Optimizer.nonnegative, "momentum_decay")
    numbers: ClassVar = {"mu_product": 1.0}

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        own = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        super().__init__(params, lr, **own, decoupled_weight_decay=decoupled_weight_decay, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        (b1, b2), step, lr = hyper["betas"], hyper["step"], hyper["lr"]
        mu, following = (b1 * (1 - 0.5 * 0.96 ** (t * hyper["momentum_decay"])) for t in (step, step + 1))
        product = state["mu_product"] * mu
        mean = b1 * state["exp_avg"] + (1 - b1) * grad
        square = b2 * state["exp_avg_sq"] + (1 - b2) * (grad * grad)
        denominator, scale = backend_of(param).xp.sqrt(square), root(1 - b2**step)
        of_grad = lr * scale * (1 - mu) / (1 - product)
        of_mean = lr * scale * following / (1 - product * following)
        new = param - (of_grad * grad + of_mean * mean) / (denominator + hyper["eps"] * scale)
        return new, {"exp_avg": mean, "exp_avg_sq": square, "mu_product": product}


class RAdam(Optimizer):
    """Rectified Adam: steps of plain momentum at first, then those of Adam, shorter while v rests on few gradients.

    With n = 2 / (1 - b2) - 1 and n_t = n - 2 t b2^t / (1 - b2^t), the step is lr * m' while n_t <= 5, then
    lr * r * m' / (sqrt(v) + eps) * sqrt(1 - b2^t) with r^2 = (n_t - 4)(n_t - 2) n / ((n - 4)(n - 2) n_t); m, v, m' are
    as in `Adam`.

    params, lr, common : see `Optimizer`.
    betas, eps, weight_decay, decoupled_weight_decay : see `Adam`.

    Source: L. Liu et al., On the variance of the adaptive learning rate and beyond, 2020, arXiv:1908.03265.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.5], dtype=float32, requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        own = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, lr, **own, decoupled_weight_decay=decoupled_weight_decay, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        (b1, b2), step = hyper["betas"], hyper["step"]
        mean = b1 * state["exp_avg"] + (1 - b1) * grad
        square = b2 * state["exp_avg_sq"] + (1 - b2) * (grad * grad)
        size, share = hyper["lr"] / (1 - b1**step), 1 - b2**step
        full = 2 / (1 - b2) - 1
        length = full - 2 * step * b2**step / share

        def rectified() -> tuple[Any, Any]:
            factor = root((length - 4) * (length - 2) * full / ((full - 4) * (full - 2) * length)) * root(share)
            return size * factor, mean / (backend_of(param).xp.sqrt(square) + hyper["eps"])

        size, direction = chosen(length > 5, rectified, lambda: (size, mean))
        return param - size * direction, {"exp_avg": mean, "exp_avg_sq": square}
