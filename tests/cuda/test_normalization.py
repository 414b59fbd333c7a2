"""Kernels of normalisation equal their definitions, on the stand-in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tests.cuda.agreement import DTYPES, agrees, draws, each_bug, gradients, launches, planted
from tinygrad_lite.kernels.cupy import normalization, rows

pytestmark = pytest.mark.usefixtures("emulated")

NAMES = ["layer_norm", "rms_norm"]


def inputs(name, dtype, shape, axes=1):
    """x, and weight and, of layer_norm, bias."""
    return draws(dtype, shape, *[shape[len(shape) - axes :]] * (1 + (name == "layer_norm")))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_rows(cupy, name, dtype):
    for shape, kind in (
        ((70, 3), "single_held"), ((9, 32), "packs_few"), ((5, 300), "packs_many"), ((2, 1028), "packs_many"),
        ((3, 129), "single_held"), ((2, 4097), "single_long"), ((2, 8200), "packs_long"),
    ):  # fmt: skip
        with launches() as started:
            agrees(name, cupy, *inputs(name, dtype, shape))
        if dtype == "float32":
            columns = ["long_columns"] if kind.endswith("long") else []
            assert started == [f"forward_{kind}", f"backward_{kind}", *columns, "summed"]


@pytest.mark.parametrize("name", NAMES)
def test_drawn_shapes(cupy, name):
    @settings(max_examples=25)
    @given(st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple), st.data())
    def agree(shape, data):
        if len(shape) == 1 and shape[0] == 1 and name == "layer_norm":
            shape = (2,)  # of a single number nothing is left
        count = data.draw(st.integers(1, len(shape)))
        axis = tuple(range(-count, 0))
        # Few numbers may be close to each other: eps that tells.
        agrees(name, cupy, *inputs(name, "float32", shape, count), axis=axis, eps=0.1, roundings=20)

    agree()


@pytest.mark.parametrize("name", NAMES)
def test_what_may_be_missing(cupy, name):
    for shape in ((6, 20), (2, 8200)):
        x, weight, *bias = inputs(name, "float32", shape)
        agrees(name, cupy, x)
        agrees(name, cupy, x, weight, eps=0.5)
        if bias:
            agrees(name, cupy, x, None, *bias)
        for wanted in range(1 + len(bias) + 1):
            op = tl.OPS[name]
            tensors = [tl.Tensor(cupy.asarray(a), requires_grad=i == wanted) for i, a in enumerate([x, weight, *bias])]
            others = [
                tl.Tensor(a.astype("float64"), requires_grad=i == wanted) for i, a in enumerate([x, weight, *bias])
            ]
            g = draws("float32", shape, seed=4)[0]
            (mine,) = tl.autograd.grad(op.function(*tensors), [tensors[wanted]], cupy.asarray(g))
            (theirs,) = tl.autograd.grad(op.function(*others), [others[wanted]], g.astype("float64"))
            np.testing.assert_allclose(mine.data.get(), theirs.data, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_views_and_addresses(cupy, name):
    for view in (lambda x: x[..., ::2], lambda x: x[..., 1:], lambda x: x[..., ::-1]):
        agrees(name, cupy, *inputs(name, "float32", (5, 16)), view=view)


@pytest.mark.parametrize("shape", [(6, 12), (6, 8200)])
@pytest.mark.parametrize("name", NAMES)
def test_infinities_nan_and_equal_numbers(cupy, name, shape):
    x, weight, *bias = inputs(name, "float32", shape)
    x[1, 2], x[2, 2], x[3], x[4] = np.nan, np.inf, 3.0, 0.0
    op = tl.OPS[name]
    g = draws("float32", shape, seed=4)[0]
    with np.errstate(all="ignore"):
        expected, (of_x, *_) = gradients(op.body, [x, weight, *bias], g)
    got, (mine, *of_weights) = gradients(op.function, [cupy.asarray(a) for a in (x, weight, *bias)], cupy.asarray(g))
    ordinary = [0, 3, 4, 5]
    np.testing.assert_allclose(got.get()[ordinary], expected[ordinary], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mine.get()[ordinary], of_x[ordinary], rtol=1e-3, atol=1e-3)
    assert np.isnan(got.get()[1]).all() and np.isnan(mine.get()[[1, 2]]).all()
    np.testing.assert_array_equal(np.isnan(got.get()[2]), np.isnan(expected[2]))
    assert np.isnan(of_weights[0].get()).all()


def test_far_from_zero(cupy):
    """No variance as a difference of large numbers."""
    for shape in ((3, 512), (2, 8200)):
        x, weight, bias = inputs("layer_norm", "float32", shape)
        agrees("layer_norm", cupy, x + np.float32(1000), weight, bias, roundings=300)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_equal_every_time(cupy, name, monkeypatch):
    def bytes_of(count):
        return [part.tobytes() for part in agrees(name, cupy, *inputs(name, "float32", (50, 12)))[:count]]

    first = bytes_of(None)
    assert bytes_of(None) == first
    monkeypatch.setattr(rows.Limits, "blocks", 1)
    assert bytes_of(2) == first[:2]  # sums over rows are rounded otherwise


def test_what_is_left_to_the_definition(cupy):
    x, weight, bias = map(cupy.asarray, inputs("layer_norm", "float32", (4, 5)))
    (kernel,) = tl.OPS["layer_norm"].kernels["cupy"]
    assert kernel.when(x, weight, bias, axis=(1,)) and kernel.when(x[1:, ::2], axis=(1, 0))
    for given_x, axis in ((x, 0), (x[:0], 1), (x, 3), (x, True), (x.astype(int), 1)):
        assert not kernel.when(given_x, axis=axis)
    assert not kernel.when(x, weight[:1]) and not kernel.when(x, weight, bias.astype("float16"))


BUGS = [
    ("eps", "/ n + eps)", "/ n + 2 * eps)"),
    ("a row of the wrong mean", "means[place.row] : (A)0; }", "means[0] : (A)0; }"),
    ("rows of a block that are forgotten", "if (group > 0) {", "if (group > 1) {"),
    ("a missing barrier", "        __syncthreads();\n    }\n}", "    }\n}"),
    ("a part too few", "part < parts", "part < parts - 1"),
    ("a wrong column", "read<N>(given.weight + i, weight)", "read<N>(given.weight, weight)"),
]


@each_bug(BUGS)
def test_planted_bugs(cupy, before, after, monkeypatch):
    monkeypatch.setattr(normalization, "BLOCKS", 3)
    with planted(normalization.SOURCE, before, after), pytest.raises(AssertionError):
        agrees("layer_norm", cupy, *inputs("layer_norm", "float32", (200, 10)), eps=0.1)
