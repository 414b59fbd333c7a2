"""NumPy's functions on Tensors, and memory shared with other array libraries."""

from . import choice, composed, dlpack, functions, names, signals, translation, ufuncs

__all__ = ["choice", "composed", "dlpack", "functions", "names", "signals", "translation", "ufuncs"]
