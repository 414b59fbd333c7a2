"""Adaptive softmax: one distribution over all classes, errors, and PyTorch's values."""

import numpy as np
import pytest

from tinygrad_lite import nn
from tinygrad_lite.core.errors import IndexingError, ShapeError


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_it_is_one_distribution_over_all_classes():
    layer, x = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [3, 11], 2.0, head_bias=True, dtype="float64"), drawn(6, 8)
    logs = layer.log_prob(x).data
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1.0, rtol=1e-12)
    target = np.array([19, 0, 5, 10, 11, 2])
    output, loss = layer(x, target)
    np.testing.assert_allclose(output.data, logs[np.arange(6), target], rtol=1e-12)
    assert loss.item() == pytest.approx(-output.data.mean())
    np.testing.assert_array_equal(layer.predict(x).data, logs.argmax(axis=1))
    assert layer(x[0], np.array(19)).output.item() == pytest.approx(logs[0, 19])
    assert list(layer.state_dict()) == [
        "head.weight", "head.bias", "tail.0.0.weight", "tail.0.1.weight", "tail.1.0.weight", "tail.1.1.weight"
    ]  # fmt: skip


def test_what_does_not_fit():
    for cutoffs in ([], [3, 3], [5, 3], [0, 3], [3, 20]):
        with pytest.raises(ShapeError, match=r"cutoffs is \[.* must be growing numbers from 1 to 19"):
            nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)
    with pytest.raises(ShapeError, match=r"div_value is 4.0; cluster 1 would have no features"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 20, [3, 11])
    layer = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [3])
    with pytest.raises(ShapeError, match=r"input is \(2, 7\) and target is \(2,\); they must be \(n, 8\) and \(n,\)"):
        layer(drawn(2, 7), np.array([0, 1]))
    with pytest.raises(IndexingError, match=r"target has classes from -1 to 20; they must be from 0 to 19"):
        layer(drawn(2, 8), np.array([-1, 20]))


@pytest.mark.parametrize("seed", range(20))
def test_pytorch_computes_the_same(seed):
    torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its layer")
    from tests.nn.test_recurrent_torch import gradients_agree, pair

    rng = np.random.default_rng(seed)
    cutoffs = sorted(rng.choice(np.arange(1, 12), int(rng.integers(1, 4)), replace=False).tolist())
    options = {"div_value": float(rng.choice([1.5, 2.0])), "head_bias": bool(seed % 2)}
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 12, cutoffs, **options).double()
    ours = nn.AdaptiveLogSoftmaxWithLoss(8, 12, cutoffs, **options).to("float64")
    assert ours.load_state_dict(theirs.state_dict()) == ([], [])
    x, target = pair(drawn(7, 8, seed=seed)), rng.integers(0, 12, 7)
    np.testing.assert_array_equal(ours.predict(x[0]).data, theirs.predict(x[1]).numpy())
    outputs = [(ours.log_prob(x[0]), theirs.log_prob(x[1]))]
    outputs += zip(ours(x[0], target), theirs(x[1], torch.tensor(target)), strict=True)
    gradients_agree(outputs, [x], ours, theirs)
