"""Fractional pooling against PyTorch, with random windows, and the messages."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

RNG = np.random.default_rng(0)


def message(function, *arguments, **options):
    with pytest.raises(ShapeError) as caught:
        function(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("how", [{"output_size": 4}, {"output_ratio": 0.6}])
def test_against_torch(axes, how):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    data, samples = RNG.standard_normal((2, 3, *(9, 8, 7)[:axes])), RNG.uniform(size=(2, 3, axes))
    x, t = tl.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    values, indices = getattr(tl, f"fractional_max_pool{axes}d_with_indices")(x, samples, kernel_size=2, **how)
    how = {name: (value,) * axes for name, value in how.items()}
    order = samples[..., ::-1].copy() if axes == 2 else samples  # of images PyTorch's first is for the width
    pool = getattr(torch.nn.functional, f"fractional_max_pool{axes}d")
    expected = pool(t, 2, return_indices=True, _random_samples=torch.tensor(order), **how)
    np.testing.assert_array_equal(values.data, expected[0].detach().numpy())
    np.testing.assert_array_equal(indices.data, expected[1].numpy())
    g = RNG.standard_normal(values.shape)
    values.backward(g)
    expected[0].backward(torch.tensor(g))
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-12)


def test_drawn_windows_follow_the_seed():
    x = RNG.standard_normal((2, 2, 20, 20))
    found = [tl.fractional_max_pool2d(x, kernel_size=2, output_size=13, rng=tl.Generator(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_messages():
    x = np.ones((1, 1, 4, 4))
    assert message(tl.fractional_max_pool2d, x, kernel_size=2) == (
        "fractional_max_pool2d: exactly one of output_size and output_ratio is required."
    )
    assert message(tl.fractional_max_pool2d, x, kernel_size=2, output_ratio=1.5) == (
        "fractional_max_pool2d: output_ratio is 1.5; it must be between 0 and 1, and leave something."
    )
    assert message(tl.fractional_max_pool2d, x, kernel_size=2, output_size=4) == (
        "fractional_max_pool2d: x is (1, 1, 4, 4), kernel_size is (2, 2) and the output (4, 4); so many windows do not "
        "fit unless each length of x is at least kernel_size + output_size - 1."
    )
    assert message(tl.fractional_max_pool2d, x, np.zeros((1, 2)), kernel_size=2, output_size=2) == (
        "fractional_max_pool2d: x is (1, 1, 4, 4) and samples is (1, 2); it must be (1, 1, 2)."
    )
