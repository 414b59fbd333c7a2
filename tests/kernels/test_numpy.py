"""NumPy's kernels at the sizes they are made for, and at edges that the samples of the laws do not reach."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import OPS

RNG = np.random.default_rng(0)
inf, nan = np.inf, np.nan


def normal(*shape):
    return RNG.standard_normal(shape).astype("float32")


def gradients(function, arrays, g):
    tensors = [tl.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    out = function(*tensors)
    return tl.autograd.grad(out, [x for x in tensors if x.requires_grad], g)


def agrees(name, *arrays, rtol=1e-5, **statics):
    """The kernel takes the call, and value and gradients are the definition's."""
    op = OPS[name]
    kernel = op.kernels["numpy"][0]
    options = {k: op.signature.parameters[k].default for k in op.statics} | statics
    assert kernel.when(*arrays, **options)
    if op.primitive:
        got, expected = kernel.forward(*arrays, **statics), op.body(np, *arrays, **statics)
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-30)
        assert got.dtype == expected.dtype
        return
    got, expected = op.function(*arrays, **statics), op.body(*arrays, **statics)
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-6)
    assert got.dtype == expected.dtype
    g = np.asarray(np.cos(np.arange(expected.size)).reshape(expected.shape), expected.dtype)
    pairs = zip(
        gradients(lambda *a: op.function(*a, **statics), arrays, g),
        gradients(lambda *a: op.body(*a, **statics), arrays, g),
        strict=True,
    )
    for mine, theirs in pairs:
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=rtol, atol=1e-5)


def test_sigmoid():
    agrees("sigmoid", np.concatenate([normal(10_000) * 30, np.array([-inf, -1000, 0, 1000, inf, nan], "float32")]))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_in_several_blocks(reduction, label_smoothing):
    logits, target = normal(300, 1000) * 5, RNG.integers(0, 1000, 300)
    target[[0, 7, 299]] = -100
    agrees("cross_entropy", logits, target, reduction=reduction, label_smoothing=label_smoothing)
    agrees("cross_entropy", normal(3, 100_000), np.array([0, 5, 99_999]), reduction=reduction)


def test_cross_entropy_with_nothing_counted_and_forbidden_classes():
    agrees("cross_entropy", normal(3, 4), np.full(3, -100))
    logits = normal(3, 4)
    logits[:, 1] = -inf
    agrees("cross_entropy", logits, np.array([0, 2, 3], "uint8"))


def test_a_kernel_can_be_swept_twice():
    x = tl.tensor(normal(5, 4), requires_grad=True)
    for loss in (tl.cross_entropy(x, np.arange(5) % 4), tl.layer_norm(x).sum() + tl.layer_norm(x)[0, 0]):
        first, second = (tl.autograd.grad(loss, [x], retain_graph=True)[0].numpy() for _ in range(2))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("axis", [-1, (-2, -1), (1, 2), (2, 1)])
def test_layer_norm(axis):
    x = normal(20, 30, 40)
    lengths = (40,) if axis == -1 else (30, 40)
    agrees("layer_norm", x, normal(*lengths), normal(*lengths), axis=axis, rtol=1e-4)
    agrees("layer_norm", x, axis=axis, rtol=1e-4)
    agrees("layer_norm", x[:, ::2], normal(*(x[:, ::2].shape[-len(lengths) :])), axis=axis, rtol=1e-4)


@pytest.mark.parametrize("axes", [1, 2])
def test_layer_norm_with_a_bias_only(axes):
    x, bias = normal(20, 8, 5), tl.tensor(normal(*(8, 5)[-axes:]), requires_grad=True)
    tl.layer_norm(x, None, bias, axis=tuple(range(-axes, 0))).sum().backward()
    np.testing.assert_array_equal(bias.grad.numpy(), np.full(bias.shape, x.size / bias.size, "float32"))


@pytest.mark.parametrize("options", [{"kernel_size": 2}, {"kernel_size": (3, 2), "stride": (3, 2)}, {"kernel_size": 1}])
def test_max_pool2d(options):
    x = np.maximum(normal(3, 4, 13, 17), 0)  # many equal maxima
    agrees("max_pool2d", x, **options)
    x[0, 0, :3, :3] = nan
    x[1, 0, :6, :6] = -inf
    agrees("max_pool2d", x, **options)


