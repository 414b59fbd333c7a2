"""Kernels of group and instance normalisation equal their definitions, on the stand-in."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends.fake_cupy.emulator import EmulationError
from tests.cuda.agreement import DTYPES, agrees, draws, each_bug, gradients, launches, planted
from tinygrad_lite.kernels.cupy import channels, groups, rows

pytestmark = pytest.mark.usefixtures("emulated")


def inputs(dtype, shape):
    """x, weight, bias."""
    return draws(dtype, shape, *[shape[1:2]] * 2)


HELD = [
    ((3, 6, 5), 2, "single_held"), ((5, 8), 2, "single_held"), ((2, 4, 2, 8), 2, "packs_few"),
    ((2, 3, 8, 20), 1, "packs_few"), ((1, 2, 1040), 1, "packs_many"), ((2, 2, 1031), 2, "single_held"),
    ((1, 40, 3, 3), 2, "single_held"),
]  # fmt: skip
LONG = [((1, 5, 8200), 5), ((2, 4, 4099), 2), ((2, 4, 2088), 1), ((2, 1060), 2), ((1, 1030, 4), 1)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_groups_that_are_held(cupy, dtype):
    for shape, num_groups, kind in HELD:
        with launches() as started:
            agrees("group_norm", cupy, *inputs(dtype, shape), num_groups=num_groups, eps=0.1, roundings=20)
        if dtype == "float32":
            assert started == [f"forward_{kind}", f"backward_{kind}", "summed"]
        if len(shape) > 2:
            agrees("instance_norm", cupy, *inputs(dtype, shape), eps=0.1, roundings=20)


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_groups(cupy, dtype, monkeypatch):
    """Statistics, sums and gradients by pieces, several of a channel among them."""
    monkeypatch.setattr(channels, "PART", 1024)
    for shape, num_groups in LONG if dtype in ("float32", "bfloat16") else LONG[1:2]:
        with launches() as started:
            agrees("group_norm", cupy, *inputs(dtype, shape), num_groups=num_groups, eps=0.1, roundings=20)
        names = [name.partition("_")[0] for name in started]
        assert names == ["moments", "joined", "forward", "backward", "corrections", "backward", "summed"]


def test_what_may_be_missing(cupy):
    for shape, num_groups in (((2, 4, 6), 2), ((2, 4, 2088), 1)):
        given = inputs("float32", shape)
        x, weight, bias = given
        agrees("group_norm", cupy, x, num_groups=num_groups, roundings=20)
        agrees("group_norm", cupy, x, weight, num_groups=num_groups, eps=0.5, roundings=20)
        agrees("group_norm", cupy, x, None, bias, num_groups=num_groups, roundings=20)
        for wanted in range(3):
            found = []
            for asarray in (cupy.asarray, lambda a: a.astype("float64")):
                tensors = [tl.Tensor(asarray(a), requires_grad=i == wanted) for i, a in enumerate(given)]
                out = tl.group_norm(*tensors, num_groups=num_groups)
                found.append(tl.autograd.grad(out, [tensors[wanted]], asarray(draws("float32", shape, seed=4)[0])))
            np.testing.assert_allclose(found[0][0].data.get(), found[1][0].data, rtol=1e-4, atol=1e-4)


def test_views_and_addresses(cupy):
    swapped = lambda x: tl.OPS["moveaxis"].function(x, 2, 3)
    for only in (lambda x: x[..., ::2], lambda x: x[..., 1:], lambda x: x[..., ::-1], swapped):
        view = lambda x, only=only: only(x) if x.ndim > 1 else x[::-1]
        agrees("group_norm", cupy, *inputs("float32", (3, 4, 5, 16)), num_groups=2, view=view, roundings=20)
        agrees("group_norm", cupy, *inputs("float32", (1, 4, 5, 1026)), num_groups=2, view=view, roundings=20)


def test_a_cotangent_at_an_odd_address(cupy):
    x, weight, bias = map(cupy.asarray, inputs("float32", (1, 2, 1040)))
    (g,) = draws("float32", (2081,), seed=5)
    g = cupy.asarray(g)[1:].reshape(1, 2, 1040)
    mine = gradients(lambda *a: tl.group_norm(*a, num_groups=1), [x, weight, bias], g)[1]
    theirs = gradients(lambda *a: tl.group_norm(*a, num_groups=1), [a.get() for a in (x, weight, bias)], g.get())[1]
    for got, expected in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(got.get(), expected, rtol=1e-4, atol=1e-4)


def test_far_from_zero(cupy):
    """No variance as a difference of large numbers."""
    for shape in ((3, 2, 64), (1, 2, 8200)):
        x, weight, bias = inputs("float32", shape)
        agrees("group_norm", cupy, x + np.float32(1000), weight, bias, num_groups=2, roundings=300)


def test_nan_stays_in_its_group(cupy):
    for shape in ((2, 4, 6), (2, 4, 4100)):
        x, weight, bias = inputs("float32", shape)
        x[1, 0, 2] = np.nan
        got, (of_x, of_weight, _) = gradients(
            lambda *a: tl.group_norm(*a, num_groups=2), [cupy.asarray(a) for a in (x, weight, bias)],
            cupy.asarray(draws("float32", shape, seed=5)[0]),
        )  # fmt: skip
        for part in (got.get(), of_x.get()):
            assert np.isnan(part[1, :2]).all() and np.isnan(part).sum() == part[1, :2].size
        assert (np.isnan(of_weight.get()) == [True, True, False, False]).all()


def test_results_do_not_depend_on_the_number_of_blocks(cupy, monkeypatch):
    def found():
        return [
            part.tobytes()
            for shape, num_groups in (((9, 6, 5), 2), ((3, 4, 2, 8), 2), ((2, 4, 2088), 1))
            for part in agrees("group_norm", cupy, *inputs("float32", shape), num_groups=num_groups, roundings=20)
        ]

    first = found()
    monkeypatch.setattr(rows.Limits, "blocks", 1)
    assert found() == first


def test_second_derivatives(cupy):
    given = inputs("float64", (2, 4, 3))
    results = []
    for asarray in (cupy.asarray, np.asarray):
        tensors = [tl.Tensor(asarray(a), requires_grad=True) for a in given]
        out = (tl.group_norm(*tensors, num_groups=2) ** 3).sum()
        first = tl.autograd.grad(out, tensors, create_graph=True)
        results.append([part.data for part in tl.autograd.grad((first[0] ** 2).sum(), tensors[:2])])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine.get(), theirs, rtol=1e-9, atol=1e-9)


def test_what_is_left_to_the_definition(cupy):
    x, weight, bias = map(cupy.asarray, inputs("float32", (3, 4, 5)))
    (kernel,) = tl.OPS["group_norm"].kernels["cupy"]
    assert kernel.when(x, weight, bias, num_groups=2) and kernel.when(x[:, :, 0], num_groups=4)
    for given, num_groups in ((x, 3), (x, 0), (x, True), (x[:0], 2), (x[0, 0], 1), (x.astype(int), 2)):
        assert not kernel.when(given, num_groups=num_groups)
    assert not kernel.when(x, weight[:1], num_groups=1) and not kernel.when(x, None, bias.astype("f2"), num_groups=1)
    (kernel,) = tl.OPS["instance_norm"].kernels["cupy"]
    assert kernel.when(x, weight, bias)
    assert not kernel.when(x[:, :, :1]) and not kernel.when(x[:, :, 0]) and not kernel.when(x, weight[:1])


BUGS = [
    ("eps", "(A)(per * n) + eps)", "(A)(per * n) + 2 * eps)"),
    ("another group's mean", "means[group] : (A)0,", "means[0] : (A)0,"),
    ("weights of another channel", "values[place.row % channels]", "values[place.row % per]"),
    ("elements that are missing count", "element<N>(k, place) < n ? held", "true ? held"),
    ("a missing barrier", "= value;\n    __syncthreads();", "= value;"),
    ("the sum of another channel", "warp / warps * warps + i", "i"),
    ("all of the block in a group", "row_sum(weight * total, team,", "block_sum(weight * total,"),
]  # fmt: skip


@each_bug(BUGS)
def test_planted_bugs(cupy, before, after):
    with planted(groups.SOURCE, before, after), pytest.raises((AssertionError, EmulationError)):
        for shape, num_groups in (((3, 6, 5), 2), ((2, 2, 520), 1)):
            agrees("group_norm", cupy, *inputs("float32", shape), num_groups=num_groups, eps=0.1, roundings=20)


LONG_BUGS = [
    ("a mean of another group", "means[c / group]", "means[0]"),
    ("parameters of another channel", "weights[c % params])", "weights[c % 2])"),
    ("no tilt", "shift + tilt * (x - mean)", "shift"),
    ("sums without weights", "dot += weight *", "dot +="),
    ("a piece too few", "many = group * pieces(OF_SIZES);", "many = group * (pieces(OF_SIZES) - 1);"),
]


@each_bug(LONG_BUGS)
def test_planted_bugs_in_long_groups(cupy, before, after, monkeypatch):
    monkeypatch.setattr(channels, "PART", 1024)
    with planted(channels.SOURCE, before, after), pytest.raises(AssertionError):
        agrees("group_norm", cupy, *inputs("float32", (2, 4, 4099)), num_groups=2, eps=0.1, roundings=20)
