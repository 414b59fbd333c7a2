"""Elementwise operations as CUDA kernels: their values and gradients are NumPy's, for every dtype and every layout."""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.cuda.together import collected
from tests.samples import samples_of
from tinygrad_lite.core.backend import BACKENDS, device_backend
from tinygrad_lite.core.graph import unwrap
from tinygrad_lite.core.tree import leaves, map_leaves
from tinygrad_lite.testing.laws.backends import _on
from tinygrad_lite.testing.laws.calls import cast

pytestmark = pytest.mark.usefixtures("emulated")

ELEMENTWISE = [name for name, op in sorted(tl.OPS.items()) if op.shapes == "elementwise" and not op.variadic]
BFLOAT = np.dtype(ml_dtypes.bfloat16)
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "float16": 1.5e-2, "bfloat16": 3e-2}


@cache
def examples():
    """For every elementwise operation, one or two calls."""
    return [
        (tl.OPS[name], sample, arrays, statics)
        for name in ELEMENTWISE
        for sample in samples_of(name)
        for arrays, statics in sample.examples(7)[-2:]
    ]


def close(what, got, wanted, dtype):
    wanted = np.asarray(wanted)
    assert got.shape == wanted.shape, f"{what}: {got.shape}, not {wanted.shape}"
    if got.dtype.kind not in "fV":
        np.testing.assert_array_equal(got, wanted, err_msg=what)
        return
    got, wanted = got.astype("float64"), wanted.astype("float64")
    size = np.abs(wanted[np.isfinite(wanted)]).max(initial=0)
    tolerance = TOLERANCE[dtype]
    if dtype.endswith("16"):  # gradients of what was broadcast are sums of rounded ones, which may cancel
        size = max(size, 1.0)
    with np.errstate(all="ignore"):
        if dtype == "float16":
            wanted = np.where(np.abs(wanted) < 65504, wanted, np.copysign(np.inf, wanted) + 0 * wanted)
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance * size, err_msg=what)


def widened(x):
    """Of 16 bits, the same values in float32, in which kernels compute."""
    return x.astype("float32") if getattr(x, "dtype", None) in ("float16", BFLOAT) else x


def compared(cuda, cases, dtype):
    """Failures of operations called on arrays of this dtype, on the device and on NumPy."""
    failures = []
    for op, sample, arrays, statics in cases:
        here = cast(arrays, dtype)
        wide = map_leaves(widened, here)
        try:
            wanted = [leaves(part) for part in _on(BACKENDS["numpy"], "cpu", op, sample, wide, statics)]
        except (tl.TinygradLiteError, ValueError):  # a static argument or a value that this dtype has not
            continue
        try:
            got = [leaves(part) for part in _on(cuda, "cuda", op, sample, here, statics)]
            for what, ours, theirs in zip(("value", "gradient"), got, wanted, strict=True):
                for one, other in zip(ours, theirs, strict=True):
                    close(what, cuda.to_numpy(unwrap(one)), unwrap(other), dtype)
        except Exception as error:
            failures.append(f"{op.name}, {dtype}: {type(error).__name__} {error}")
    return failures


def test_operations_give_numpys_values_and_gradients():
    failures = []
    with fake_cupy.installed(programs=True), collected() as group:
        cuda = device_backend("cuda")
        for dtype in TOLERANCE:
            compared(cuda, examples(), dtype)
        group.compile()
        for dtype in TOLERANCE:
            failures += compared(cuda, examples(), dtype)
    print(f"{len(group.texts)} kernels of {len(group.programs)} programs")
    assert not failures, "\n".join(failures)


def test_a_wrong_derivative_is_seen():
    cases = [case for case in examples() if case[0].name == "silu"]
    with fake_cupy.installed(programs=True), collected() as group:
        cuda = device_backend("cuda")
        compared(cuda, cases, "float32")
        for program in group.programs:
            if "backward" in program.name:
                for name in group.texts:
                    if name.startswith(f"program_{program.number}_"):
                        group.texts[name] = group.texts[name].replace("1.0f", "1.01f")
        group.compile()
        failures = compared(cuda, cases, "float32")
    assert failures and all("gradient" in failure for failure in failures)
