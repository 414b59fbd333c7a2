"""Questions about dtypes, and the namespace as the Array API standard sees it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_lite as tl

INFO = tl.__array_namespace_info__()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_limits_of_floating_point_are_those_of_numpy(dtype):
    ours, theirs = tl.finfo(dtype), np.finfo(dtype)
    for name in ("bits", "eps", "max", "min", "smallest_normal"):
        assert getattr(ours, name) == getattr(theirs, name)
        assert type(getattr(ours, name)) in (int, float)
    assert ours.dtype == np.dtype(dtype)


def test_limits_of_complex_numbers_are_those_of_the_parts():
    assert tl.finfo(tl.complex64) == tl.finfo(tl.float32)


def test_limits_of_integers():
    assert tl.iinfo(tl.tensor([1])) == (64, 2**63 - 1, -(2**63), tl.int64)
    assert tl.iinfo(tl.uint8)[:3] == (8, 255, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tl.finfo("int8"), "finfo: got int8; a floating-point dtype is required"),
        (lambda: tl.iinfo(tl.bool_), "iinfo: got bool; an integer dtype is required"),
        (
            lambda: tl.isdtype(tl.int8, "int"),
            "isdtype: kind is 'int'; it must be a dtype or one of 'bool', 'signed int",
        ),
        (lambda: tl.can_cast("float31", "int8"), "unknown dtype 'float31'"),
        (lambda: tl.result_type(), "result_type: got nothing; at least one array or dtype is required"),
    ],
)
def test_errors(call, message):
    with pytest.raises(tl.DTypeError, match=message):
        call()


def test_kinds():
    kinds = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]
    for dtype in ("bool", "int8", "uint16", "float32", "complex128"):
        assert [tl.isdtype(dtype, kind) for kind in kinds] == [np.isdtype(np.dtype(dtype), kind) for kind in kinds]
    assert tl.isdtype(np.float32, (tl.int8, "real floating"))


def test_promotion():
    x = tl.tensor([1.0])
    assert tl.result_type(x, 1.0, True) == tl.float32
    assert tl.result_type(x, tl.float64) == tl.float64
    assert tl.result_type(tl.int32, tl.uint32) == tl.int64
    assert tl.can_cast(x, tl.float64) and not tl.can_cast(x, tl.int64)


def test_constants_and_dtypes_have_the_names_of_the_standard():
    assert (tl.e, tl.pi, tl.inf, tl.newaxis) == (math.e, math.pi, math.inf, None)
    assert math.isnan(tl.nan)
    assert tl.zeros(2, dtype=tl.bool).dtype == np.bool_
    assert tl.__array_api_version__ == "2024.12"


def test_what_the_namespace_says_of_itself():
    assert INFO.capabilities() == {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}
    assert INFO.default_device() in INFO.devices()
    assert tl.zeros((1,) * INFO.capabilities()["max dimensions"]).ndim == 64
    made = {"real floating": tl.tensor(1.0), "integral": tl.tensor(1), "indexing": tl.argmax(tl.tensor([1.0]))}
    assert INFO.default_dtypes() == {kind: x.dtype for kind, x in made.items()} | {"complex floating": tl.complex64}
    for name, dtype in INFO.dtypes().items():
        assert getattr(tl, name) == dtype
        assert tl.zeros(1, dtype=dtype).dtype == dtype
    assert list(INFO.dtypes(kind="real floating")) == ["float32", "float64"]
    assert list(INFO.dtypes(kind=("bool", "complex floating"))) == ["bool", "complex64", "complex128"]


def test_default_complex_dtype_follows_the_default_dtype():
    tl.set_default_dtype("float64")
    try:
        assert INFO.default_dtypes()["complex floating"] == tl.complex128
    finally:
        tl.set_default_dtype("float32")


def test_tensors_name_their_namespace():
    x = tl.tensor([1.0])
    assert x.__array_namespace__() is tl
    assert x.__array_namespace__(api_version="2023.12") is tl
    with pytest.raises(tl.BackendError, match=r"api_version is '2031.12'; the newest known is '2024.12'"):
        x.__array_namespace__(api_version="2031.12")


@pytest.mark.numpy_only("a text that names no device")
def test_tensors_have_the_methods_of_the_standard():
    x = tl.tensor([2.5], requires_grad=True)
    assert complex(x) == 2.5 + 0j
    assert x.to_device("cpu") is x
    with pytest.raises(tl.BackendError, match="to_device: a stream was given"):
        x.to_device("cpu", stream=1)
