"""The law of backends: an operation gives the same values and derivatives on every one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.samples import Fresh, Sample
from tinygrad_lite import OPS, Tensor, vjp
from tinygrad_lite.core.backend import BACKENDS, Backend
from tinygrad_lite.core.tree import leaves, map_leaves

__all__ = ["check_agreement"]


def check_agreement(backend: Backend, sample: Sample, arguments: tuple[tuple, dict[str, Any]]) -> None:
    """AssertionError unless the operation of `sample` gives the same on arrays of `backend` and of NumPy."""
    arrays, statics = arguments
    here = _Call(sample, arrays, statics, BACKENDS["numpy"])
    there = _Call(sample, arrays, statics, backend)
    _assert_equal(backend, sample.op, "value", here.value(), there.value())
    if sample.order > 0:
        _assert_equal(backend, sample.op, "gradient", here.gradients(), there.gradients())


class _Call:
    """A call of an operation with its arrays, and static arguments, moved to a backend."""

    def __init__(self, sample: Sample, arrays: tuple, statics: dict[str, Any], backend: Backend) -> None:
        self.op = OPS[sample.op]
        self.backend = backend
        self.arrays = map_leaves(self._moved, list(arrays))
        self.given = statics

    def value(self) -> Any:
        return self.op.function(*self.arrays, **self._statics())

    def gradients(self) -> Any:
        """The vector-Jacobian products for the floating-point arrays."""
        chosen = [i for i, value in enumerate(self.arrays) if _differentiable(value) and self._has_rule(i)]

        def restricted(*primals: Any) -> Any:
            arrays = list(self.arrays)
            for i, primal in zip(chosen, primals, strict=True):
                arrays[i] = primal
            return self.op.function(*arrays, **self._statics())

        out, pull = vjp(restricted, *(self.arrays[i] for i in chosen))
        return pull(map_leaves(lambda y: self._moved(_cotangent(y.shape, y.dtype)), out)) if chosen else ()

    def _moved(self, value: Any) -> Any:
        return self.backend.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else value

    def _has_rule(self, i: int) -> bool:
        return not self.op.primitive or self.op.arrays[0 if self.op.variadic else i] in self.op.rules

    def _statics(self) -> dict[str, Any]:
        return {name: self._static(value) for name, value in self.given.items()}

    def _static(self, value: Any) -> Any:
        if isinstance(value, Fresh):
            return value.make()
        return self.backend.dtype(value) if isinstance(value, np.dtype) else value


def _differentiable(value: Any) -> bool:
    return bool(leaves(value)) and all("float" in str(getattr(x, "dtype", "")) for x in leaves(value))


def _cotangent(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Some array of this shape without symmetry."""
    size = int(np.prod(shape))
    return np.cos(np.arange(size) + 1.0).reshape(shape).astype(str(dtype).rpartition(".")[2])


def _assert_equal(backend: Backend, op: str, what: str, here: Any, there: Any) -> None:
    here, there = leaves(here), leaves(there)
    assert len(here) == len(there)
    for expected, got in zip(here, there, strict=True):
        got = got.data if isinstance(got, Tensor) else got
        assert isinstance(got, backend.array_types), f"{op}: the {what} is a {type(got).__name__}"
        got = backend.to_numpy(got)
        assert got.dtype == expected.dtype, f"{op}: the {what} has dtype {got.dtype}, NumPy's {expected.dtype}"
        tolerance = 1e-4 if expected.dtype == np.float32 else 1e-10
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance, err_msg=f"{op}: {what}")
