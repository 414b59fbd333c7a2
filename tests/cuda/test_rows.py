"""Kernels of rows and columns equal their definitions, on the stand-in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.backends.fake_cupy.emulator import EmulationError
from tests.cuda.agreement import DTYPES, agrees, draws, each_bug, gradients, launches, planted
from tinygrad_lite.kernels.cupy import losses, reductions, rows

pytestmark = pytest.mark.usefixtures("emulated")

SOFT = ["softmax", "log_softmax", "logsumexp"]


# How rows are laid over threads


class Array:
    """As much of an array as a plan asks for."""

    def __init__(self, itemsize, ptr=1 << 20):
        self.itemsize = itemsize
        self.data = type("Memory", (), {"ptr": ptr})


@pytest.mark.parametrize(
    ("itemsize", "n", "kind", "lanes", "threads"),
    [
        (4, 1, "single_held", 1, 128), (4, 4, "packs_few", 1, 128), (4, 10, "single_held", 2, 128),
        (4, 128, "packs_few", 32, 128), (4, 132, "packs_many", 16, 128), (4, 512, "packs_many", 32, 128),
        (4, 516, "packs_many", 64, 64), (4, 8192, "packs_many", 512, 512), (4, 4095, "single_held", 512, 512),
        (4, 4097, "single_long", 512, 512), (4, 8196, "packs_long", 512, 512), (2, 8, "packs_few", 1, 128),
        (2, 768, "packs_many", 64, 64), (2, 50304, "packs_long", 512, 512), (8, 64, "packs_few", 32, 128),
        (8, 4096, "packs_many", 512, 512), (8, 4097, "single_long", 512, 512),
    ],
)  # fmt: skip
def test_plans(itemsize, n, kind, lanes, threads):
    plan = rows.Rows.plan(1000, n, Array(itemsize), None)
    assert plan[:3] == (kind, lanes, threads)
    assert plan.blocks * (threads // lanes) >= 1000 > (plan.blocks - 1) * (threads // lanes)


def test_plans_look_at_addresses_and_limit_blocks():
    assert rows.Rows.plan(3, 8, Array(4), Array(4, ptr=8)).kind == "single_held"
    assert rows.Rows.plan(10**9, 8192, Array(4)).blocks == rows.Limits.blocks


def test_axes_next_to_each_other_collapse():
    assert rows.collapsed((2, 3, 4, 5), -1) == (24, 5, 1)
    assert rows.collapsed((2, 3, 4, 5), (2, 1)) == (2, 12, 5)
    assert rows.collapsed((2, 3), None) == (1, 6, 1)
    for shape, axis in (((2, 3, 4), (0, 2)), ((2, 3), True), ((2, 3), 2), ((), None), ((2, 3), ())):
        assert rows.collapsed(shape, axis) is None


# softmax, log_softmax, logsumexp


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SOFT)
def test_rows(cupy, name, dtype):
    for shape in ((5, 1), (33, 7), (3, 32), (2, 3, 129), (2, 1024), (2, 4097), (1, 16392)):
        (x,) = draws(dtype, shape, scale=2)
        with launches() as started:
            agrees(name, cupy, x, axis=-1)
        assert [kernel.partition("_")[0] for kernel in started] == ["forward", "backward"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SOFT)
def test_other_axes(cupy, name, dtype):
    for shape, axis in (((9, 3), 0), ((2, 70, 37), 1), ((2, 2, 3, 5), (1, 2)), ((300, 2), 0)):
        agrees(name, cupy, draws(dtype, shape, scale=2)[0], axis=axis)
    agrees("logsumexp", cupy, draws(dtype, (4, 5))[0], axis=0, keepdims=True)
    agrees("logsumexp", cupy, draws(dtype, (4, 5))[0])


@pytest.mark.parametrize("name", SOFT)
def test_drawn_shapes(cupy, name):
    @settings(max_examples=25)
    @given(st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple), st.data())
    def agree(shape, data):
        axis = data.draw(st.integers(-len(shape), len(shape) - 1))
        agrees(name, cupy, draws("float32", shape)[0], axis=axis)

    agree()


@pytest.mark.parametrize("name", SOFT)
def test_views(cupy, name):
    (x,) = draws("float32", (6, 41, 12))
    for view in (
        lambda x: x[:, ::2],
        lambda x: x.T,
        lambda x: x[1:, 1:, 3:],
        lambda x: x[0, 0, 1:9],
        lambda x: x[::-1],
    ):
        agrees(name, cupy, x, view=view, axis=-1)


@pytest.mark.parametrize("shape", [(12, 6), (12, 1026), (12, 8200), (8200, 12)])
@pytest.mark.parametrize("name", SOFT)
def test_infinities_and_nan(cupy, name, shape):
    """As in NumPy's definition, also beside rows of ordinary numbers."""
    inf, nan = np.inf, np.nan
    x = draws("float32", shape)[0]
    turned = x if shape[0] == 12 else x.T
    turned[1], turned[2, 3], turned[3, 3], turned[4, 3] = -inf, -inf, inf, nan
    turned[5, :4], turned[6], turned[7, 1:], turned[8, 2:5] = (inf, -inf, nan, 0), inf, -inf, -inf
    turned[9], turned[10] = 1e38, -1e38
    axis = 1 if shape[0] == 12 else 0
    op = tl.OPS[name]
    with np.errstate(all="ignore"):
        out = op.body(np, x, axis=axis)
        g = draws("float32", out.shape, seed=3)[0]
        own = op.rules["x"]
        known = {"g": g, "x": x, "out": out, "axis": axis, "keepdims": False}
        expected = own(*[known[want] for want in own.__code__.co_varnames[: own.__code__.co_argcount]])
    got, (gradient,) = gradients(lambda x: op.function(x, axis=axis), [cupy.asarray(x)], cupy.asarray(g))
    np.testing.assert_allclose(got.get(), out, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient.get(), expected, rtol=1e-4, atol=1e-5)


