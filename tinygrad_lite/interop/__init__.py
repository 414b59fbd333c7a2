"""NumPy's functions on Tensors, and memory shared with other array libraries."""

from . import composed, dlpack, functions, names, translation, ufuncs

__all__ = ["composed", "dlpack", "functions", "names", "translation", "ufuncs"]
