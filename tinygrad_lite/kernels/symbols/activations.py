"""Expressions for `ops/activations.py`."""

from __future__ import annotations

from typing import Any

from ... import ops
from ...core.op import kernel
from ...fusion.symbols import quiet_exp

__all__ = ["sigmoid"]


@kernel(ops.sigmoid, "symbols")
def sigmoid(x: Any) -> Any:
    """1 / (1 + e**-x), four calls where the definition makes ten; its limit is right where e**-x overflows."""
    return 1.0 / (1.0 + quiet_exp(-x))
