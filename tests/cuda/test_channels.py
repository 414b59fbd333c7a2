"""Batch, group and instance normalisation equal their definitions, on the stand-in."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends.fake_cupy.emulator import EmulationError
from tests.cuda.agreement import DTYPES, ROUNDING, agrees, draws, each_bug, gradients, launches, planted
from tinygrad_lite.core.graph import unwrap
from tinygrad_lite.core.op import OPS
from tinygrad_lite.kernels.cupy import channels, rows

pytestmark = pytest.mark.usefixtures("emulated")


def inputs(dtype, shape):
    """x, mean, variance, weight, bias."""
    x, mean, var, weight, bias = draws(dtype, shape, *[shape[1:2]] * 4)
    return x, mean, np.abs(var) + var.dtype.type(0.5), weight, bias


@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_norm(cupy, dtype):
    for shape in ((3, 5, 4), (9, 2, 3, 5), (2, 40, 4, 8), (2, 2, 49), (1, 2, 1056), (70, 1, 4)):
        given = inputs(dtype, shape)
        with launches() as started:
            agrees("batch_norm", cupy, *given, roundings=30)
        assert [name.partition("_")[0] for name in started] == ["forward", "backward", "finished"]
    for shape in ((7, 3), (37, 5), (70, 40), (9, 264), (6, 3, 2)):
        agrees("batch_norm", cupy, *inputs(dtype, shape), roundings=30)
    agrees("batch_norm", cupy, *given[:3], roundings=30)
    agrees("batch_norm", cupy, *given[:3], None, given[4], eps=0.5, roundings=30)
    agrees("batch_norm", cupy, *given, view=lambda x: x[..., ::-1], roundings=30)


def batch_last(x):
    """The same elements, with the first axis last in memory."""
    moved = np.moveaxis if isinstance(x, np.ndarray) else tl.OPS["moveaxis"].function
    return moved(moved(x, 0, -1).copy(), -1, 0)


@pytest.mark.parametrize("shape", [(8, 3, 2, 3), (3, 4, 5), (8, 1, 1200)])
def test_results_lie_as_the_input_does(cupy, shape):
    """Nothing is copied where the batch is last in memory, as convolutions leave it, or the channels are."""
    given = inputs("float32", shape)
    agrees("batch_norm", cupy, *given, view=lambda x: batch_last(x) if x.ndim > 1 else x, roundings=30)
    for order in ((1, *range(2, len(shape)), 0), (0, *range(2, len(shape)), 1)):
        back = [order.index(i) for i in range(len(shape))]
        x = cupy.transpose(cupy.asarray(given[0].transpose(order).copy()), back)
        out = tl.batch_norm(x, *map(cupy.asarray, given[1:]))
        assert cupy.transpose(out, order).flags.c_contiguous
        np.testing.assert_allclose(out.get(), tl.batch_norm(*given), rtol=1e-4, atol=1e-4)


def training_agrees(cupy, *arrays, wanted=(0, 1, 2), view=lambda x: x, **statics):
    """Outputs and gradients, through all three outputs or some, are those of the definition in double precision."""
    there = [None if a is None else view(cupy.asarray(a)) for a in arrays]
    here = [None if a is None else a.get().astype("float64") for a in there]
    assert OPS["batch_norm_training"].kernels["cupy"][0].when(*there, **statics)
    dtype, results = arrays[0].dtype, []
    for given in (there, here):
        tensors = [None if a is None else tl.Tensor(a, requires_grad=True) for a in given]
        outs = tl.batch_norm_training(*tensors, **statics)
        of = [tl.Tensor(cupy.asarray(g) if given is there else g.astype("float64")) for g in
              draws(dtype.name, *[out.shape for out in outs], seed=5)]  # fmt: skip
        chosen = [(outs[i], of[i]) for i in wanted]
        gradients = tl.autograd.grad([out for out, _ in chosen], [a for a in tensors if a is not None],
                                     [g for _, g in chosen])  # fmt: skip
        results.append([part.data for part in (*outs, *[g for g in gradients if g is not None])])
    for mine, theirs in zip(*results, strict=True):
        assert mine.dtype == dtype and mine.shape == theirs.shape
        bound = 30 * ROUNDING[dtype.name]
        np.testing.assert_allclose(mine.get().astype("float64"), theirs, rtol=bound, atol=bound * np.abs(theirs).max())
    return [part.get() for part in results[0]]


SHAPES = ((3, 5, 4), (9, 2, 3, 5), (2, 2, 49), (7, 3), (37, 5), (70, 40), (9, 264), (6, 3, 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_norm_by_its_own_statistics(cupy, dtype, monkeypatch):
    """The input is read for the moments, the result, the sums and its gradient, and nothing else is written."""
    for shape in SHAPES:
        x, _, _, weight, bias = inputs(dtype, shape)
        with launches() as started:
            training_agrees(cupy, x, weight, bias, eps=0.1)
        names = [name.partition("_")[0] for name in started]
        assert names == ["moments", "joined", "forward", "backward", "finished", "backward"]
    x, _, _, weight, bias = inputs(dtype, (4, 5, 6))
    for wanted in ((0,), (1,), (2,), (0, 2)):
        training_agrees(cupy, x, weight, bias, wanted=wanted, eps=0.1)
    training_agrees(cupy, x, None, bias, eps=0.1)
    training_agrees(cupy, x, weight[:4].copy(), axis=0, eps=0.1)
    training_agrees(cupy, x, eps=0.1, view=batch_last)
    training_agrees(cupy, x, eps=0.1, view=lambda x: x[..., ::-1])
    monkeypatch.setattr(channels, "PART", 64)
    monkeypatch.setattr(channels, "BLOCKS", 2)
    for shape in ((2, 2, 200), (70, 3, 9), (90, 24)):  # several parts, and pieces of several examples
        x, _, _, weight, bias = inputs(dtype, shape)
        training_agrees(cupy, x, weight, bias, eps=0.1)


def test_only_what_is_needed_by_its_own_statistics(cupy):
    x, _, _, *parameters = inputs("float32", (3, 4, 8))
    for wanted in range(3):
        found = []
        for asarray in (cupy.asarray, np.asarray):
            tensors = [tl.Tensor(asarray(a), requires_grad=i == wanted) for i, a in enumerate([x, *parameters])]
            out = tl.batch_norm_training(*tensors).out
            found.append(tl.autograd.grad((out * out * out).sum(), [tensors[wanted]])[0].data)
        np.testing.assert_allclose(found[0].get(), found[1], rtol=1e-4, atol=1e-4)


def test_statistics_are_not_rounded_to_16_bits(cupy):
    """A mean of 16 bits would be wrong by more than the deviation."""
    x = np.repeat(np.float32([[300.0], [301.0]]), 40, axis=1).reshape(80, 1).astype("float16") * np.float16(4)
    out = tl.batch_norm_training(cupy.asarray(x)).out.get()
    np.testing.assert_allclose(np.abs(out.astype("float64")), 1.0, rtol=1e-3)


def moments_agree(cupy, x, *, axis=1, bound=None, view=lambda x: x):
    """Mean, variance and a gradient through both are those of the definition in double precision."""
    axes = tuple(i for i in range(x.ndim) if i != axis)
    there = view(cupy.asarray(x))
    assert OPS["moments"].kernels["cupy"][0].when(there, axis=axes)
    here = there.get().astype("float64")
    found = [part.get() for part in tl.moments(there, axis=axes)]
    bound = 8 * ROUNDING[x.dtype.name] if bound is None else bound
    for mine, theirs in zip(found, tl.moments(here, axis=axes), strict=True):
        assert mine.dtype == x.dtype and mine.shape == theirs.shape
        np.testing.assert_allclose(mine.astype("float64"), theirs, rtol=bound, atol=bound)

    def both(x):
        mean, var = tl.moments(x, axis=axes)
        return mean * 3.0 + var

    g = draws(x.dtype.name, here.shape[axis : axis + 1], seed=5)[0]
    (mine,) = gradients(both, [there], cupy.asarray(g))[1]
    (theirs,) = gradients(both, [here], g.astype("float64"))[1]
    np.testing.assert_allclose(mine.get().astype("float64"), theirs, rtol=4 * bound, atol=bound)
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments(cupy, dtype, monkeypatch):
    for shape in (
        (3, 5, 4),
        (9, 2, 3, 5),
        (2, 2, 49),
        (1, 2, 1056),
        (7, 3),
        (37, 5),
        (70, 40),
        (9, 264),
        (2, 1),
        (6, 3, 2),
    ):
        (x,) = draws(dtype, shape)
        with launches() as started:
            tl.moments(cupy.asarray(x), axis=(0, *range(2, x.ndim)))
        assert [name.partition("_")[0] for name in started] == ["moments", "joined"]
        moments_agree(cupy, x)
    moments_agree(cupy, x, axis=0)
    moments_agree(cupy, x, view=batch_last)
    moments_agree(cupy, x, view=lambda x: x[..., ::-1])
    monkeypatch.setattr(channels, "PART", 64)
    monkeypatch.setattr(channels, "BLOCKS", 2)
    for shape in ((2, 2, 200), (1, 1, 1056), (70, 3, 9), (90, 24)):  # several parts, and pieces of several examples
        moments_agree(cupy, *draws(dtype, shape))


def test_a_mean_that_is_large_beside_the_deviation(cupy):
    """The variance loses no digits, and is 0 where all elements are equal; one of another size spoils no other."""
    (x,) = draws("float32", (50, 4, 30))
    shift = np.float32([[[0.0], [1e4], [-3e5], [1e3]]])
    x = x + shift
    x[3, 3, 5] = 1e6
    for given in (x, x[:, :, 0]):
        got = tl.moments(cupy.asarray(given), axis=(0, 2)[: given.ndim - 1])
        wide = given.astype("float64").swapaxes(0, 1).reshape(4, -1)
        np.testing.assert_allclose(got.mean.get(), wide.mean(1), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(got.var.get(), wide.var(1), rtol=1e-5)
    same = cupy.asarray(np.full((70, 3, 5), 0.1, np.float32))
    assert not tl.moments(same, axis=(0, 2)).var.get().any()


@pytest.mark.parametrize("shape", [(4, 3, 8), (20, 3)])
def test_moments_of_what_is_not_finite(cupy, shape):
    (x,) = draws("float32", shape)
    x[0, 1], x[2, 2] = np.inf, np.nan
    mean, var = (part.get() for part in tl.moments(cupy.asarray(x), axis=(0, 2)[: x.ndim - 1]))
    assert np.isfinite([mean[0], var[0]]).all() and mean[1] == np.inf and np.isnan([var[1], mean[2], var[2]]).all()


def test_second_derivatives_of_moments(cupy):
    (x,) = draws("float64", (5, 3, 4))
    results = []
    for asarray in (cupy.asarray, np.asarray):
        given = tl.Tensor(asarray(x), requires_grad=True)
        mean, var, unbiased = tl.batch_statistics(given)
        out = (tl.batch_norm(given, mean, var) ** 3).sum() + (mean * unbiased).sum()
        own, mean, var = tl.batch_norm_training(given)
        for loss in (out, (own**3).sum() + (mean * var).sum()):
            (first,) = tl.autograd.grad(loss, [given], create_graph=True)
            results.append(unwrap(tl.autograd.grad((first**2).sum(), [given])[0]))
    np.testing.assert_allclose(results[0].get(), results[2], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(results[1].get(), results[3], rtol=1e-9, atol=1e-9)


def test_a_captured_step_is_the_same(cupy):
    """Batch normalisation of images and of columns in training, losses and running statistics."""
    results = []
    for wrap in (lambda step: step, tl.jit):
        layers = [tl.nn.BatchNorm2d(3), tl.nn.Flatten(), tl.nn.BatchNorm1d(24)]
        model = tl.nn.Sequential(*layers).to("cuda")
        optimizer = tl.optim.SGD(model.parameters(), lr=0.1)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = ((model(x) - 1.0) ** 2 * x.reshape((6, 24))).mean()
            loss.backward()
            optimizer.step()
            return loss

        step = wrap(step)
        losses = [step(tl.Tensor(cupy.asarray(draws("float32", (6, 3, 2, 4), seed=i)[0]))) for i in range(4)]
        results.append([tl.Tensor(part).to("cpu").detach().numpy() for part in (*losses, *model.state_dict().values())])
    for eager, captured in zip(*results, strict=True):
        np.testing.assert_allclose(captured, eager, rtol=1e-5, atol=1e-6)


def test_only_what_is_needed(cupy):
    given = inputs("float32", (3, 4, 8))
    for wanted in range(5):
        found = []
        for asarray in (cupy.asarray, np.asarray):
            tensors = [tl.Tensor(asarray(a), requires_grad=i == wanted) for i, a in enumerate(given)]
            out = tl.batch_norm(*tensors)
            found.append(tl.autograd.grad((out * out).sum(), [tensors[wanted]])[0].data)
        np.testing.assert_allclose(found[0].get(), found[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["BatchNorm2d", "GroupNorm", "InstanceNorm2d"])
def test_layers_in_training_and_inference(cupy, name):
    """Outputs, gradients and running statistics are those of the layers on NumPy's arrays."""
    (x,) = draws("float32", (4, 6, 3, 4))
    results = []
    for device in ("cpu", "cuda"):
        layer = {
            "BatchNorm2d": lambda: tl.nn.BatchNorm2d(6),
            "GroupNorm": lambda: tl.nn.GroupNorm(2, 6),
            "InstanceNorm2d": lambda: tl.nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
        }[name]().to(device)
        given = tl.tensor(x, device=device, requires_grad=True)
        out = layer(given)
        found = [out, *tl.autograd.grad((out**3).sum(), [given, *layer.parameters()])]
        layer.eval()
        found += [layer(given), *layer.state_dict().values()]
        results.append([tl.Tensor(part).to("cpu").detach().numpy() for part in found])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-3)


