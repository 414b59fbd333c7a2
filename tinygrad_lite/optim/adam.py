"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from math import sqrt
from typing import Any, ClassVar

from ..core.backend import backend_of
from .optimizer import Decay, Optimizer

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  w <- w - lr * m' / (sqrt(v') + eps).

    m' = m / (1 - b1^t) and v' = v / (1 - b2^t) after t steps.

    params, lr, decay : see `Optimizer`.
    betas : the pair (b1, b2), each at least 0 and less than 1.
    eps : keeps the quotient finite where all gradients have been 0.
    weight_decay : adds weight_decay * w to the gradient g (coupled). Not together with `decay`.

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, 2015, arXiv:1412.6980.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    Parameter([0.5], dtype=float32, requires_grad=True)
    """

    hyper: ClassVar = ("lr", "betas", "eps", "weight_decay")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        decay: Decay | None = None,
    ) -> None:
        self.betas, self.eps = tuple(betas), eps
        self.weight_decay = self.choose_decay(weight_decay, decay)
        self.require(lr=lr, eps=eps, weight_decay=weight_decay)
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"{type(self).__name__}: betas is {self.betas}; each must be at least 0 and less than 1.")
        super().__init__(params, lr, decay=decay)

    @property
    def state_names(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    @staticmethod
    def update(param: Any, grad: Any, state: dict[str, Any], hyper: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if hyper["weight_decay"]:
            grad = grad + hyper["weight_decay"] * param
        return _adam(param, grad, state, hyper)


class AdamW(Adam):
    """Adam with decoupled weight decay: additionally w <- w - lr * weight_decay * w, whatever the gradients are.

    params, lr, betas, eps : see `Adam`.
    weight_decay : the strength of the decay; 0.01 if neither it nor `decay` is given.
    decay : a penalty to decay by instead, such as `L2(0.01).on(matrices)`.

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019, arXiv:1711.05101; as in
    `torch.optim.AdamW`, the decay is multiplied by lr.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | None = None,
        *,
        decay: Decay | None = None,
    ) -> None:
        if weight_decay is None:
            weight_decay = 0.01 if decay is None else 0.0
        super().__init__(params, lr, betas, eps, weight_decay, decay=decay)

    @staticmethod
    def update(param: Any, grad: Any, state: dict[str, Any], hyper: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if hyper["weight_decay"]:
            param = param * (1 - hyper["lr"] * hyper["weight_decay"])
        return _adam(param, grad, state, hyper)


def _adam(param: Any, grad: Any, state: dict[str, Any], hyper: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    (b1, b2), step = hyper["betas"], hyper["step"]
    mean = b1 * state["exp_avg"] + (1 - b1) * grad
    square = b2 * state["exp_avg_sq"] + (1 - b2) * (grad * grad)
    root, scale = backend_of(param).xp.sqrt(square), sqrt(1 - b2**step)
    # Both sides of the quotient times `scale`: a pass less over the arrays.
    size = hyper["lr"] * scale / (1 - b1**step)
    return param - size * (mean / (root + hyper["eps"] * scale)), {"exp_avg": mean, "exp_avg_sq": square}