def test_what_is_left_to_the_definition(cupy):
    x = cupy.asarray(draws("float32", (4, 5))[0])
    for name in SOFT:
        (kernel,) = tl.OPS[name].kernels["cupy"]
        assert kernel.when(x, axis=0) and kernel.when(x[1:, ::2], axis=(0, 1))
        for other, axis in ((x[:0], 1), (x.astype(int), 1), (x, 2), (cupy.asarray(1.0), None), (np.ones(3), 0)):
            assert not kernel.when(other, axis=axis)
    y = tl.Tensor(x, requires_grad=True)
    (found,) = tl.autograd.grad(tl.softmax(y), [y], cupy.asarray(np.ones((4, 5))))  # a cotangent of another dtype
    np.testing.assert_allclose(found.data.get(), 0, atol=1e-6)


def test_second_derivatives(cupy):
    (x,) = draws("float64", (3, 5))

    def penalty(x):
        (g,) = tl.autograd.grad((tl.softmax(x) ** 2).sum(), [x], create_graph=True)
        return (g * g).sum()

    found = []
    for given_x in (cupy.asarray(x), x):
        x_tensor = tl.Tensor(given_x, requires_grad=True)
        found.append(tl.autograd.grad(penalty(x_tensor), [x_tensor])[0].data)
    np.testing.assert_allclose(found[0].get(), found[1], rtol=1e-10)


# Cross-entropy


def classes(n, count, dtype="int64"):
    return np.random.default_rng(1).integers(0, count, n).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy(cupy, dtype):
    for n, count in ((1, 1), (5, 10), (1030, 3), (3, 1026), (2, 4097), (2, 16392)):
        for reduction, smoothing in (("mean", 0.0), ("sum", 0.1), ("none", 0.1)):
            (x,) = draws(dtype, (n, count), scale=2)
            target = classes(n, count, "int32" if reduction == "sum" else "int64")
            target[1:2] = -100
            if reduction == "sum" and (count == 1 or (np.dtype(DTYPES[dtype]).itemsize == 2 and n > 1000)):
                continue  # a sum of zeros; a sum beyond what 16 bits resolve
            agrees("cross_entropy", cupy, x, target, reduction=reduction, label_smoothing=smoothing)


