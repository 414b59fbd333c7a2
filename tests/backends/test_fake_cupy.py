"""That the stand-in for CuPy is strict: what it refuses would pass unnoticed with NumPy arrays."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends.fake_cupy import HostCopyError, cupy, installed
from tests.backends.fake_cupy.emulator import EmulationError

x = cupy.asarray(np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    "mixed",
    [
        lambda: cupy.add(x, np.ones((2, 3))),
        lambda: x + np.ones((2, 3)),
        lambda: np.ones((2, 3)) + x,
        lambda: x @ np.ones((3, 2)),
        lambda: x < np.ones(3),
        lambda: np.add(x, np.ones(3)),
        lambda: cupy.concat([x, np.ones((2, 3))]),
        lambda: cupy.where(x > 1, x, np.zeros(3)),
        lambda: cupy.where(True, x, x),
        lambda: cupy.sum(np.ones(3)),
        lambda: cupy.maximum(x, [1.0, 2.0, 3.0]),
        lambda: x.__setitem__(0, np.ones(3)),
        lambda: cupy.add.at(x, 0, np.ones(3)),
        lambda: cupy.add(x, tl.Tensor([1.0, 2.0, 3.0])),
    ],
)
def test_stand_in_refuses_arrays_of_numpy(mixed):
    with pytest.raises(TypeError, match="Unsupported type"):
        mixed()


@pytest.mark.parametrize("convert", [np.asarray, np.array, float, int, bool, complex, lambda y: [1, 2][y], np.float64])
def test_stand_in_refuses_implicit_host_copies(convert):
    with pytest.raises(HostCopyError, match="implicit copy of an array to the host"):
        convert(cupy.sum(x))


@pytest.mark.parametrize(
    "call",
    [
        lambda: cupy.var(x, correction=1),
        lambda: cupy.zeros(3, device="cuda"),
        lambda: cupy.sort(x, descending=True),
        lambda: cupy.clip(x, min=0.0),
        lambda: cupy.argsort(x, stable=True),
    ],
)
def test_stand_in_has_only_the_parameters_of_cupy(call):
    with pytest.raises(TypeError, match="unexpected keyword argument|missing a required argument"):
        call()


@pytest.mark.parametrize("name", ["vecdot", "unstack", "permute", "shares"])
def test_stand_in_has_only_the_names_of_cupy(name):
    assert not hasattr(cupy, name)


@pytest.mark.parametrize("value", [None, np.zeros(1, [("a", "i8")])[0]])
def test_stand_in_passes_only_what_cupy_13_passes_to_a_kernel(value):
    code = 'extern "C" __global__ void nothing(const float* x) {}'
    with installed() as module, pytest.raises(EmulationError, match="is no argument of a kernel"):
        module.RawModule(code=code).get_function("nothing")((1,), (1,), (value,))


def test_stand_in_takes_tuples_where_cupy_takes_no_lists():
    code = 'extern "C" __global__ void nothing(const float* x) {}'
    with installed() as module:
        with pytest.raises(TypeError, match="expected tuple, got list"):
            module.RawModule(code=code, options=["-std=c++17"])
        with pytest.raises(TypeError, match="must be tuples"):
            module.RawModule(code=code).get_function("nothing")([1], (1,), (module.zeros(1),))


def test_stand_in_adds_up_only_what_cupy_13_adds_up():
    with installed() as module:
        for dtype in ("int64", "int16", "complex64", "bool"):
            x = module.zeros(2, dtype=dtype)
            with pytest.raises(TypeError, match="does not support"):
                module.add.at(x, module.zeros(1, dtype="int64"), x[:1])


def test_stand_in_computes_on_the_current_device():
    with cupy.cuda.Device(1):
        other = cupy.zeros(3)
    assert other.device.id == 1
    with pytest.raises(ValueError, match="array is on device 1, and the current device is 0"):
        cupy.add(other, 1.0)


def test_an_operation_that_copies_to_the_host_is_caught():
    @tl.primitive(x=lambda g: g)
    def through_the_host(xp, x):
        return xp.asarray(np.asarray(x) + 1.0)

    try:
        with installed(), pytest.raises(tl.DTypeError, match="through_the_host: .*an implicit copy of an array"):
            through_the_host(x)
    finally:
        del tl.OPS["through_the_host"]


def test_a_constant_of_numpy_in_a_rule_is_caught():
    @tl.primitive(x=lambda g: g * np.ones(3))
    def numpy_in_the_rule(xp, x):
        return xp.positive(x)

    try:
        with installed(), pytest.raises(TypeError, match="Unsupported type"):
            tl.grad(lambda y: numpy_in_the_rule(y).sum())(cupy.ones(3))
    finally:
        del tl.OPS["numpy_in_the_rule"]
