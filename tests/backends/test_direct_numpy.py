"""NumPy's functions without their wrappers give what NumPy gives."""

import numpy as np
import pytest

from tinygrad_lite.backends.direct import DIRECT_NUMPY

RNG = np.random.default_rng(0)
ARRAYS = [
    np.arange(24.0).reshape(2, 3, 4), np.arange(24, dtype="int8").reshape(4, 6).T, np.zeros((3, 0)),
    np.array([[True, False]]), np.float32([1.5, np.nan]), np.array(2.5), np.array([1 + 2j, 3.0]),
    np.arange(4, dtype=">f8").reshape(1, 4), np.ones((2, 1, 3), "float16")[:, :, ::-1],
]  # fmt: skip


def same(function, *args, **kwargs):
    """The same array, class and dtype as NumPy's function gives, or the same exception."""
    try:
        expected = getattr(np, function)(*args, **kwargs)
    except Exception as error:
        with pytest.raises(type(error)):
            getattr(DIRECT_NUMPY, function)(*args, **kwargs)
        return None
    found = getattr(DIRECT_NUMPY, function)(*args, **kwargs)
    np.testing.assert_array_equal(found, expected)
    assert type(found) is type(expected) and found.dtype == expected.dtype and found.shape == expected.shape
    return found


@pytest.mark.parametrize("x", [*ARRAYS, 2.5, np.float32(1.5), [1.0, 2.0]], ids=str)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all", "mean"])
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_reductions(name, x):
    with np.errstate(all="ignore"):
        for axis in (None, 0, -1, (0, 1), (), 5):
            for keepdims in (False, True):
                same(name, x, axis=axis, keepdims=keepdims)
        if name in ("sum", "prod"):
            same(name, x, dtype=np.float64)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_means_are_numpys_to_the_last_bit(dtype):
    for shape in ((7,), (1000, 3), (3, 1001)):
        x = RNG.standard_normal(shape).astype(dtype)
        for axis in (None, 0, -1):
            same("mean", x, axis=axis)


@pytest.mark.parametrize("x", [*ARRAYS, 2.5, np.float32(1.5), [1.0, 2.0]], ids=str)
def test_broadcast_to(x):
    own = np.shape(x)
    for shape in (own, (2, *own), (0, *own), (5, 2, 3, 4), (3, 2), (), own[1:], (*own, 2), 3, list(own)):
        found = same("broadcast_to", x, shape)
        assert found is None or not found.flags.writeable
    for shape in ((1,), (3, 1), (1, 4)):
        y = RNG.standard_normal(shape)
        found = same("broadcast_to", y, (3, 4))
        assert np.shares_memory(found, y) and found.strides == np.broadcast_to(y, (3, 4)).strides


@pytest.mark.parametrize("x", ARRAYS, ids=str)
def test_movement_and_types(x):
    same("reshape", x, (-1,))
    same("reshape", x, (7, 7))
    same("reshape", x, (-1,), copy=True)
    same("permute_dims", x, tuple(range(x.ndim))[::-1])
    same("matrix_transpose", x)
    for axis in (0, 1, -1, -2, 3, 9, -9, (0, 1)):
        same("expand_dims", x, axis=axis)
        same("squeeze", x, axis=axis)
        same("squeeze", x[None, ..., None], axis=axis)
    same("squeeze", x[None, ..., None], axis=(0, -1))
    same("ones_like", x)
    same("ones_like", x, dtype=np.float32)
    for copy in (True, False):
        assert np.shares_memory(DIRECT_NUMPY.astype(x, x.dtype, copy=copy), x) == (not copy and x.size > 0)
    if x.dtype.kind != "c":
        same("astype", x, np.float32)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "int32", ">f4"])
def test_where_keeps_or_clears_bits(dtype):
    x, condition = RNG.standard_normal((32, 64)).astype(dtype), RNG.standard_normal((32, 64)) > 0
    if x.dtype.kind == "f":
        x[0, :4] = x[1, :4] = [np.nan, np.inf, -np.inf, -0.0]
        condition[0, :4], condition[1, :4] = True, False
    for a in (x, np.asfortranarray(x), x[:, ::-1]):
        for other in (0.0, -0.0, 1.0, 0, a):
            found = same("where", condition, a, other)
            if x.dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(found), np.signbit(np.where(condition, a, other)))
        for case in ((condition[0], a, 0.0), (condition, a[0], 0.0), (a, a, 0.0), (True, a, 0.0), (condition, 0.0, a)):
            same("where", *case)


def test_everything_else_is_numpys_own():
    assert DIRECT_NUMPY.exp is np.exp and DIRECT_NUMPY.linalg is np.linalg and DIRECT_NUMPY.fft is np.fft
    with pytest.raises(AttributeError, match="no_such_function"):
        _ = DIRECT_NUMPY.no_such_function
