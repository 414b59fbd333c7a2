"""Convolution by windows' elements: equal to its definition, on the stand-in for CuPy and on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_lite as tl
from tests.samples import samples_of
from tinygrad_lite.ops.windows import geometry
from tinygrad_lite.testing.laws import backends_agree

pytestmark = pytest.mark.usefixtures("emulated", "without_cudnn")

NAMES = ["convolve_nd", "convolve_nd_input", "convolve_nd_weight", "unfold_nd", "fold_nd"]


def agree(cuda, name, sample):
    @settings(max_examples=6)
    @given(sample.strategy)
    def agrees(arguments):
        backends_agree(cuda, tl.OPS[name], sample, *arguments)

    agrees()


@pytest.mark.parametrize("name", NAMES)
def test_kernels_agree_with_numpy_on_samples(cuda, name):
    for sample in samples_of(name):
        agree(cuda, name, sample)


CASES = [  # image, kernel, stride, padding, dilation, batch
    ((7,), (3,), (2,), ((1, 2),), (1,), 3),
    ((6, 5), (3, 2), (1, 1), ((1, 1), (0, 1)), (1, 2), 8),
    ((8, 8), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), 4),
    ((6, 7), (1, 1), (2, 3), ((0, 0), (0, 0)), (1, 1), 2),
    ((1, 1), (1, 1), (2, 2), ((1, 0), (1, 0)), (1, 1), 4),
    ((4, 3, 5), (2, 3, 2), (1, 2, 1), ((0, 1), (1, 1), (2, 0)), (2, 1, 1), 4),
]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("case", CASES)
def test_windows_and_their_adjoint(cuda, case, dtype):
    from tinygrad_lite.kernels.cupy import convolution

    image, kernel, stride, padding, dilation, n = case
    windows = geometry(image, kernel, stride, padding, dilation)
    rng = np.random.default_rng(0)
    x = rng.integers(-8, 8, (3, *image, n)).astype(dtype)
    elements = rng.integers(-8, 8, (3, *kernel, *windows.out, n)).astype(dtype)
    first = cuda.xp.moveaxis(cuda.asarray(np.ascontiguousarray(np.moveaxis(x, -1, 0))), 0, -1)
    spread = cuda.asarray(np.repeat(x, 8, axis=-1))[..., ::8]
    for there in (cuda.asarray(x), first, spread, cuda.asarray(np.flip(x, 1).copy())[:, ::-1]):
        got = cuda.to_numpy(convolution.columns(there, windows))
        np.testing.assert_array_equal(got, windows.gather(np, x))
    got = cuda.to_numpy(convolution.images(cuda.asarray(elements), windows))
    np.testing.assert_array_equal(got, windows.scatter(np, elements))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_layers_with_gradients(cuda, groups):
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=shape).astype("float32") for shape in ((4, 4, 6, 6), (8, 4 // groups, 3, 3), (8,)))

    def found(device):
        tensors = [tl.tensor(a, device=device, requires_grad=True) for a in (x, w, b)]
        out = tl.conv2d(*tensors, stride=2, padding=1, groups=groups)
        out = tl.conv_transpose2d(out, tensors[1], stride=2, padding=1, output_padding=1, groups=groups)
        return [a.numpy() for a in (out.detach(), *tl.autograd.grad((out * out).sum(), tensors))]

    for here, there in zip(found("cpu"), found("cuda"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-3)


def test_a_single_window_that_lies_on_the_border(cuda):
    x, w = (cuda.asarray(np.ones((1, 1, 1), "float32")) for _ in range(2))
    out = tl.convolve_nd(x, w, stride=(2,), padding=((1, 0),), dilation=(1,), groups=1)
    np.testing.assert_array_equal(cuda.to_numpy(out), [[[0.0]]])


def test_what_the_kernels_decline(cuda):
    (kernel,) = tl.OPS["convolve_nd"].kernels["cupy"]
    x, w = cuda.asarray(np.ones((1, 1, 4), "float32")), cuda.asarray(np.ones((1, 1, 2), "float32"))
    assert kernel.when(x, w)
    for pair in ((x, w.astype("float64")), (x.astype("int64"), w.astype("int64")), (x[:0], w), (x, w[:0])):
        assert not kernel.when(*pair)