def test_cross_entropy_of_any_integers(cupy):
    (x,) = draws("float32", (7, 5))
    for dtype in ("uint8", "int16", "uint64", "int32"):
        agrees("cross_entropy", cupy, x, classes(7, 5, dtype), ignore_index=3)
    agrees("cross_entropy", cupy, x, classes(7, 5), view=lambda x: x[::-1])


@pytest.mark.parametrize("rows", [4, 1500])
def test_cross_entropy_of_wrong_and_ignored_classes(cupy, rows):
    x = draws("float32", (rows, 3))[0]
    target = np.zeros(rows, "int64")
    target[:3] = 3, -1, -100
    x[2] = np.nan
    there = cupy.asarray(target)
    for reduction, expected in (("none", [np.nan, np.nan, 0]), ("mean", np.nan), ("sum", np.nan)):
        out, (gradient,) = gradients(
            lambda x, reduction=reduction: tl.cross_entropy(x, there, reduction=reduction), [cupy.asarray(x)],
            cupy.asarray(np.float32(np.ones(rows) if reduction == "none" else 1.0)),
        )  # fmt: skip
        np.testing.assert_array_equal(out.get()[:3] if reduction == "none" else out.get(), expected)
        assert (gradient.get()[:3] == 0).all()
        kept = np.exp(x[3:]) / np.exp(x[3:]).sum(1, keepdims=True) - (np.arange(3) == 0)
        np.testing.assert_allclose(gradient.get()[3:], kept / (rows - 3 if reduction == "mean" else 1), atol=1e-6)
    everything = cupy.asarray(np.full(rows, -100))
    assert tl.cross_entropy(cupy.asarray(x), everything).get() == 0


def test_cross_entropy_of_forbidden_classes(cupy):
    for n in (6, 8200):
        x = draws("float32", (3, n))[0]
        x[:, 1] = -np.inf
        agrees("cross_entropy", cupy, x, np.array([0, 2, 3]))
        out = tl.cross_entropy(cupy.asarray(x), cupy.asarray(np.array([0, 1, 3])), reduction="none").get()
        assert np.isinf(out[1]) and np.isfinite(out[[0, 2]]).all()


def test_cross_entropy_smoothed_far_from_zero(cupy):
    (x,) = draws("float32", (2, 20_000))
    agrees("cross_entropy", cupy, x + np.float32(4000), classes(2, 20_000), label_smoothing=0.5, roundings=4)


def test_cross_entropy_gives_its_gradient_away_once(cupy):
    x, target = draws("float32", (9, 4))[0], cupy.asarray(classes(9, 4))
    tensor = tl.Tensor(cupy.asarray(x), requires_grad=True)
    loss = tl.cross_entropy(tensor, target)
    with launches() as started:
        first, second, third = (
            tl.autograd.grad(loss, [tensor], cupy.asarray(np.float32(g)), retain_graph=True)[0].data for g in (1, 1, 3)
        )
    assert started == ["scaled", "losses_packs_few", "losses_packs_few"]
    np.testing.assert_array_equal(first.get(), second.get())
    np.testing.assert_allclose(third.get(), 3 * first.get(), rtol=1e-6)


def test_cross_entropy_does_not_lose_small_gradients_of_float16(cupy):
    x = tl.Tensor(cupy.asarray(np.zeros((512, 512), "float16")), requires_grad=True)
    loss = tl.cross_entropy(x, cupy.asarray(np.zeros(512, "int64")))
    scale = cupy.asarray(np.float16(4096))
    found = tl.autograd.grad(loss, [x], scale)[0].data.get()
    np.testing.assert_allclose(found[:, 1:].astype("float32"), 4096 / 512 / 512, rtol=1e-3)


