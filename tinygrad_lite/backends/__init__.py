"""One backend per array library: NumPy's is always there, CuPy's is loaded when its arrays or devices first appear."""

from ..core.backend import load_on_demand
from . import numpy as numpy

__all__ = ["numpy"]


def _load_cupy():
    from . import cupy

    return cupy.CupyBackend()


load_on_demand("cupy", "cuda", _load_cupy)
