"""NumPy's functions on Tensors, and memory shared with other array libraries."""

from collections.abc import Callable
from typing import Any

__all__ = ["call_function"]


def call_function(function: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    """The result of a NumPy function on arguments with Tensors among them. Its table is imported by the first call."""
    from .dispatch import dispatched

    return dispatched(function, args, kwargs)
