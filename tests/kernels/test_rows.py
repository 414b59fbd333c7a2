"""Kernels on blocks of rows: with blocks so small that there are several, at edges, and on several threads."""

import tracemalloc

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.kernels.test_numpy import agrees, gradients, inf, nan, normal
from tests.samples import samples_of
from tinygrad_lite import OPS
from tinygrad_lite.kernels.numpy import attention, channels, normalization, reductions, rows
from tinygrad_lite.kernels.rules import RULES
from tinygrad_lite.machine import MachineCode
from tinygrad_lite.testing import laws

NAMES = ["batch_norm", "cross_entropy", "layer_norm", "rms_norm", "scaled_dot_product_attention"]


@pytest.fixture(autouse=True, params=["machine code", "calls of NumPy's"])
def small_blocks(request, monkeypatch):
    monkeypatch.setattr(MachineCode, "wanted", request.param == "machine code")
    monkeypatch.setattr(rows.Rows, "elements", 40)
    monkeypatch.setattr(reductions, "_WORTH_IT", 1)
    monkeypatch.setattr(channels, "_WORTH_IT", 1)
    monkeypatch.setattr(attention.Scores, "elements", 64)
    monkeypatch.setattr(attention.Scores, "rows", 4)


@pytest.mark.parametrize("name", [*NAMES, "softmax", "log_softmax", "logsumexp"])
def test_kernels_equal_their_definitions_in_small_blocks(name):
    for sample in samples_of(name):
        laws.kernel_equals_definition(OPS[name], sample)


@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_normalised_rows_may_be_computed_again(name, monkeypatch):
    monkeypatch.setattr(normalization, "KEPT", 0)
    for sample in samples_of(name):
        laws.kernel_equals_definition(OPS[name], sample)


def test_slices_depend_on_the_shape_only():
    for count, length in ((1, 1), (7, 13), (100, 3), (3, 1000)):
        found = []
        assert rows.over_rows(lambda block: None, count, length) == rows.over_rows(found.append, count, length)
        found.sort(key=lambda block: block.start)
        assert [block.start for block in found] == [0, *[block.stop for block in found[:-1]]]
        assert found[-1].stop == count


