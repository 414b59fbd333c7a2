"""Backends: an operation gives the same values and gradients on every one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autodiff.transforms import vjp
from ...core.backend import BACKENDS, Backend
from ...core.dtypes import is_floating
from ...core.graph import unwrap
from ...core.op import Op
from ...core.tree import leaves, map_leaves
from ..samples import Sample
from ..values import with_constants
from .calls import called

__all__ = ["backends_agree"]


def backends_agree(
    backend: Backend, op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any], device: str | None = None
) -> None:
    """AssertionError unless the operation gives the same on arrays of `backend` and of NumPy, and where they are.

    device : one of the backend's, by default its default device; the current one of its library may be another.
    """
    device = backend.full_name(backend.default_device if device is None else device)
    for what, expected, got in zip(
        ("value", "gradient"),
        _on(BACKENDS["numpy"], "cpu", op, sample, arrays, statics),
        _on(backend, device, op, sample, arrays, statics),
        strict=True,
    ):
        assert len(leaves(expected)) == len(leaves(got)), f"{op.name}: NumPy gives another number of {what}s"
        for one, other in zip(leaves(expected), leaves(got), strict=True):
            _assert_equal(backend, device, f"{op.name}: the {what}", np.asarray(one), unwrap(other))


def _on(
    backend: Backend, device: str, op: Op, sample: Sample, arrays: tuple, statics: dict[str, Any]
) -> tuple[Any, Any]:
    """The value on `device` of `backend`, and the vector-Jacobian products."""

    def moved(value: Any) -> Any:
        return backend.asarray(value, device=device) if isinstance(value, (np.ndarray, np.generic)) else value

    arrays = map_leaves(moved, list(arrays))
    statics = {name: backend.dtype(x) if isinstance(x, np.dtype) else x for name, x in statics.items()}
    value = called(op.function, arrays, statics)
    call, moving = with_constants(op, arrays, sample.constant)
    chosen = [i for i, x in enumerate(moving) if leaves(x) and all(map(_has_floating_dtype, leaves(x)))]
    if not chosen or not sample.order:
        return value, ()

    def function(*primals: Any) -> Any:
        given = list(moving)
        for i, primal in zip(chosen, primals, strict=True):
            given[i] = primal
        return called(call, tuple(given), statics)

    out, pull = vjp(function, *(moving[i] for i in chosen))
    return value, pull(map_leaves(lambda y: moved(_cotangent(y.shape, y.dtype)), out))


def _has_floating_dtype(value: Any) -> bool:
    return is_floating(getattr(value, "dtype", np.dtype("int64")))


def _cotangent(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Some array of this shape without symmetry."""
    size = int(np.prod(shape))
    return np.cos(np.arange(size) + 1.0).reshape(shape).astype(str(dtype).rpartition(".")[2])


def _assert_equal(backend: Backend, device: str, what: str, expected: np.ndarray, got: Any) -> None:
    assert isinstance(got, backend.array_types), f"{what} is a {type(got).__name__}"
    assert backend.device_of(got) == device, f"{what} is on {backend.device_of(got)}, the arrays on {device}"
    got = backend.to_numpy(got)
    assert got.dtype == expected.dtype, f"{what} has dtype {got.dtype}, NumPy's {expected.dtype}"
    tolerance = 1e-4 if expected.dtype == np.float32 else 1e-10
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance, err_msg=what)