@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (0, 2, 3, 1), (1, 2, 3, 0)])
def test_pooling_in_several_parts_and_layouts(layout):
    x = np.maximum(normal(9, 30, 64, 66), 0)
    x = np.ascontiguousarray(x.transpose(layout)).transpose(np.argsort(layout))
    for name in ("max_pool2d", "avg_pool2d"):
        agrees(name, x, kernel_size=2)
        agrees(name, x, kernel_size=(5, 3))
        agrees(name, x, kernel_size=(12, 11))  # more than 127 elements


@pytest.mark.parametrize("options", [{}, {"divisor_override": 3}, {"count_include_pad": False}, {"ceil_mode": True}])
def test_mean_pooling(options):
    agrees("avg_pool2d", normal(3, 4, 12, 16), kernel_size=(3, 2), **options)
    (kernel,) = OPS["avg_pool2d"].kernels["numpy"]
    assert not kernel.when(normal(3, 4, 12, 16), kernel_size=2, divisor_override=0)
    assert not kernel.when(normal(3, 4, 13, 16), kernel_size=2, ceil_mode=True)
    assert not kernel.when(normal(3, 4, 12, 16), kernel_size=2, padding=1)
    agrees("avg_pool1d", normal(3, 4, 12), kernel_size=3)
    agrees("avg_pool3d", normal(3, 4, 4, 5, 6), kernel_size=2)


def test_an_infinite_cotangent_of_pooling_reaches_the_largest_only():
    x = np.arange(16, dtype="float32").reshape(1, 1, 4, 4)
    g = np.full((1, 1, 2, 2), inf, "float32")
    (gradient,) = gradients(lambda x: tl.max_pool2d(x, kernel_size=2), [x], g)
    np.testing.assert_array_equal(gradient.numpy()[0, 0, :2, :2], [[0, 0], [0, inf]])


def test_max_pooling_in_other_dimensions():
    agrees("max_pool1d", np.maximum(normal(3, 4, 17), 0), kernel_size=3)
    agrees("max_pool3d", np.maximum(normal(2, 3, 5, 6, 7), 0), kernel_size=(2, 3, 2))
    (kernel,) = OPS["max_pool2d"].kernels["numpy"]
    assert kernel.when(normal(1, 1, 4, 6), kernel_size=2, ceil_mode=True)
    for x, other in (
        ((1, 1, 5, 6), {"ceil_mode": True}), ((1, 1, 4, 6), {"dilation": 2}), ((1, 1, 4, 6), {"padding": 1}),
        ((1, 1, 4, 6), {"stride": 1}), ((1, 4, 6), {}),
    ):  # fmt: skip
        assert not kernel.when(normal(*x), kernel_size=2, **other)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_in_several_blocks(approximate):
    x = normal(3, 40_001) * 4
    x[0, :4] = [-1000, 1000, 0, -1e-20]
    agrees("gelu", x, approximate=approximate)
    agrees("gelu", x[:, ::-1].T, approximate=approximate)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [(5,) * 20, (9, 9, 7, 3, 1, 1), (1,)])
def test_recurrent_steps(sizes, reverse):
    rows, n, k, how = sum(sizes), sizes[0], 24, {"batch_sizes": sizes, "reverse": reverse, "rtol": 1e-4}
    small = [normal(parts * k, k) / 5 for parts in range(5)]
    agrees("lstm_scan", normal(rows, 4 * k), small[4], normal(n, k), normal(n, k), **how)
    agrees("gru_scan", normal(rows, 3 * k), small[3], normal(n, k), **how)
    agrees("gru_scan", normal(rows, 3 * k), small[3], normal(n, k), normal(3 * k), **how)
    for nonlinearity in ("tanh", "relu"):
        agrees("rnn_scan", normal(rows, k), small[1], normal(n, k), nonlinearity=nonlinearity, **how)


def test_saturated_gates():
    x = np.array([[inf, -inf, 50.0, 200.0], [-200.0, 200.0, -inf, -inf]], "float32")
    agrees("lstm_scan", x, np.zeros((4, 1), "float32"), *np.ones((2, 2, 1), "float32"), batch_sizes=(2,))
    kernel = OPS["lstm_scan"].kernels["numpy"][0]
    arrays = normal(2, 4), normal(4, 1), normal(2, 1), normal(2, 1)
    assert kernel.when(*arrays, batch_sizes=(2,))
    assert not kernel.when(arrays[0].astype("float64"), *arrays[1:], batch_sizes=(2,))
    assert not kernel.when(*arrays, batch_sizes=(1, 2))
    assert not kernel.when(*arrays, batch_sizes=(1, 1))
