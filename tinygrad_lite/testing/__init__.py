"""Checks for your own functions and operations. `tinygrad_lite.testing.strategies` needs the package hypothesis."""

from __future__ import annotations

__all__: list[str] = []
