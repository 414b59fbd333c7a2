"""Batch, group and instance normalisation equal their definitions, on the stand-in."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tests.backends.fake_cupy.emulator import compiler
from tests.cuda.agreement import DTYPES, agrees, draws, launches, planted
from tinygrad_lite.core.op import OPS
from tinygrad_lite.kernels.cupy import channels, rows

pytestmark = pytest.mark.skipif(compiler() is None, reason="kernels are emulated with g++, which is not installed")


@pytest.fixture(scope="module")
def cupy():
    with fake_cupy.installed() as module:
        yield module


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
    agrees("batch_norm", cupy, *given[:3], roundings=30)
    agrees("batch_norm", cupy, *given[:3], None, given[4], eps=0.5, roundings=30)
    agrees("batch_norm", cupy, *given, view=lambda x: x[..., ::-1], roundings=30)


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
    for other in (x[:0], x[:, :, 0], x[:, :, :3], x.astype("float64"), x[:, 1:]):
        assert not kernel.when(other, *parameters)


BUGS = [
    ("another channel", "? place.row % channels : 0", "? place.row / channels : 0"),
    ("eps", "variances[c]) + eps)", "variances[c]) + 2 * eps)"),
    ("a missing barrier", "= product;\n    __syncthreads();", "= product;"),
    ("an example too few", "i < examples &&", "i < examples - 1 &&"),
    ("a wrong row", "read<N>(x + place.row * n + i, held);\n#", "read<N>(x + i, held);\n#"),
]


@pytest.mark.parametrize(("before", "after"), [bug[1:] for bug in BUGS], ids=[bug[0] for bug in BUGS])
def test_planted_bugs(cupy, before, after):
    with planted(channels.SOURCE, before, after), pytest.raises(AssertionError):
        agrees("batch_norm", cupy, *inputs("float32", (9, 5, 8)), eps=0.1, roundings=30)
