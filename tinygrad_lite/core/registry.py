"""The registry of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .op import Op

__all__ = ["OPS"]

OPS: dict[str, Op] = {}
"""Every declared operation by name: what the docs, gradient checks, kernel checks and benchmarks walk over."""
