"""How exactly matrix products of float32 are computed where the hardware offers a choice."""

from __future__ import annotations

from typing import Literal

from .errors import DTypeError

__all__ = ["get_matmul_precision", "set_matmul_precision"]

_CHOICES = ("highest", "high")
_chosen: Literal["highest", "high"] = "highest"


def get_matmul_precision() -> Literal["highest", "high"]:
    """What `set_matmul_precision` was last given; `"highest"` at first.

    >>> get_matmul_precision()
    'highest'
    """
    return _chosen


def set_matmul_precision(precision: Literal["highest", "high"]) -> None:
    """Choose how matrix products of float32 arrays are computed on a GPU, for the whole process.

    precision : `"highest"` multiplies in float32 (24 bits of mantissa). `"high"` allows TF32: the factors are rounded
        to 11 bits of mantissa, which is what tensor cores take, and their products are summed in float32.

    Other dtypes, other operations and the CPU are not affected. PyTorch calls it `set_float32_matmul_precision`.
    Raises DTypeError for any other word.

    >>> set_matmul_precision("high")
    >>> set_matmul_precision("highest")
    """
    global _chosen
    if precision not in _CHOICES:
        raise DTypeError(f"set_matmul_precision: got {precision!r}; it must be 'highest' or 'high'.")
    _chosen = precision
