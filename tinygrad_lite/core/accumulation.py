"""Adding what a derivative rule found to the cotangent of an input, in the input's shape and dtype."""

from __future__ import annotations

from typing import Any

from .backend import backend_of
from .dtypes import is_complex
from .errors import GradientError, ShapeError
from .graph import Node, unwrap
from .registry import OPS

__all__ = ["accumulate", "fit"]


def fit(gradient: Any, parent: Node, node: Node) -> Any:
    """What a rule of `node` found, with the shape and dtype of its input: broadcasting undone by summing, and cast."""
    shape = tuple(parent.shape)
    backend = backend_of(unwrap(gradient))
    if backend.root is not None:
        gradient = backend.inward(gradient, node, parent)
    if tuple(gradient.shape) != shape:
        try:
            gradient = OPS["sum_to"].function(gradient, shape=shape)
        except ShapeError:
            raise GradientError(
                f"a derivative rule returned a gradient of shape {tuple(gradient.shape)} for an input of shape "
                f"{shape}; it must have that shape, or one that the input broadcasts to. "
                f"The input was made at {parent.location()}"
            ) from None
    if gradient.dtype is parent.dtype:
        return gradient
    if is_complex(gradient.dtype) and not is_complex(parent.dtype):
        gradient = OPS["real"].function(gradient)
    if gradient.dtype != parent.dtype:
        gradient = OPS["cast"].function(gradient, dtype=parent.dtype)
    return gradient


def accumulate(grads: dict[Node, Any], parent: Node, gradient: Any, node: Node) -> None:
    """Add what a rule of `node` found to the cotangent of `parent`. The generated pull functions contain the same."""
    if gradient.shape != parent.shape or gradient.dtype is not parent.dtype:
        gradient = fit(gradient, parent, node)
    held = grads[parent]
    grads[parent] = gradient if held is None else held + gradient
