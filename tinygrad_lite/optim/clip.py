"""Limiting gradients before a step."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

from ..core.backend import backend_of
from ..core.effects import live_numbers, replayed
from ..core.errors import GradientError
from ..core.graph import wrap
from ..nn import named_tensors
from ..ops.creation import to_array
from ..tensor import Tensor

__all__ = ["clip_grad_norm", "clip_grad_value"]


def _with_gradient(params: Any, name: str) -> list[tuple[Tensor, Any]]:
    """The parameters that have a gradient, with its array."""
    pairs = [(tensor, tensor.grad) for _, tensor in named_tensors(params, name)]
    return [(tensor, gradient.data) for tensor, gradient in pairs if gradient is not None and gradient.size]


@replayed(graph="fixed")
def clip_grad_norm(params: Any, max_norm: float, norm_type: float = 2.0, *, error_if_nonfinite: bool = False) -> Tensor:
    """Scale all gradients by one factor, so that the norm of all of them together is at most `max_norm`.

    params : a Module or tensors, as for an optimizer; those without a gradient count as 0.
    norm_type : the p of the norm (sum |g|^p)^(1/p); `float("inf")` is the largest absolute value.
    Returns the norm before clipping, a Tensor of shape `()`.

    The factor is max_norm / (norm + 1e-6) where that is less than 1, as in `torch.nn.utils.clip_grad_norm_`. With an
    infinite norm it is 0 (finite gradients become 0, infinite ones NaN); with a NaN all gradients become NaN.
    Raises GradientError in both cases if `error_if_nonfinite`, before anything is changed.

    >>> w = nn.Parameter([3.0, 4.0])
    >>> (w * w / 2).sum().backward()
    >>> optim.clip_grad_norm([w], 1.0)
    Tensor(5., dtype=float32)
    >>> w.grad.numpy().round(4)
    array([0.6, 0.8], dtype=float32)
    """
    pairs = _with_gradient(params, "clip_grad_norm")
    if not pairs:
        return Tensor(0.0)
    backend = backend_of(pairs[0][1])
    norms = [_norm(backend.xp, [gradient], norm_type) for _, gradient in pairs]
    device = pairs[0][0].device
    if backend.several_devices:
        norms = [to_array(norm, device=device) for norm in norms]
    total = backend.asarray(_norm(backend.xp, norms, norm_type))
    live = live_numbers.get()
    if error_if_nonfinite and live is not None:
        live.refuse("the norm is looked at")
    if error_if_nonfinite and not isfinite(value := float(backend.to_numpy(total))):
        raise GradientError(
            f"clip_grad_norm: the norm of the gradients is {value}; it must be finite. "
            f"Look for an overflow or a NaN in the loss, or lower the learning rate."
        )
    with backend.on(total):
        factor = backend.xp.minimum(max_norm / (total + 1e-6), backend.xp.ones_like(total))
    for tensor, gradient in pairs:
        share = to_array(factor, device=tensor.device) if backend.several_devices else factor
        with backend.on(gradient):
            tensor.grad = wrap(gradient * backend.xp.astype(share, gradient.dtype), None)
    return wrap(total, None)


def _norm(xp: Any, arrays: list[Any], p: float) -> Any:
    """The p-norm of one array, or of several 0-d arrays together."""
    with backend_of(arrays[0]).on(arrays[0]):
        x = xp.abs(arrays[0] if len(arrays) == 1 else xp.stack(arrays))
        if p == inf:
            return xp.max(x)
        return xp.sqrt(xp.sum(x * x)) if p == 2 else xp.sum(x**p) ** (1 / p)


@replayed(graph="fixed")
def clip_grad_value(params: Any, value: float) -> None:
    """Limit each element of each gradient to the interval from -value to value; NaN stays NaN.

    params : a Module or tensors, as for an optimizer.

    >>> w = nn.Parameter([3.0, 0.5])
    >>> (w * w / 2).sum().backward()
    >>> optim.clip_grad_value([w], 1.0)
    >>> w.grad
    Tensor([1. , 0.5], dtype=float32)
    """
    for tensor, gradient in _with_gradient(params, "clip_grad_value"):
        tensor.grad = wrap(backend_of(gradient).xp.clip(gradient, -value, value), None)
