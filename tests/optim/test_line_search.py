"""Step lengths along curves with several minima: those of PyTorch's search, and they satisfy their conditions."""

import numpy as np
import pytest

from tinygrad_lite.optim.line_search import Point, strong_wolfe


def curves(seed):
    """A function of the step length with many bends, going down at 0."""
    rng = np.random.default_rng(seed)
    a, w, p, c = rng.normal(size=6), rng.uniform(0.3, 4, size=6), rng.uniform(0, 6, size=6), rng.uniform(0.01, 0.3)

    def loss(t):
        return float((a * np.sin(w * t + p)).sum() + c * t * t)

    def slope(t):
        return float((a * w * np.cos(w * t + p)).sum() + 2 * c * t)

    sign = -1.0 if slope(0.0) > 0 else 1.0
    return (lambda t: loss(sign * t)), (lambda t: sign * slope(sign * t)), float(rng.uniform(0.05, 5))


@pytest.mark.parametrize("seed", range(60))
def test_the_search_of_pytorch(seed):
    torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its line search")
    from torch.optim.lbfgs import _strong_wolfe

    loss, slope, first = curves(seed)
    most = 25 if seed % 3 else 4
    point, tries = strong_wolfe(
        lambda t: Point(t, loss(t), None, slope(t)), Point(0.0, loss(0.0), None, slope(0.0)), first, 1.0, most=most
    )
    d = torch.ones(1, dtype=torch.float64)
    expected = _strong_wolfe(
        lambda x, t, d: (loss(float(t)), torch.tensor([slope(float(t))], dtype=torch.float64)),
        None, first, d, loss(0.0), torch.tensor([slope(0.0)], dtype=torch.float64),
        torch.tensor(slope(0.0), dtype=torch.float64), max_ls=most,
    )  # fmt: skip
    assert point.step == pytest.approx(float(expected[2]), rel=1e-9)
    assert tries == expected[3]


@pytest.mark.parametrize("seed", range(60))
def test_the_conditions_of_wolfe(seed):
    loss, slope, first = curves(seed)
    point, tries = strong_wolfe(
        lambda t: Point(t, loss(t), None, slope(t)), Point(0.0, loss(0.0), None, slope(0.0)), first, 1.0, most=60
    )
    assert point.loss <= loss(0.0) + 1e-4 * point.step * slope(0.0)
    assert abs(point.slope) <= -0.9 * slope(0.0)
    assert tries < 60