CALLS = {
    "softmax": lambda: tl.softmax,
    "log_softmax": lambda: tl.log_softmax,
    "logsumexp": lambda: lambda x: tl.logsumexp(x, axis=-1),
    "layer_norm": lambda: lambda x, w, b: tl.layer_norm(x, w, b),
    "rms_norm": lambda: lambda x, w: tl.rms_norm(x, w),
    "cross_entropy": lambda: lambda x: tl.cross_entropy(x, np.arange(37) % 11),
    "batch_norm": lambda: lambda x, m, w, b: tl.batch_norm(x, m, tl.square(w), w, b),
    "attention": lambda: lambda q, k, v: tl.scaled_dot_product_attention(q, k, v, is_causal=True),
}
SHAPES = {
    "softmax": [(37, 11)], "log_softmax": [(37, 11)], "logsumexp": [(37, 11)], "layer_norm": [(37, 11), (11,), (11,)],
    "rms_norm": [(37, 11), (11,)], "cross_entropy": [(37, 11)], "attention": [(2, 3, 21, 4)] * 3,
    "batch_norm": [(9, 5, 3, 2), *[(5,)] * 3],
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_results_do_not_depend_on_the_number_of_threads(name):
    arrays = [normal(*shape) for shape in SHAPES[name]]
    function, before, found = CALLS[name](), tl.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            tl.set_num_threads(threads)
            out = function(*arrays)
            g = np.cos(np.arange(out.size, dtype="float32")).reshape(out.shape)
            found.append([out, *[part.numpy() for part in gradients(function, arrays, g)]])
    finally:
        tl.set_num_threads(before)
    for others in found[1:]:
        for mine, first in zip(others, found[0], strict=True):
            np.testing.assert_array_equal(mine, first)


def rule(name, g, **known):
    """The gradient by the operation's own rule."""
    own = OPS[name].rules["x"]
    return own(*[{"g": g, **known}[wanted] for wanted in own.__code__.co_varnames[: own.__code__.co_argcount]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_rules_equal_their_definitions(name, dtype):
    x, statics = normal(5, 7, 11).astype(dtype) * 9, {"axis": -1}
    x[0, 0, 3] = x[1, 1, :] = -inf
    if name == "logsumexp":
        statics["keepdims"] = False
    else:
        x[1, 1, 0] = 0
    out = getattr(tl, name)(x, **statics)
    given = normal(*out.shape).astype(dtype)
    for g in (given, np.broadcast_to(given[:1], out.shape)):
        expected = rule(name, g, x=x, out=out, **statics)
        quicker = RULES[name]["numpy"]
        wants = quicker.__code__.co_varnames[: quicker.__code__.co_argcount]
        got = quicker(*[{"g": g, "x": x, "out": out, **statics}[want] for want in wants])
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=2e-5 if dtype == "float32" else 1e-12, atol=1e-6)
        (swept,) = gradients(lambda x: getattr(tl, name)(x, **statics), [x], g)
        np.testing.assert_array_equal(swept.numpy(), got)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_rows_with_values_that_are_not_finite(name, dtype):
    x = normal(9, 13).astype(dtype)
    x[1, 4], x[2], x[3, 12], x[4, 5:], x[5, 0], x[6], x[7, 2] = nan, -inf, inf, -inf, -inf, nan, 1e30
    with np.errstate(all="ignore"):
        expected = OPS[name].body(np, x, axis=-1)
        found = getattr(tl, name)(x, axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-30)
    finite = np.delete(x, [1, 2, 3, 6], axis=0)
    getattr(tl, name)(finite, axis=-1)  # without a warning, which would be an error


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_rows_that_are_not_contiguous(name):
    x = normal(5, 6, 34)
    for given in (x[..., ::2], x[:, ::2], x.swapaxes(0, 1), np.broadcast_to(x[..., :1], x.shape), x[..., ::-1]):
        agrees(name, given, axis=-1)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_captured_steps_have_the_rules(name):
    w = tl.tensor(normal(11), requires_grad=True)

    def step(x):
        return tl.autograd.grad((getattr(tl, name)(x * w, axis=-1) ** 2).sum(), [w])[0]

    captured = tl.jit(step)
    for factor in (1, 2, 3):
        x = normal(37, 11) * np.float32(factor)
        np.testing.assert_array_equal(captured(x).numpy(), step(x).numpy())


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_rows_leave_other_axes_to_the_definition(name):
    x = normal(6, 7)
    (kernel,) = OPS[name].kernels["numpy"]
    assert kernel.when(x, axis=1) and kernel.when(x, axis=-1)
    for other, axis in ((x, 0), (x, (0, 1)), (x, True), (x.astype("float16"), 1), (x.astype(int), 1), (x[:0], 1)):
        assert not kernel.when(other, axis=axis)
        if axis != 0:
            continue
        (g,) = gradients(lambda x: getattr(tl, name)(x, axis=0).sum(), [x], np.float32(1))
        np.testing.assert_allclose(g.numpy(), rule(name, np.ones_like(OPS[name].body(np, x, axis=0)), x=x,
            out=OPS[name].body(np, x, axis=0), axis=0, keepdims=False), atol=1e-6)  # fmt: skip


def test_second_derivatives_through_rules():
    x = tl.tensor(normal(9, 7).astype("float64"), requires_grad=True)

    def penalty(rows):
        (g,) = tl.autograd.grad((tl.softmax(rows) ** 2).sum(), [rows], create_graph=True)
        return (g * g).sum()

    (mine,) = tl.autograd.grad(penalty(x), [x])
    step = np.zeros(x.shape)
    step[4, 2] = 1e-6
    ends = [float(penalty(tl.tensor(x.detach().numpy() + s, requires_grad=True)).detach()) for s in (step, -step)]
    np.testing.assert_allclose(mine.numpy()[4, 2], (ends[0] - ends[1]) / 2e-6, rtol=1e-5)


def test_cross_entropy_gives_its_gradient_away_once():
    x = tl.tensor(normal(20, 5), requires_grad=True)
    loss = tl.cross_entropy(x, np.arange(20) % 5, label_smoothing=0.1)
    first = tl.autograd.grad(loss, [x], retain_graph=True)[0].numpy()
    expected = first.copy()
    first[:] = nan
    for g in (1.0, 3.0):
        again = tl.autograd.grad(loss, [x], np.float32(g), retain_graph=True)[0].numpy()
        np.testing.assert_allclose(again, expected * np.float32(g), rtol=1e-6)


@pytest.mark.parametrize("offset", [0, 30, 60, 95, -30, -60, -95, 300, -300])
def test_cross_entropy_of_extreme_logits(offset):
    """Whether exponentials are taken of the logits or of their distances from the largest."""
    target = np.arange(20) % 5
    for factor in (1, 5, 40):
        x = normal(20, 5) * np.float32(factor) + np.float32(offset)
        x[np.arange(20), target] += np.float32(3 * factor)  # many losses are small
        shifted = x.astype("float64") - x.max(axis=1, keepdims=True)
        expected = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(20), target]
        got = tl.cross_entropy(x, target, reduction="none")
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=3e-7)
        agrees("cross_entropy", x, target)
    x[3, 2] = inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(tl.cross_entropy(x, target, reduction="none")[3])


