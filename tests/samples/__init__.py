"""Inputs for every operation, a file for each file of `ops/`; written as `tinygrad_lite.testing.samples` says."""

from __future__ import annotations

import importlib
import pkgutil

from hypothesis import strategies as st

from tinygrad_lite.testing.samples import BY_NAME, SAMPLES, Fresh, Sample, automatic, reference, sample, samples_of
from tinygrad_lite.testing.strategies import (
    arrays,
    axes,
    axis,
    broadcastable_arrays,
    broadcastable_shapes,
    elementwise_arguments,
    generators,
    integer_arrays,
    shapes,
)  # fmt: skip

__all__ = [
    "BY_NAME", "SAMPLES", "Fresh", "Sample", "arrays", "automatic", "axes", "axis", "broadcastable_arrays",
    "broadcastable_shapes", "elementwise_arguments", "generators", "integer_arrays", "reference", "sample",
    "samples_of", "shapes", "st",
]  # fmt: skip

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
