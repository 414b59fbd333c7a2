"""Shorter expressions for symbols; the files have the names of those in `ops/`."""

from . import activations

__all__ = ["activations"]
