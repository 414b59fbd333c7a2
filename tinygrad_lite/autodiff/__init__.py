"""Differentiation for users: backward passes over recorded tensors, and transforms of functions.

Importable as `tinygrad_lite.autograd`: `autograd.grad(outputs, inputs)` and `autograd.backward(tensor)` work on
recorded tensors. The transforms (`grad(f)`, `vjp`, `jacobian`, ...) are in `tinygrad_lite` itself.
"""

from typing import TYPE_CHECKING

from ..core.later import later
from .gradients import backward, grad

if TYPE_CHECKING:
    from .diagnosis import NonFinite, find_nan
else:
    __getattr__, __dir__ = later(__name__, {"diagnosis": "NonFinite find_nan"})

__all__ = ["NonFinite", "backward", "find_nan", "grad"]
