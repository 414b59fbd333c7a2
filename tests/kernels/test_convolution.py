"""Convolution by bands, pixels and tiles: equal to the definition, for any number of threads, and at the edges."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.samples import samples_of
from tinygrad_lite import OPS
from tinygrad_lite.kernels.numpy import bands, convolution, winograd
from tinygrad_lite.testing import laws

RNG = np.random.default_rng(0)
PRIMITIVES = ("convolve_nd", "convolve_nd_input", "convolve_nd_weight")
PLAIN = {"stride": (1, 1), "dilation": (1, 1), "groups": 1}


def normal(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


def kernel(name):
    """By tiles."""
    return OPS[name].kernels["numpy"][1]


def in_bands(name):
    """By bands, strips or pixels."""
    return OPS[name].kernels["numpy"][0]


def calls(x, w, padding, **others):
    """Arguments of the three primitives: the convolution of x with w, and its gradients for some cotangent."""
    full = {**PLAIN, "padding": padding, **others}
    y = OPS["convolve_nd"].body(np, x, w, **full)
    g = np.ascontiguousarray(np.cos(np.arange(y.size))).reshape(y.shape).astype(y.dtype)
    yield "convolve_nd", (x, w), full
    yield "convolve_nd_input", (g, w), {**full, "image": x.shape[2:]}
    yield "convolve_nd_weight", (g, x), {**full, "kernel": w.shape[2:]}


CASES = [
    ((9, 32, 32, 32), (32, 32, 3, 3), ((1, 1), (1, 1))),
    ((5, 33, 19, 21), (40, 33, 3, 4), ((1, 0), (0, 2))),
    ((20, 32, 13, 30), (32, 32, 5, 5), ((2, 2), (2, 2))),
    ((2, 32, 44, 46), (40, 32, 3, 3), ((0, 0), (0, 0))),
]


@pytest.mark.parametrize(("x", "w", "padding"), CASES)
@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tiles_equal_the_definition(x, w, padding, layout, dtype):
    x, w = normal(*x, dtype=dtype), normal(*w, dtype=dtype)
    x = np.ascontiguousarray(x.transpose(layout)).transpose(np.argsort(layout))
    for name, arrays, statics in calls(x, w, padding):
        assert kernel(name).when(*arrays, **statics)
        before = [a.copy() for a in arrays]
        expected = OPS[name].body(np, *(a.astype("float64") for a in arrays), **statics)
        got = kernel(name).forward(*arrays, **statics)
        assert got.dtype == dtype and got.shape == expected.shape and got.base is None
        # Rounding errors are relative to the largest values of a tile, not to each element, and depend on the order
        # in which BLAS adds: with OpenBLAS's products for AVX2 and for AVX-512, at most 140 and 300 were seen.
        allowed = (200 if w.shape[-2] == 3 else 500) * np.finfo(dtype).eps * expected.std()
        assert np.abs(got - expected).max() < allowed
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("k", [3, 4, 5])
def test_the_error_is_within_the_bound_of_the_method(k):
    """Each result is off by at most its terms' absolute values, transformed by the matrices' absolute values."""
    x, w = normal(4, 32, 24, 24), normal(32, 32, k, k)
    a, g, b = (np.abs(m) for m in winograd.matrices((k, k), np.dtype("float64")))
    m, eps = 7 - k, np.finfo("float32").eps
    got = kernel("convolve_nd").forward(x, w, **PLAIN, padding=((0, 0), (0, 0)))
    exact = OPS["convolve_nd"].body(np, x.astype("float64"), w.astype("float64"), **PLAIN, padding=((0, 0), (0, 0)))
    filters = np.einsum("pk,dck->pcd", g, np.abs(w.reshape(32, 32, -1)))
    for i, j in ((0, 0), (m, 2 * m), (2 * m, m)):
        tile = np.abs(x[:, :, i : i + 6, j : j + 6]).reshape(4, 32, 36)
        terms = np.einsum("pe,nce->pnc", b, tile)
        bound = np.einsum("op,pnd->ndo", a, np.einsum("pnc,pcd->pnd", terms, filters)).reshape(4, 32, m, m)
        error = np.abs(got - exact)[:, :, i : i + m, j : j + m]
        assert error.max() > 0 and (error <= 4 * eps * bound).all()


def test_the_matrices_multiply_polynomials():
    for k in (2, 3, 4, 5):
        a, g, b = winograd._along_axis(k)
        w, x = normal(k, dtype="float64"), normal(6, dtype="float64")
        np.testing.assert_allclose(a @ ((g @ w) * (b @ x)), np.correlate(x, w, "valid"), rtol=1e-12)


@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((64, 1, 28, 28), (6, 1, 5, 5), {"padding": ((2, 2), (2, 2))}),
        ((64, 6, 14, 14), (16, 6, 5, 5), {"padding": ((0, 0), (0, 0))}),
        ((64, 6, 14, 15), (16, 6, 5, 6), {"padding": ((0, 1), (1, 0))}),
        ((64, 6, 15, 14), (16, 6, 6, 5), {"padding": ((0, 0), (0, 0))}),
        ((16, 12, 30, 33), (20, 12, 3, 3), {"padding": ((1, 0), (2, 1)), "stride": (2, 3), "dilation": (1, 2)}),
        ((32, 64, 14, 14), (32, 64, 1, 1), {"padding": ((0, 0), (0, 0))}),
        ((96, 64, 14, 14), (32, 64, 1, 1), {"padding": ((0, 0), (0, 0)), "stride": (2, 2)}),
        ((8, 32, 32, 36), (32, 1, 3, 3), {"padding": ((1, 1), (1, 1)), "groups": 32}),
        ((32, 64, 16, 16), (1, 64, 1, 1), {"padding": ((0, 0), (0, 0))}),
        ((256, 1, 32, 33), (3, 1, 1, 1), {"padding": ((0, 0), (0, 0))}),
        ((16, 24, 32, 33), (24, 1, 3, 2), {"padding": ((1, 1), (0, 1)), "stride": (2, 1), "groups": 24}),
        ((1, 24, 40, 40), (16, 12, 3, 3), {"padding": ((1, 1), (1, 1)), "groups": 2}),
    ],
)
def test_bands_equal_the_definition(x, w, options, layout, dtype):
    x, w = normal(*x, dtype=dtype), normal(*w, dtype=dtype)
    x = np.ascontiguousarray(x.transpose(layout)).transpose(np.argsort(layout))
    for name, arrays, statics in calls(x, w, **options):
        assert in_bands(name).when(*arrays, **statics)
        before = [a.copy() for a in arrays]
        expected = OPS[name].body(np, *(a.astype("float64") for a in arrays), **statics)
        got = in_bands(name).forward(*arrays, **statics)
        assert got.dtype == dtype and got.shape == expected.shape
        assert np.abs(got - expected).max() < 100 * np.finfo(dtype).eps * np.sqrt(np.mean(expected**2))
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b)


def test_bands_pass_the_laws_of_kernels(monkeypatch):
    monkeypatch.setattr(convolution.Least, "elements", 1)
    monkeypatch.setattr(bands.Band, "bytes", 1)
    for name in (*PRIMITIVES, "conv1d", "conv2d", "conv3d", "conv_transpose2d"):
        for sample in samples_of(name):
            laws.kernel_equals_definition(OPS[name], sample)
    x, w = normal(2, 3, 9, 8, dtype="float64"), normal(4, 3, 3, 2, dtype="float64")
    for name, arrays, statics in calls(x, w, ((1, 0), (0, 1))):
        np.testing.assert_allclose(
            in_bands(name).forward(*arrays, **statics), OPS[name].body(np, *arrays, **statics), atol=1e-12
        )


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1)])
def test_pixels_keep_their_order_in_memory(order):
    x = np.ascontiguousarray(normal(16, 64, 32, 32).transpose(order)).transpose(np.argsort(order))
    w = normal(32, 64, 1, 1)
    y = in_bands("convolve_nd").forward(x, w, **PLAIN, padding=((0, 0), (0, 0)))
    assert y.transpose(order).flags.c_contiguous and y.base is None
    np.testing.assert_allclose(y, np.einsum("ncij,dc->ndij", x, w[..., 0, 0]), rtol=1e-4, atol=1e-4)


def test_bands_leave_errors_to_the_definition():
    x, w = normal(64, 6, 14, 14), normal(16, 6, 5, 5)
    full = {**PLAIN, "padding": ((0, 0), (0, 0))}
    assert in_bands("convolve_nd").when(x, w, **full)
    for a, b, changes in (
        (x[:, :5], w, {}), (x, w, {"groups": 4}), (x, w[..., :0], {}), (x[:2, :, :6, :6], w, {}), (x[:, :, :4], w, {}),
        (x, w[0], {}), (x, w.astype("float64"), {}), (x, w, {"padding": ((-1, 0), (0, 0))}), (x, w, {"groups": 0}),
    ):  # fmt: skip
        assert not in_bands("convolve_nd").when(a, b, **full | changes), (a.shape, b.shape, changes)
    assert not in_bands("convolve_nd_input").when(x, w, image=(18, 18), **full)
    assert not in_bands("convolve_nd_input").when(normal(64, 16, 9, 10), w, image=(14, 14), **full)
    assert not in_bands("convolve_nd_weight").when(normal(64, 16, 9, 10), x, kernel=(5, 5), **full)


def test_tiles_pass_the_laws_of_kernels(monkeypatch):
    monkeypatch.setattr(convolution.Least, "channels", 1)
    monkeypatch.setattr(convolution.Least, "tiles", 1)
    monkeypatch.setattr(winograd.Tiles, "least", 1)
    monkeypatch.setattr(winograd.Tiles, "elements", 1)
    monkeypatch.setattr(winograd.Tiles, "bytes", 1)
    for name in (*PRIMITIVES, "conv2d", "conv_transpose2d"):
        for sample in samples_of(name):
            laws.kernel_equals_definition(OPS[name], sample)


def test_the_same_bits_for_any_number_of_threads():
    before = tl.get_num_threads()
    x, w = normal(9, 32, 32, 32), normal(32, 32, 3, 3)
    try:
        for name, arrays, statics in calls(x, w, ((1, 1), (1, 1))):
            for computed in OPS[name].kernels["numpy"]:
                results = []
                for count in (1, 2, 3):
                    tl.set_num_threads(count)
                    results.append(computed.forward(*arrays, **statics))
                for other in results[1:]:
                    np.testing.assert_array_equal(other, results[0])
    finally:
        tl.set_num_threads(before)


def test_values_that_are_not_finite_stay_where_they_are():
    x, w = normal(5, 32, 16, 16), normal(32, 32, 3, 3)
    x[0, 0, 4, 4], x[1, 1, 0, 15] = np.inf, np.nan
    x[2, 2] = 3e38
    with np.errstate(all="ignore"):
        for name, arrays, statics in calls(x, w, ((1, 1), (1, 1))):
            arrays[0][0, 0, 3, 3] = np.inf
            assert kernel(name).when(*arrays, **statics)
            expected = OPS[name].body(np, *arrays, **statics)
            np.testing.assert_array_equal(kernel(name).forward(*arrays, **statics), expected)


def test_tiles_decline_what_they_are_not_for():
    x, w, padding = normal(9, 32, 32, 32), normal(32, 32, 3, 3), ((1, 1), (1, 1))
    full = {**PLAIN, "padding": padding}
    accepts = kernel("convolve_nd").when
    assert accepts(x, w, **full)
    others = [
        (x, w, {"stride": (2, 1)}), (x, w, {"dilation": (1, 2)}), (x, w, {"padding": ((3, 1), (1, 1))}),
        (x, w[:, :16], {"groups": 2}), (x[:, :16], w[:, :16], {}), (x, w[:31], {}), (x, w.astype("float64"), {}),
        (x.astype("float16"), w.astype("float16"), {}), (x[:, :, :0], w, {}), (x, w[..., :1], {}), (x[:0], w, {}),
        (x[:1, :, :16], w, {}), (x[..., 0], w[..., 0], {}), (tl.tensor(x), w, {}),
    ]  # fmt: skip
    for a, b, changes in others:
        assert not accepts(a, b, **full | changes), (a.shape, b.shape, changes)
    assert not kernel("convolve_nd_input").when(x, w, image=(40, 40), **full | {"stride": (2, 2)})
    assert not kernel("convolve_nd_weight").when(x, x, kernel=(1, 1), **full)


def test_gradients_of_conv2d_of_any_order_through_tiles():
    x, w = normal(5, 32, 16, 16, dtype="float64"), normal(32, 32, 3, 3, dtype="float64") / 30

    def energy(w):
        return (tl.conv2d(x, w, padding=1) ** 2).sum() / 1e3

    direction, step = normal(*w.shape, dtype="float64"), 1e-4
    slopes = [tl.grad(energy)(w + s * direction) for s in (step, -step)]
    expected = (slopes[0] - slopes[1]) / (2 * step)
    got = tl.jvp(tl.grad(energy), (w,), (direction,))[1]
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"padding": "same"}, {"padding": (0, 2), "stride": (1, 1)}])
def test_conv2d_by_tiles_with_and_without_a_bias(options, dtype):
    op = OPS["conv2d"]
    whole = op.kernels["numpy"][0]
    x, w, bias = normal(9, 32, 24, 26, dtype=dtype), normal(40, 32, 3, 3, dtype=dtype), normal(40, dtype=dtype)
    for arrays in ((x, w), (x, w, bias)):
        assert whole.when(*arrays, **options)
        for wanted in ((0, 1, 2), (0,), (1,), (2,)):
            tensors = [tl.tensor(a, requires_grad=i in wanted) for i, a in enumerate(arrays)]
            exact = [tl.tensor(a.astype("float64"), requires_grad=i in wanted) for i, a in enumerate(arrays)]
            inputs = [i for i in wanted if i < len(arrays)]
            if not inputs:
                continue
            got, expected = op.function(*tensors, **options), op.body(*exact, **options)
            g = normal(*got.shape).astype("float64")
            pairs = [(got.detach(), expected.detach())]
            pairs += zip(
                tl.autograd.grad(got, [tensors[i] for i in inputs], g.astype(dtype)),
                tl.autograd.grad(expected, [exact[i] for i in inputs], g),
                strict=True,
            )
            for mine, theirs in pairs:
                a, b = mine.numpy(), theirs.numpy()
                assert a.dtype == dtype and a.shape == b.shape
                assert np.abs(a - b).max() < 300 * np.finfo(dtype).eps * np.sqrt(np.mean(b**2))


def test_tiles_are_kept_up_to_a_limit_and_only_if_they_are_needed(monkeypatch):
    whole = OPS["conv2d"].kernels["numpy"][0]
    x, w = normal(9, 32, 24, 26), normal(32, 32, 3, 3)
    for needs, kept in (((True, True, False), True), ((True, False, True), False), ((), False)):
        assert (whole.forward(x, w, needs=needs)[1][2] is not None) == kept
    monkeypatch.setattr(convolution.Most, "kept", 1)
    assert whole.forward(x, w, needs=(True, True))[1][2] is None
    np.testing.assert_array_equal(whole.forward(x, w, needs=())[0], whole.forward(x, w, needs=(True, True))[0])


def test_conv2d_by_tiles_of_values_that_are_not_finite():
    x, w, bias = normal(9, 32, 24, 26), normal(32, 32, 3, 3), normal(32)
    op = OPS["conv2d"]
    g = normal(9, 32, 22, 24)
    for where in ("x", "g"):
        a, b = x.copy(), g.copy()
        (a if where == "x" else b)[0, 0, 4, 4] = np.inf
        with np.errstate(all="ignore"):
            results = []
            for function in (op.function, op.body):
                tensors = [tl.tensor(array, requires_grad=True) for array in (a, w, bias)]
                out = function(*tensors)
                results.append([out.detach(), *tl.autograd.grad(out, tensors, b)])
        for mine, theirs in zip(*results, strict=True):
            np.testing.assert_array_equal(np.isfinite(mine.numpy()), np.isfinite(theirs.numpy()))
            np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-3)


def test_conv2d_leaves_other_calls_and_errors_to_the_definition():
    whole = OPS["conv2d"].kernels["numpy"][0]
    x, w, bias = normal(9, 32, 24, 26), normal(32, 32, 3, 3), normal(32)
    assert whole.when(x, w, bias)
    for arrays, options in (
        ((x, w, bias[:3]), {}), ((x, w, bias.astype("float64")), {}), ((x, w, bias), {"stride": 2}),
        ((x, w), {"padding": "some"}), ((x, w), {"padding": (1, 1, 1)}), ((x, w), {"dilation": 2}),
        ((x[:, :3], w), {}), ((x[0], w), {}), ((x, w), {"groups": 2}), ((x, w), {"padding": 3}),
    ):  # fmt: skip
        assert not whole.when(*arrays, **options), options
    with pytest.raises(tl.ShapeError, match=r"conv2d: bias is \(3,\)"):
        tl.conv2d(x, w, bias[:3])


def test_primitives_by_tiles_take_only_what_fits_together():
    x, w, y = normal(9, 32, 24, 26), normal(32, 32, 3, 3), normal(9, 32, 22, 25)
    full = {**PLAIN, "padding": ((0, 0), (0, 0))}
    assert not kernel("convolve_nd_input").when(y, w, image=(24, 26), **full)
    assert not kernel("convolve_nd_weight").when(y, x, kernel=(3, 3), **full)
    assert not kernel("convolve_nd_weight").when(y[:, :, :, :24][:8], x, kernel=(3, 3), **full)
