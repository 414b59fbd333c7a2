"""Comparing kernels on the stand-in with the definitions in double precision."""

from __future__ import annotations

from contextlib import contextmanager

import ml_dtypes
import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.cuda.module import Module
from tinygrad_lite.cuda.source import CudaSource

__all__ = ["DTYPES", "agrees", "draws", "each_bug", "gradients", "launches", "planted"]

DTYPES = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}

ROUNDING = {"float32": 1e-6, "float64": 1e-13, "float16": 2e-3, "bfloat16": 1.6e-2}
"""Some roundings of a dtype."""


def draws(dtype, *shapes, seed=0, scale=1.0):
    """Normal numbers."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=shape) * scale).astype(DTYPES[dtype]) for shape in shapes]


def gradients(function, arrays, g):
    """The value, and the gradients of the arrays of floating point."""
    tensors = [x if x is None or x.dtype.kind in "iub" else tl.Tensor(x, requires_grad=True) for x in arrays]
    out = function(*tensors)
    wanted = [x for x in tensors if isinstance(x, tl.Tensor)]
    return out.data, [found.data for found in tl.autograd.grad(out, wanted, g)]


def _wide(x):
    return x if x is None or x.dtype.kind in "iub" else x.astype("float64")


def agrees(name, cupy, *arrays, roundings=8.0, view=lambda x: x, **statics):
    """A kernel takes the call, and value and gradients are those of the definition, up to some roundings.

    view : what is made of the arrays on the device.
    Returns the value and the gradients, in main memory.
    """
    op, dtype = tl.OPS[name], arrays[0].dtype
    there = [None if x is None else view(cupy.asarray(x)) for x in arrays]
    here = [None if x is None else _wide(x.get()) for x in there]
    options = {key: op.signature.parameters[key].default for key in op.statics} | statics
    assert any(kernel.when(*there, **options) for kernel in op.kernels["cupy"]), "no kernel takes the call"
    shape = op.function(*here, **statics).shape
    g = draws(dtype.name, shape, seed=5)[0]
    with np.errstate(all="ignore"):
        expected, expected_gradients = gradients(lambda *a: op.function(*a, **statics), here, g.astype("float64"))
    got, got_gradients = gradients(lambda *a: op.function(*a, **statics), there, cupy.asarray(g))
    found = [got.get(), *[part.get() for part in got_gradients]]
    bound = roundings * ROUNDING[dtype.name]
    for mine, theirs in zip(found, [expected, *expected_gradients], strict=True):
        assert mine.dtype == dtype and mine.shape == theirs.shape
        largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=1e-30)
        np.testing.assert_allclose(mine.astype("float64"), theirs, rtol=bound, atol=bound * largest)
    return found


@contextmanager
def launches():
    """The list of kernels started within the block."""
    started, launch = [], Module.launch
    try:
        Module.launch = lambda self, name, *args, **kwargs: (started.append(name), launch(self, name, *args, **kwargs))
        yield started
    finally:
        Module.launch = launch


def each_bug(bugs):
    """Parameters of a test: of each bug its name, and what is in the source before and after, and perhaps an error."""
    return pytest.mark.parametrize(
        ("before", "after", "error")[: len(bugs[0]) - 1], [bug[1:] for bug in bugs], ids=[bug[0] for bug in bugs]
    )


@contextmanager
def planted(source: CudaSource, before: str, after: str):
    """Within the block the source has a bug."""
    text, modules = CudaSource.text, source._modules
    try:
        source._modules = {}

        def changed(self, **macros):
            found = text(self, **macros)
            assert before in found
            return found.replace(before, after)

        CudaSource.text = changed
        yield
    finally:
        CudaSource.text, source._modules = text, modules