def test_results_do_not_depend_on_the_number_of_blocks(cupy, monkeypatch):
    first = [part.tobytes() for part in agrees("batch_norm", cupy, *inputs("float32", (9, 5, 8)), roundings=30)]
    monkeypatch.setattr(rows.Limits, "blocks", 1)
    again = agrees("batch_norm", cupy, *inputs("float32", (9, 5, 8)), roundings=30)
    assert [part.tobytes() for part in again] == first
    many = draws("float32", (300, 40, 3), (300, 40))
    found = []
    for blocks in (1, 7, 1 << 16):
        monkeypatch.setattr(rows.Limits, "blocks", blocks)
        found.append([part.tobytes() for x in many for part in moments_agree(cupy, x)])
    assert found[0] == found[1] == found[2]


def test_nan_stays_in_its_channel(cupy):
    x, *parameters = inputs("float32", (2, 3, 4))
    x[0, 1, 2] = np.nan
    got = tl.batch_norm(cupy.asarray(x), *map(cupy.asarray, parameters)).get()
    assert np.isnan(got).sum() == 1 and np.isnan(got[0, 1, 2])


def test_what_is_left_to_the_definition(cupy):
    x, *parameters = map(cupy.asarray, inputs("float32", (3, 4, 5)))
    (kernel,) = OPS["batch_norm"].kernels["cupy"]
    assert kernel.when(x, *parameters) and kernel.when(x, *parameters[:2], axis=-2)
    assert not kernel.when(x, *parameters, axis=0) and not kernel.when(x, *parameters, axis=True)
    for other in (x[:0], x[0, 0], x.astype("float64"), x[:, 1:]):
        assert not kernel.when(other, *parameters)
    (kernel,) = OPS["moments"].kernels["cupy"]
    for axis in (None, 0, (1, 2, 3), True, (0, 1, 2)):
        assert not kernel.when(x, axis=axis)
    (own,) = OPS["batch_norm_training"].kernels["cupy"]
    assert own.when(x, *parameters[:2]) and own.when(x, axis=-2) and not own.when(x, axis=True)
    for other in (x[:0], x[0, 0], x.astype("float64"), x[:, 1:], x[:1, :, :1]):
        assert not own.when(other, parameters[0])
    assert not kernel.when(x[:0], axis=(0, 2)) and not kernel.when(x.astype("int64"), axis=(0, 2))


