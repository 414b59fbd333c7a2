"""Losses as modules: each has PyTorch's name, arguments, values and gradients."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn

torch = pytest.importorskip("torch", reason="torch is not installed: no comparison with its losses")

RNG = np.random.default_rng(0)
X, Y, Z = RNG.normal(size=(3, 5, 4))
UNIT, POSITIVE = RNG.uniform(0.1, 0.9, size=(5, 4)), RNG.uniform(0.2, 3.0, size=(5, 4))
SIGNS = np.where(RNG.normal(size=(5, 4)) > 0, 1.0, -1.0)
CLASSES = np.array([0, 3, 1, 1, 2])
BITS = (SIGNS + 1) / 2


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def squared_distance(x, y):
    return ((x - y) * (x - y)).sum(axis=-1)


CASES = [
    ("L1Loss", {}, (X, Y)),
    ("SmoothL1Loss", {}, (X, Y)),
    ("SmoothL1Loss", {"beta": 0.3}, (X, Y)),
    ("HuberLoss", {"delta": 0.3}, (X, Y)),
    ("KLDivLoss", {}, (log_softmax(X), UNIT)),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, (log_softmax(X), log_softmax(Y))),
    ("PoissonNLLLoss", {}, (X, POSITIVE)),
    ("PoissonNLLLoss", {"log_input": False, "full": True}, (POSITIVE, POSITIVE[::-1].copy())),
    ("GaussianNLLLoss", {"full": True}, (X, Y, POSITIVE)),
    ("BCELoss", {}, (UNIT, BITS)),
    ("BCEWithLogitsLoss", {"weight": POSITIVE}, (X, UNIT)),
    ("BCEWithLogitsLoss", {"pos_weight": POSITIVE[0]}, (X, BITS)),
    ("CrossEntropyLoss", {"weight": POSITIVE[0], "ignore_index": 1}, (X, CLASSES)),
    ("CrossEntropyLoss", {"weight": POSITIVE[0], "label_smoothing": 0.2, "ignore_index": 1}, (X, CLASSES)),
    ("CrossEntropyLoss", {"weight": POSITIVE[0], "label_smoothing": 0.2}, (X, POSITIVE)),
    ("NLLLoss", {}, (X, CLASSES)),
    ("NLLLoss", {"weight": POSITIVE[0], "ignore_index": 1}, (X, CLASSES)),
    ("HingeEmbeddingLoss", {}, (X, SIGNS)),
    ("HingeEmbeddingLoss", {"margin": 0.2}, (X, SIGNS)),
    ("MarginRankingLoss", {"margin": 0.3}, (X, Y, SIGNS)),
    ("SoftMarginLoss", {}, (X, SIGNS)),
    ("MultiMarginLoss", {}, (X, CLASSES)),
    ("MultiMarginLoss", {"p": 2, "margin": 0.7, "weight": POSITIVE[0]}, (X, CLASSES)),
    ("MultiLabelMarginLoss", {}, (X, np.array([[0, 3, -1, 1], [2, -1, 0, 0], [-1] * 4, [0, 1, 2, 3], [1, 1, -1, 0]]))),
    ("MultiLabelSoftMarginLoss", {"weight": POSITIVE[0]}, (X, BITS)),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (X, Y, SIGNS[:, 0].copy())),
    ("TripletMarginLoss", {}, (X, Y, Z)),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, (X, Y, Z)),
    ("TripletMarginWithDistanceLoss", {"distance_function": squared_distance, "swap": True, "margin": 2.0}, (X, Y, Z)),
    ("TripletMarginLoss", {"swap": True, "p": 3.0, "margin": 2.0}, (X, Y, Z)),
]


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "options", "inputs"), CASES)
def test_losses(name, options, inputs, reduction):
    options = {"reduction": reduction, **options}
    theirs = getattr(torch.nn, name)(**{k: torch.tensor(v) if "weight" in k else v for k, v in options.items()})
    mine, other = tl.tensor(inputs[0], requires_grad=True), torch.tensor(inputs[0], requires_grad=True)
    loss = getattr(nn, name)(**options)(mine, *inputs[1:])
    expected = theirs(other, *map(torch.tensor, inputs[1:]))
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=1e-9)
    loss.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(mine.grad.data, other.grad.numpy(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ctc(reduction, joined, dtype):
    logits = RNG.normal(size=(12, 3, 6)).astype(dtype) * 3
    targets = np.array([[1, 1, 2, 5], [3, 4, 0, 0], [2, 0, 0, 0]])
    times, lengths = np.array([12, 9, 4]), np.array([4, 2, 1])
    if joined:
        targets = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])
    mine, other = tl.tensor(logits, requires_grad=True), torch.tensor(logits, requires_grad=True)
    loss = nn.CTCLoss(reduction=reduction)(tl.log_softmax(mine), targets, times, lengths)
    given = map(torch.tensor, (targets, times, lengths))
    expected = torch.nn.CTCLoss(reduction=reduction)(torch.log_softmax(other, -1), *given)
    rtol = 1e-8 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(loss.data, expected.detach().numpy(), rtol=rtol)
    loss.sum().backward()
    expected.sum().backward()
    assert mine.grad.dtype == dtype
    np.testing.assert_allclose(
        mine.grad.data, other.grad.numpy(), rtol=rtol, atol=1e-5 if dtype == "float32" else 1e-10
    )


def test_ctc_of_a_target_that_is_too_long():
    logits = RNG.normal(size=(2, 1, 3))
    for zero_infinity, expected in ((False, np.inf), (True, 0.0)):
        x = tl.tensor(logits, requires_grad=True)
        loss = nn.CTCLoss(zero_infinity=zero_infinity)(
            tl.log_softmax(x), np.array([[1, 1]]), np.array([2]), np.array([2])
        )
        assert loss.item() == expected
        loss.backward()
        np.testing.assert_array_equal(x.grad.data, np.zeros((2, 1, 3)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("ours", "theirs"), [("mse", "mse_loss"), ("l1", "l1_loss"), ("huber", "huber_loss")])
def test_weights_of_elements(ours, theirs, reduction):
    loss = getattr(tl, ours)(X, Y, POSITIVE, reduction=reduction)
    given = map(torch.tensor, (X, Y))
    expected = getattr(torch.nn.functional, theirs)(*given, weight=torch.tensor(POSITIVE), reduction=reduction)
    np.testing.assert_allclose(loss, expected.numpy(), rtol=1e-12)
