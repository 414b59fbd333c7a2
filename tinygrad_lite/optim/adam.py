"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from ..core.backend import backend_of
from ..fusion.device_numbers import root
from .optimizer import Common, Optimizer, State

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  w <- w - lr * m' / (sqrt(v') + eps).

    m' = m / (1 - b1^t) and v' = v / (1 - b2^t) after t steps.

    params, lr, common : see `Optimizer`.
    betas : the pair (b1, b2), each at least 0 and less than 1.
    eps : keeps the quotient finite where all gradients have been 0.
    weight_decay : adds weight_decay * w to the gradient g (coupled). Not together with `decay`.
    amsgrad : take the largest v so far instead of the last.   Source: S. Reddi, S. Kale, S. Kumar, On the convergence
        of Adam and beyond, 2018, arXiv:1904.09237.
    decoupled_weight_decay : as in `AdamW`.

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, 2015, arXiv:1412.6980.

    >>> w = nn.Parameter([1.0])
    >>> optimizer = optim.Adam([w], lr=0.5)
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
        amsgrad: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        **common: Unpack[Common],
    ) -> None:
        own = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, lr, **own, decoupled_weight_decay=decoupled_weight_decay, **common)

    @staticmethod
    def state_arrays(hyper: Mapping[str, Any]) -> dict[str, float]:
        arrays = {"exp_avg": 0.0, "exp_avg_sq": 0.0}
        return arrays | {"max_exp_avg_sq": 0.0} if hyper["amsgrad"] else arrays

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        (b1, b2), step = hyper["betas"], hyper["step"]
        mean = b1 * state["exp_avg"] + (1 - b1) * grad
        square = b2 * state["exp_avg_sq"] + (1 - b2) * (grad * grad)
        kept = {"exp_avg": mean, "exp_avg_sq": square}
        xp = backend_of(param).xp
        if hyper["amsgrad"]:
            square = kept["max_exp_avg_sq"] = xp.maximum(state["max_exp_avg_sq"], square)
        denominator, scale = xp.sqrt(square), root(1 - b2**step)
        # Both sides of the quotient times `scale`: a pass less over the arrays.
        size = hyper["lr"] * scale / (1 - b1**step)
        return param - size * (mean / (denominator + hyper["eps"] * scale)), kept


class AdamW(Adam):
    """Adam with decoupled weight decay: additionally w <- w - lr * weight_decay * w, whatever the gradients are.

    params, lr, betas, eps, amsgrad, common : see `Adam`.
    weight_decay : the strength of the decay; 0.01 if neither it nor `decay` is given.
    decay : a penalty to decay by instead, such as `L2(0.01).on(matrices)`.

    Source: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, 2019, arXiv:1711.05101; as in
    `torch.optim.AdamW`, the decay is multiplied by lr.
    """

    usual_decay = 0.01

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | None = None,
        amsgrad: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True, **common)