def test_cross_entropy_keeps_nothing_for_the_value_alone(cupy):
    x, target = cupy.asarray(draws("float32", (9, 4))[0]), cupy.asarray(classes(9, 4))
    (kernel,) = tl.OPS["cross_entropy"].kernels["cupy"]
    statics = {"label_smoothing": 0.0, "ignore_index": -100, "reduction": "mean"}
    assert kernel.attempt((x, target, None), statics, (False, False, False))[1][1] == []
    for other in ((x[:, 0], target), (x, target[1:]), (x, x), (x[:0], target[:0]), (x, target, x[0])):
        assert not kernel.when(*other, **statics)
    assert not kernel.when(x, target, **{**statics, "reduction": "other"})


# Whatever the number of blocks


def everything(cupy):
    """Bytes of results of each kernel."""
    found = []
    for name in SOFT:
        found += agrees(name, cupy, draws("float32", (37, 5))[0], axis=-1)
        found += agrees(name, cupy, draws("float32", (5, 8196))[0], axis=-1)
        found += agrees(name, cupy, draws("float32", (3, 5, 90))[0], axis=1)
    for reduction in ("mean", "none"):
        found += agrees("cross_entropy", cupy, draws("float32", (70, 5))[0], classes(70, 5), reduction=reduction)
    return [part.tobytes() for part in found]


def test_results_do_not_depend_on_the_number_of_blocks(cupy, monkeypatch):
    first = everything(cupy)
    assert everything(cupy) == first
    monkeypatch.setattr(rows.Limits, "blocks", 2)
    assert everything(cupy) == first


# Bugs that these tests see

BUGS = [
    ("a wrong row", "write_row<N, E>(y + place.row * n", "write_row<N, E>(y + (place.row + 1) * n", EmulationError),
    ("an unguarded tail", "if (place.there && i < n) write<N>", "if (place.there) write<N>", EmulationError),
    ("a tail that is read", "if (place.there && i < n) {", "if (place.there) {", AssertionError),
    ("no neutral element", "missing ? (A)0 : exp_of(held[k])", "exp_of(held[k] * 0)", AssertionError),
    ("too few lanes", "int offset = lanes / 2; offset > 0", "int offset = lanes / 2; offset > 1", AssertionError),
]


@each_bug(BUGS)
def test_planted_bugs_in_rows(cupy, before, after, error):
    with planted(reductions.SOURCE, before, after), pytest.raises(error):
        agrees("softmax", cupy, draws("float32", (5, 10))[0])


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_barrier_in_columns(cupy, index, monkeypatch):
    monkeypatch.setattr(rows.Limits, "blocks", 1)  # the second one is between a block's rounds
    code = "all.join(Exponentials(largest[k], sums[k]));\n"
    barrier = "        __syncthreads();\n"
    parts = ("        sums[column.mine] = part.sum;\n", barrier, "        for (int k = threadIdx.x", code, barrier)
    text = reductions.SOURCE.path.read_text()
    start = text.index(parts[0])
    block = text[start : text.index(barrier, text.index(code)) + len(barrier)]
    pieces = block.split(barrier)
    broken = (barrier if index else "").join(pieces[:2]) + ("" if index else barrier) + pieces[2]
    with planted(reductions.SOURCE, block, broken), pytest.raises(AssertionError):
        agrees("softmax", cupy, draws("float32", (40, 9, 40), scale=4)[0], axis=1)


def test_planted_bugs_in_losses(cupy):
    for before, after in (
        ("index != ignored && exists", "exists"), ("block_sum(found, scratch)", "found"),
        ("uniform = given.smoothing / n", "uniform = given.smoothing"), ("if (factor == 1) continue;", "continue;"),
    ):  # fmt: skip
        target = classes(50, 6)
        target[:3] = 5
        with planted(losses.SOURCE, before, after), pytest.raises(AssertionError):
            agrees("cross_entropy", cupy, draws("float32", (50, 6))[0], target, ignore_index=5, label_smoothing=0.1)
