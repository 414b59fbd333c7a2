"""Kernels for NumPy's arrays; the files have the names of those in `ops/`.

The times in the comments beside the kernels are fractions of the definition's, in the same run on 2 cores. Fractions of
PyTorch's are of version 2.13, of processor time, forward and backward, float32, the libraries in processes in turn.
"""

from typing import TYPE_CHECKING

from ...core.later import later

if TYPE_CHECKING:
    from . import activations, attention, channels, convolution, linear_maps, losses, normalization, pooling, reductions
else:
    FILES = "activations attention channels convolution linear_maps losses normalization pooling reductions"
    __getattr__, __dir__ = later(__name__, dict.fromkeys(FILES.split(), ""))

__all__ = [
    "activations", "attention", "channels", "convolution", "linear_maps", "losses", "normalization", "pooling",
    "reductions",
]  # fmt: skip