BUGS = [
    ("another channel", "channel(row % channels)", "channel(row / channels % channels)"),
    ("eps", "variances[c]) + eps)", "variances[c]) + 2 * eps)"),
    ("a missing barrier", "= value;\n    __syncthreads();", "= value;"),
    ("a piece too few", "i < many;", "i < many - 1;"),
    ("a wrong element", "read<N>(x + i, held);\n#", "read<N>(x, held);\n#"),
    ("examples of another piece", "first = slot / parts * several;", "first = 0;"),
]

TRAINING_BUGS = [
    ("no tilt", "shift + tilt * (x - mean)", "shift"),
    ("another channel's shift", "shifts[statistic]", "shifts[0]"),
    ("the cotangent of the mean", "from_mean ? to_acc(from_mean[c]) : (A)0)", "(A)0)"),
    ("the cotangent of the variance", "2 * to_acc(from_variance[c])", "to_acc(from_variance[c])"),
    ("a slope without the scale", "tilts[c] = (slope * channel.scale", "tilts[c] = (slope"),
]

MOMENTS_BUGS = [
    ("no shift", "shift = finite_or_zero(x);", "shift = 0;"),
    ("a mean of means", "mine * found.count, lanes", "mine, lanes"),
    ("squares of the pieces alone", ".elements() * distance * distance", ".elements() * 0"),
    ("a part too long", "n - start < length ? n - start : length", "length"),
    ("another origin", "shift - origin", "shift"),
]


@each_bug(BUGS)
def test_planted_bugs(cupy, before, after):
    with planted(channels.SOURCE, before, after), pytest.raises(AssertionError):
        agrees("batch_norm", cupy, *inputs("float32", (9, 5, 8)), eps=0.1, roundings=30)


@each_bug(TRAINING_BUGS)
def test_planted_bugs_in_training(cupy, before, after):
    x, _, _, *parameters = inputs("float32", (9, 5, 8))
    with planted(channels.SOURCE, before, after), pytest.raises(AssertionError):
        training_agrees(cupy, x + np.float32(1.0), *parameters, eps=0.1)


@each_bug(MOMENTS_BUGS)
def test_planted_bugs_in_moments(cupy, before, after, monkeypatch):
    monkeypatch.setattr(channels, "PART", 64)
    (x,) = draws("float32", (2, 3, 200))
    with planted(channels.SOURCE, before, after), pytest.raises((AssertionError, EmulationError)):
        moments_agree(cupy, x + np.float32(1e4), bound=1e-5)
