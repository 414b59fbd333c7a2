"""Maxima with their places: against PyTorch, at the edges, and the messages."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError

RNG = np.random.default_rng(0)
IMAGES = {1: (2, 3, 11), 2: (2, 3, 7, 6), 3: (1, 2, 5, 4, 6)}


def message(kind, function, *arguments, **options):
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 1}, {"stride": 3, "padding": 1}, {"dilation": 2}, {"padding": 1, "ceil_mode": True}],
)
def test_against_torch(axes, options):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    F = torch.nn.functional
    x = RNG.standard_normal(IMAGES[axes])
    values, indices = getattr(tl, f"max_pool{axes}d_with_indices")(x, kernel_size=2, **options)
    pool = getattr(F, f"max_pool{axes}d")
    expected = pool(torch.tensor(x), 2, return_indices=True, **options)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])
    values, indices = getattr(tl, f"adaptive_max_pool{axes}d_with_indices")(x, output_size=3)
    expected = getattr(F, f"adaptive_max_pool{axes}d")(torch.tensor(x), 3, return_indices=True)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(indices, expected[1])


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("size", [None, "image", "all"])
def test_unpooling_against_torch(axes, size):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    shape = IMAGES[axes]
    x = RNG.standard_normal(shape)
    values, indices = getattr(tl, f"max_pool{axes}d_with_indices")(x, kernel_size=2)
    if size is None:
        indices = np.minimum(indices, 2**axes * values[0, 0].size - 1)
    size = {None: None, "image": shape[2:], "all": shape}[size]
    mine, other = tl.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    out = getattr(tl, f"max_unpool{axes}d")(mine, indices, kernel_size=2, output_size=size)
    unpool = getattr(torch.nn.functional, f"max_unpool{axes}d")
    expected = unpool(other, torch.tensor(indices), 2, output_size=size)
    np.testing.assert_array_equal(out.data, expected.detach().numpy())
    g = RNG.standard_normal(expected.shape)
    out.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_array_equal(mine.grad.numpy(), other.grad.numpy())


def test_unpooling_undoes_pooling_of_the_maxima():
    x = np.abs(RNG.standard_normal((2, 3, 4, 6)))
    values, indices = tl.max_pool2d_with_indices(x, kernel_size=2)
    again = tl.max_unpool2d(values, indices, kernel_size=2)
    np.testing.assert_array_equal(tl.max_pool2d(again, kernel_size=2), values)
    np.testing.assert_array_equal(again[again != 0], x[again != 0])


def test_windows_of_minus_infinity_have_a_place_in_the_image():
    values, indices = tl.max_pool1d_with_indices(np.full((1, 1, 4), -np.inf), kernel_size=3, padding=1, stride=3)
    assert np.all(values == -np.inf) and np.all(indices >= 0) and np.all(indices < 4)


def test_the_first_of_equal_maxima_is_named_and_all_share_the_gradient():
    x = tl.tensor(np.array([[[2.0, 2.0, 1.0]]]), requires_grad=True)
    values, indices = tl.max_pool1d_with_indices(x, kernel_size=3)
    assert indices.tolist() == [[[0]]]
    values.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[[0.5, 0.5, 0.0]]])


@pytest.mark.numpy_only("indices on the device are not checked, which would wait for it")
def test_messages():
    x, indices = np.ones((1, 1, 2)), np.zeros((1, 1, 2), int)
    assert message(ShapeError, tl.max_unpool1d, x, indices[..., :1], kernel_size=2) == (
        "max_unpool1d: x is (1, 1, 2) and indices is (1, 1, 1); they must be equal."
    )
    assert message(DTypeError, tl.max_unpool1d, x, x, kernel_size=2) == (
        "max_unpool1d: indices is float64; an array of integers is required."
    )
    assert message(ShapeError, tl.max_unpool1d, x, indices + 4, kernel_size=2) == (
        "max_unpool1d: indices has values from 4 to 4; they must be from 0 to 3."
    )
    assert message(ShapeError, tl.max_unpool1d, x, indices, kernel_size=2, output_size=(3, 3)) == (
        "max_unpool1d: output_size is (3, 3); it must be 1 positive integers."
    )
