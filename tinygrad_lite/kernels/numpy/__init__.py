"""Kernels for NumPy's arrays; the files have the names of those in `ops/`.

The times in the comments beside the kernels are fractions of the definition's, in the same run on 2 cores. Fractions of
PyTorch's are of version 2.13, of processor time, forward and backward, float32, the libraries in processes in turn.
"""

from . import activations, attention, channels, convolution, losses, normalization, pooling, reductions

__all__ = ["activations", "attention", "channels", "convolution", "losses", "normalization", "pooling", "reductions"]
