"""Many calls of a function at once: the backend of batches, on which `vmap` and vectorised Jacobians are built."""

from .array import Batched
from .backend import batched_class, operators
from .transfer import enter, leave

__all__ = ["Batched", "batched_class", "enter", "leave"]
