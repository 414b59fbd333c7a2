"""Convolution by strips: equal to the definition, for any number of threads, and at the edges."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.kernels.test_convolution import PLAIN, PRIMITIVES, calls, in_bands, normal
from tests.samples import samples_of
from tinygrad_lite import OPS
from tinygrad_lite.kernels.numpy import convolution, strips
from tinygrad_lite.ops.windows import geometry
from tinygrad_lite.testing import laws


def by_strips():
    return OPS["conv2d"].kernels["numpy"][1]


STRIPS = [
    ((64, 1, 28, 28), (6, 1, 5, 5), {"padding": ((2, 2), (2, 2))}),
    ((64, 6, 14, 14), (16, 6, 5, 5), {"padding": ((0, 0), (0, 0))}),
    ((60, 2, 7, 9), (1, 2, 3, 2), {"padding": ((1, 2), (3, 0)), "stride": (1, 2), "dilation": (1, 2)}),
    ((130, 3, 2, 4), (2, 3, 4, 2), {"padding": ((5, 2), (7, 5)), "stride": (1, 3)}),
    ((33, 30, 5, 8), (27, 30, 3, 3), {"padding": ((1, 1), (1, 1))}),
]


@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (2, 1, 3, 0)])
@pytest.mark.parametrize("elements", [1 << 18, 1])
@pytest.mark.parametrize(("x", "w", "options"), STRIPS)
def test_strips_equal_the_definition(monkeypatch, x, w, options, elements, layout):
    """Also with small blocks, which end where rows are left over, and with windows that lie in the border."""
    x, w = normal(*x, dtype="float64"), normal(*w, dtype="float64")
    x = np.ascontiguousarray(x.transpose(layout)).transpose(np.argsort(layout))
    full = {**PLAIN, **options}
    windows = geometry(x.shape[2:], w.shape[2:], *(full[name] for name in ("stride", "padding", "dilation")))
    assert strips.fits(windows, x.shape[1], len(x), 1)
    monkeypatch.setattr(strips.Strips, "elements", elements)
    (_, _, _), (_, (g, _), _), _ = found = list(calls(x, w, **options))
    expected = [OPS[name].body(np, *arrays, **statics) for name, arrays, statics in found]
    rows, cotangents = strips.by_rows("images", x, windows), strips.by_rows("cotangents", g)
    result, images = strips.new_images(g.shape, x.dtype), strips.new_images(x.shape, x.dtype)
    kept = np.full(strips.gathered(windows, x.shape[1], len(x)), np.nan)
    for columns in (kept, None):
        strips.convolve(rows, w, windows, strips.as_rows(result), None, columns)
        np.testing.assert_allclose(result, expected[0], atol=1e-11)
        filters = strips.weight_gradient(cotangents, rows if columns is None else None, windows, columns)
        np.testing.assert_allclose(filters, expected[2], atol=1e-10)
    strips.input_gradient(cotangents, w, windows, strips.as_rows(images))
    np.testing.assert_allclose(images, expected[1], atol=1e-11)


def test_strips_pass_the_laws_of_kernels(monkeypatch):
    monkeypatch.setattr(convolution.Least, "elements", 1)
    monkeypatch.setattr(strips.Strips, "columns", 1)
    monkeypatch.setattr(convolution.Least, "tiles", 1 << 30)
    for name in (*PRIMITIVES, "conv2d", "conv_transpose2d"):
        for sample in samples_of(name):
            laws.kernel_equals_definition(OPS[name], sample)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"padding": 2}, {"padding": "same"}])
@pytest.mark.parametrize("limit", [1 << 22, 1])
def test_conv2d_by_strips_with_and_without_a_bias(monkeypatch, limit, options, dtype):
    monkeypatch.setattr(convolution.Most, "strips", limit)
    op = OPS["conv2d"]
    x, w, bias = normal(40, 3, 14, 15, dtype=dtype), normal(6, 3, 5, 4, dtype=dtype), normal(6, dtype=dtype)
    for arrays in ((x, w), (x, w, bias)):
        assert by_strips().when(*arrays, **options) and not op.kernels["numpy"][0].when(*arrays, **options)
        for inputs in ([0, 1, 2][: len(arrays)], [0], [1], [2][: len(arrays) - 2]):
            if not inputs:
                continue
            tensors = [tl.tensor(a, requires_grad=i in inputs) for i, a in enumerate(arrays)]
            exact = [tl.tensor(a.astype("float64"), requires_grad=i in inputs) for i, a in enumerate(arrays)]
            got, expected = op.function(*tensors, **options), op.body(*exact, **options)
            g = normal(*got.shape).astype("float64")
            mine = tl.autograd.grad(got, [tensors[i] for i in inputs], g.astype(dtype))
            theirs = tl.autograd.grad(expected, [exact[i] for i in inputs], g)
            for a, b in zip((got, *mine), (expected, *theirs), strict=True):
                a, b = a.detach().numpy(), b.detach().numpy()
                assert a.dtype == dtype and a.shape == b.shape
                assert np.abs(a - b).max() < 100 * np.finfo(dtype).eps * np.sqrt(np.mean(b**2))


def test_what_strips_gather_is_kept_up_to_a_limit_and_only_if_it_is_needed(monkeypatch):
    x, w = normal(64, 6, 14, 14), normal(16, 6, 5, 5)
    for needs, kept in (((True, True), True), ((True, False), False), ((), False)):
        assert (by_strips().forward(x, w, needs=needs)[1][2] is not None) == kept
    monkeypatch.setattr(convolution.Most, "strips", 1 << 20)
    assert by_strips().forward(x, w, needs=(True, True))[1][2] is None


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
def test_values_that_are_not_finite_stay_in_their_windows_with_strips(value):
    x, w = normal(64, 2, 14, 14), normal(3, 2, 5, 3)
    found = list(calls(x, w, ((0, 0), (1, 1))))
    found[1][1][0][3, 1, 4, 5] = x[0, 0, 6, 4] = value
    with np.errstate(all="ignore"):
        for name, arrays, statics in found[:2]:
            got, expected = in_bands(name).forward(*arrays, **statics), OPS[name].body(np, *arrays, **statics)
            np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_strips_have_the_same_bits_for_any_number_of_threads():
    before, x, w, bias = tl.get_num_threads(), normal(64, 6, 28, 28), normal(6, 6, 5, 5), normal(6)
    try:
        results = []
        for count in (1, 2, 3):
            tl.set_num_threads(count)
            tensors = [tl.tensor(a, requires_grad=True) for a in (x, w, bias)]
            out = tl.conv2d(*tensors, padding=2)
            results.append([out.detach().numpy(), *(g.numpy() for g in tl.autograd.grad(out.square().sum(), tensors))])
        for other in results[1:]:
            for a, b in zip(other, results[0], strict=True):
                np.testing.assert_array_equal(a, b)
    finally:
        tl.set_num_threads(before)


def test_strips_are_for_rows_that_follow_each_other():
    full = {**PLAIN, "padding": ((0, 0), (0, 0))}

    def fits(image, kernel, n=64, channels=4, groups=1, **changes):
        each = {**full, **changes}
        windows = geometry(image, kernel, each["stride"], ((0, 0),) * len(image), each["dilation"])
        return strips.fits(windows, channels, n, groups)

    assert fits((14, 14), (3, 3))
    assert fits((14, 14), (3, 3), stride=(1, 2), dilation=(1, 2))
    assert not fits((14, 14), (3, 3), stride=(2, 1)) and not fits((14, 14), (3, 3), dilation=(2, 1))
    assert not fits((14, 14), (2, 3)) and not fits((14, 14), (3, 3), groups=2) and not fits((14, 14), (3, 3), n=4)
    assert not fits((512, 512), (3, 3), n=1, channels=8)
    assert not fits((14,), (3,), stride=(1,), dilation=(1,))
    assert strips.fits_input((32, 8, 3, 3)) and strips.fits_input((8, 3, 3, 3))
    assert not strips.fits_input((32, 3, 3, 3))
