"""Muon."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Unpack

from ..core.backend import backend_of
from ..core.errors import ShapeError
from .groups import Named
from .optimizer import Common, Optimizer, State

__all__ = ["Muon"]


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal: w <- w - lr * weight_decay * w - lr' * O(g + momentum * (b - g)).

    b <- momentum * b + (1 - momentum) * g. O(x) is nearly U V^T where x = U S V^T, by Newton-Schulz iterations
    x <- a x + (b x x^T + c (x x^T)^2) x on x over its norm. For the matrices within a network; biases, norms,
    embeddings and the output layer belong to another optimizer.

    On a GPU a step takes dozens of launches for each matrix; rules for single elements, as that of `AdamW`, take one
    for all parameters.

    params, lr, common : see `Optimizer`; matrices only, `(m, n)`.
    weight_decay : as in the formula, 0.1 by default. Not together with `decay`.
    momentum : share of the mean of gradients that is kept.
    nesterov : as in the formula; without it, O(b).
    ns_coefficients, ns_steps : a, b and c, and the number of iterations.
    eps : least norm that x is divided by.
    adjust_lr_fn : what lr' is: lr * sqrt(max(1, m / n)) if "original" or None, lr * 0.2 sqrt(max(m, n)) if
        "match_rms_adamw", so that lr and weight_decay of AdamW do.

    Raises ShapeError for a parameter that is no matrix.

    Source: K. Jordan, Muon: an optimizer for hidden layers in neural networks, 2024; J. Liu et al., Muon is scalable
    for LLM training, 2025, arXiv:2502.16982. In the form of `torch.optim.Muon`, but in the parameter's dtype where that
    iterates in bfloat16.

    >>> w = nn.Parameter([[3.0, 0.0], [0.0, 1.0]])
    >>> optimizer = optim.Muon([w], lr=1.0, weight_decay=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach().numpy().round(1)
    array([[ 2.2,  0. ],
           [ 0. , -0.1]], dtype=float32)
    """

    elementwise = False
    decoupled = True
    usual_decay = 0.1

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float | None = None,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        **common: Unpack[Common],
    ) -> None:
        own = {"ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps, "adjust_lr_fn": adjust_lr_fn}
        super().__init__(params, lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, **own, **common)

    def check(self, hyper: Mapping[str, Any]) -> None:
        super().check(hyper)
        if hyper["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            given = hyper["adjust_lr_fn"]
            raise ValueError(f"Muon: adjust_lr_fn is {given!r}; it must be 'original', 'match_rms_adamw' or None.")
        if len(hyper["ns_coefficients"]) != 3:
            raise ValueError(f"Muon: ns_coefficients is {hyper['ns_coefficients']}; it must be three numbers.")

    def check_parameters(self, named: Named) -> None:
        for name, tensor in named:
            if tensor.ndim != 2:
                raise ShapeError(
                    f"Muon: parameter {name!r} is {tuple(tensor.shape)}; all must be matrices. Give the others to "
                    f"another optimizer, such as AdamW."
                )

    @staticmethod
    def update(param: Any, grad: Any, state: State, hyper: dict[str, Any]) -> tuple[Any, State]:
        momentum = hyper["momentum"]
        mean = (1 - momentum) * grad
        if "momentum_buffer" in state:
            mean = mean + momentum * state["momentum_buffer"]
        direction = grad + momentum * (mean - grad) if hyper["nesterov"] else mean
        m, n = param.shape
        size = 0.2 * sqrt(max(m, n)) if hyper["adjust_lr_fn"] == "match_rms_adamw" else sqrt(max(1, m / n))
        return param - hyper["lr"] * size * _orthogonal(direction, hyper), {"momentum_buffer": mean}


def _orthogonal(x: Any, hyper: Mapping[str, Any]) -> Any:
    """Nearly U V^T where x = U S V^T."""
    xp, (a, b, c) = backend_of(x).xp, hyper["ns_coefficients"]
    if x.shape[0] > x.shape[1]:
        return xp.matrix_transpose(_orthogonal(xp.matrix_transpose(x), hyper))
    x = x / xp.clip(xp.sqrt(xp.sum(x * x)), hyper["eps"], None)
    for _ in range(hyper["ns_steps"]):
        gram = xp.matmul(x, xp.matrix_transpose(x))
        x = a * x + xp.matmul(b * gram + c * xp.matmul(gram, gram), x)
    return x
