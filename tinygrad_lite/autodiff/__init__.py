"""Differentiation for users: backward passes over recorded tensors, and transforms of functions.

Importable as `tinygrad_lite.autograd`: `autograd.grad(outputs, inputs)` and `autograd.backward(tensor)` work on
recorded tensors. The transforms (`grad(f)`, `vjp`, `jacobian`, ...) are in `tinygrad_lite` itself.
"""

from .diagnosis import NonFinite, find_nan
from .gradients import backward, grad

__all__ = ["NonFinite", "backward", "find_nan", "grad"]