def test_cross_entropy_keeps_nothing_for_the_value_alone():
    logits, target = normal(50, 30), np.arange(50) % 30
    (kernel,) = OPS["cross_entropy"].kernels["numpy"]
    statics = {"label_smoothing": 0.0, "ignore_index": -100, "reduction": "mean"}
    out, saved = kernel.attempt((logits, target, None), statics, (False, False, False))
    assert saved[0] == []
    np.testing.assert_allclose(out, tl.cross_entropy(logits, target), rtol=1e-6)


@pytest.mark.parametrize("lengths", [(), (3,), (4, 3)])
def test_batch_norm_in_any_layout(lengths):
    parameters = normal(5), np.abs(normal(5)) + 1, normal(5), normal(5)
    x = normal(8, 5, *lengths)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    for given in (x, last, x[::2], last.T.copy().T, np.repeat(last, 2, axis=0)[::2]):
        agrees("batch_norm", given, *parameters, rtol=1e-4)
        agrees("batch_norm", given, *parameters[:2], rtol=1e-4)
        strides = OPS["batch_norm"].function(given, *parameters).strides
        assert strides == given.strides or given is not last
    (kernel,) = OPS["batch_norm"].kernels["numpy"]
    statics = {"axis": 1, "eps": 1e-5}
    assert not kernel.when(x, *parameters, axis=0) and not kernel.when(x[0, 0], *parameters, **statics)
    assert not kernel.when(x, parameters[0][:1], *parameters[1:], **statics)
    gradients = kernel._backward(x, kernel.forward(x, *parameters, **statics)[1], (False, True, False, False, True))
    assert [part is None for part in gradients] == [True, False, True, True, False]


def test_sums_and_products_of_long_rows():
    a, b = normal(3, 20_001).astype("float64"), normal(3, 20_001).astype("float64")
    np.testing.assert_allclose(rows.sums(a), a.sum(axis=1, keepdims=True), rtol=1e-10)
    np.testing.assert_allclose(rows.dots(a, b)[:, 0], np.einsum("ij,ij->i", a, b), rtol=1e-10)


def test_attention_sees_no_later_key_whatever_it_holds():
    q, k, v = (normal(2, 13, 3) for _ in range(3))
    expected = tl.scaled_dot_product_attention(q, k, v, is_causal=True)
    for worst in (nan, inf):
        k[:, 9:] = worst
        with np.errstate(invalid="ignore"):
            got = tl.scaled_dot_product_attention(q, k, v, is_causal=True)
        np.testing.assert_array_equal(got[:, :9], expected[:, :9])


