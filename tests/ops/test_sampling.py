"""Reading images at positions: positions far outside, what does not fit, and PyTorch's values and gradients."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

RNG = np.random.default_rng(0)
X, GRID = RNG.normal(size=(2, 3, 4, 5)), RNG.uniform(-2.5, 2.5, size=(2, 3, 6, 2))
VOLUME, PLACES = RNG.normal(size=(2, 3, 3, 4, 5)), RNG.uniform(-2.5, 2.5, size=(2, 2, 3, 4, 3))
PADDINGS = ["zeros", "border", "reflection"]


def failing(function, *args, **kwargs):
    with pytest.raises(ShapeError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_the_identity_gives_the_image_back():
    theta = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]] * 2)
    for align_corners in (False, True):
        grid = tl.affine_grid(theta, size=X.shape, align_corners=align_corners)
        np.testing.assert_allclose(tl.grid_sample(X, grid, align_corners=align_corners), X, atol=1e-14)


def test_far_outside():
    grid = np.array([[[[1e300, 0.0], [0.0, -np.inf], [-1e9, 1e9]]]])
    x = tl.tensor(X[:1], requires_grad=True)
    for mode in ("bilinear", "nearest", "bicubic"):
        out = tl.grid_sample(x, grid, mode=mode)
        assert not out.data.any()
        out.backward(np.ones(out.shape))
        assert not x.grad.data.any()
    border = tl.grid_sample(X[:1], grid, padding_mode="border", mode="nearest")
    assert np.array_equal(border[0, :, 0], X[0][:, [2, 0, 3], [4, 2, 0]])


def test_nan_counts_as_the_first_edge():
    at_nan, at_edge = (tl.grid_sample(X[:1], np.full((1, 1, 1, 2), p), align_corners=True) for p in (np.nan, -1.0))
    assert np.array_equal(at_nan, at_edge)
    at_inf, at_edge = (
        tl.grid_sample(X[:1], np.full((1, 1, 1, 2), p), padding_mode="reflection") for p in (np.inf, -1.0)
    )
    assert np.array_equal(at_inf, at_edge)


def test_what_does_not_fit():
    assert failing(tl.grid_sample, X, GRID[:1]) == (
        "grid_sample: x is (2, 3, 4, 5) and grid is (1, 3, 6, 2); they must be (n, c, h, w) and (n, rows, columns, 2), "
        "or (n, c, d, h, w) and (n, layers, rows, columns, 3)."
    )
    assert "there is nothing to read." in failing(tl.grid_sample, X[:, :, :0], GRID)
    assert failing(tl.grid_sample, X, GRID, mode="cubic") == (
        "grid_sample: mode is 'cubic'; it must be one of 'bilinear', 'nearest', 'bicubic'."
    )
    assert failing(tl.grid_sample, VOLUME, PLACES, mode="bicubic") == (
        "grid_sample: mode is 'bicubic'; it must be one of 'bilinear', 'nearest'."
    )
    with pytest.raises(tl.DTypeError, match="grid_sample: grid has dtype complex128; positions are real numbers."):
        tl.grid_sample(X, GRID + 0j)
    assert "padding_mode is 'wrap'" in failing(tl.grid_sample, X, GRID, padding_mode="wrap")
    assert failing(tl.affine_grid, np.zeros((2, 2, 3)), size=(1, 1, 2, 2)) == (
        "affine_grid: theta is (2, 2, 3) and size is (1, 1, 2, 2); they must be (n, 2, 3) and (n, c, h, w), or "
        "(n, 3, 4) and (n, c, d, h, w)."
    )


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize(
    ("mode", "given"),
    [
        ("bilinear", (X, GRID)),
        ("nearest", (X, GRID)),
        ("bicubic", (X, GRID)),
        ("bilinear", (VOLUME, PLACES)),
        ("nearest", (VOLUME, PLACES)),
    ],
)
def test_as_pytorch(mode, given, padding_mode, align_corners):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    how = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    ours = [tl.tensor(value, requires_grad=True) for value in given]
    theirs = [torch.tensor(value, requires_grad=True) for value in given]
    out, expected = tl.grid_sample(*ours, **how), torch.nn.functional.grid_sample(*theirs, **how)
    np.testing.assert_allclose(out.data, expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    g = RNG.normal(size=expected.shape)
    out.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(ours[0].grad.data, theirs[0].grad.numpy(), rtol=1e-9, atol=1e-12)
    if mode != "nearest":
        np.testing.assert_allclose(ours[1].grad.data, theirs[1].grad.numpy(), rtol=1e-9, atol=1e-11)
    else:
        assert ours[1].grad is None or not ours[1].grad.data.any()


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(2, 1, 3, 4), (2, 1, 2, 3, 4)])
def test_affine_grid_as_pytorch(size, align_corners):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    theta = RNG.normal(size=(2, len(size) - 2, len(size) - 1))
    expected = torch.nn.functional.affine_grid(torch.tensor(theta), list(size), align_corners=align_corners)
    np.testing.assert_allclose(tl.affine_grid(theta, size=size, align_corners=align_corners), expected, atol=1e-14)