@pytest.mark.parametrize("kept", [0, 8])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_attention_with_masks(shape, kept, monkeypatch):
    monkeypatch.setattr(attention.Scores, "kept", kept)
    q, k, v = normal(*shape, 9, 4), normal(*shape, 17, 4), normal(*shape, 17, 5)
    agree = lambda *arrays, **statics: agrees("scaled_dot_product_attention", *arrays, rtol=1e-4, **statics)
    agree(q, k, v)
    agree(q, k, v, is_causal=True)
    agree(q * 30, k, v, is_causal=True)
    agree(q * 30, k, v)
    agree(k, q, normal(*shape, 9, 2), is_causal=True, scale=0.3)
    for lengths in ((9, 17), (1, 17), (9, 1), (17,)):
        keep = np.cos(np.arange(np.prod(lengths))).reshape(lengths) > -0.2
        agree(q, k, v, keep)
        statics = {"is_causal": False, "dropout_p": 0.0, "scale": None, "enable_gqa": False, "rng": None}
        (kernel,) = OPS["scaled_dot_product_attention"].kernels["numpy"]
        added = np.where(keep, np.float32(1.5), np.float32(-inf))
        out, _ = kernel.attempt((q, k, v, added), statics, (True, True, True, False))
        np.testing.assert_allclose(out, OPS["scaled_dot_product_attention"].body(q, k, v, added), atol=1e-5)
        assert kernel.attempt((q, k, v, added), statics, (True, True, True, True)) is NotImplemented


def test_attention_of_grouped_heads_and_strided_arrays():
    q, k, v = normal(2, 9, 6, 4).swapaxes(1, 2), normal(2, 3, 12, 4), normal(2, 3, 12, 5)
    for causal in (False, True):
        agrees("scaled_dot_product_attention", q, k, v, is_causal=causal, enable_gqa=True, rtol=1e-4)


@pytest.mark.parametrize("factor", [300.0, -300.0, 1e-30])
def test_attention_with_large_and_small_scores(factor):
    q, k, v = normal(2, 9, 4), normal(2, 17, 4), normal(2, 17, 5)
    for causal in (False, True):
        agrees("scaled_dot_product_attention", q, k, v, is_causal=causal, scale=factor, rtol=1e-3)
    expected = tl.scaled_dot_product_attention(q[:, :5], k[:, :5], v[:, :5], is_causal=True)
    k[:, 5:] *= abs(factor)  # seen by later queries only, of the same block
    found = tl.scaled_dot_product_attention(q, k, v, is_causal=True)[:, :5]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_attention_keeps_the_order_of_its_arrays_in_memory():
    arrays = [normal(2, 9, 3 * 4).reshape(2, 9, 3, 4).swapaxes(1, 2) for _ in range(3)]
    attention_of = lambda q, k, v: tl.scaled_dot_product_attention(q, k, v, is_causal=True)
    out = attention_of(*arrays)
    for found in (out, *gradients(attention_of, arrays, np.ones_like(out))):
        assert np.asarray(found).swapaxes(1, 2).flags.c_contiguous
    strided = [normal(2, 3, 4, 9).mT, np.broadcast_to(normal(1, 3, 1, 4), (2, 3, 9, 4)), normal(2, 3, 9, 8)[..., ::2]]
    agrees("scaled_dot_product_attention", *strided, is_causal=True, rtol=1e-4)


def test_attention_leaves_other_calls_to_the_definition():
    q, k, v = (normal(2, 5, 3) for _ in range(3))
    (kernel,) = OPS["scaled_dot_product_attention"].kernels["numpy"]
    assert kernel.when(q, k, v)
    for arrays, statics in (
        ((q, k, v), {"dropout_p": 0.1}),
        ((q[0], k[0], v[0]), {"enable_gqa": True}),
        ((q, k[0], v[0]), {}), ((q, k[:1], v[:1]), {}), ((q, k, v[:, :3]), {}),
        ((q, k, v.astype("float64")), {}), ((q, k, v, np.ones((5, 5), int)), {}), ((q, k, v, np.ones(5, bool)),
        {"is_causal": True}), ((q, k, v, np.ones((3, 5), bool)), {}), ((q, k, v, np.ones((4, 1, 5, 5), bool)), {}),
    ):  # fmt: skip
        assert not kernel.when(*arrays, **statics)


def test_memory_of_attention_grows_with_the_length():
    peaks = []
    for length in (1000, 4000):
        tensors = [tl.tensor(normal(1, length, 2), requires_grad=True) for _ in range(3)]
        tracemalloc.start()
        tl.scaled_dot_product_attention(*tensors).sum().backward()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 6 * peaks[0]
