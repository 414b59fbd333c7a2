"""Options, edges and messages of `ops/tables.py`, and comparison with PyTorch."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, ShapeError

RNG = np.random.default_rng(0)
TABLE = RNG.standard_normal((5, 3))
INDEX = np.array([[1, 4, 1], [0, 2, 1]])


def message(kind, function, *arguments, **options):
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    return str(caught.value)


def gradient(function):
    return tl.grad(lambda table: tl.sum(function(table)))(TABLE)


def test_padding_gets_no_gradient():
    for index in (1, -4):
        found = gradient(lambda table: tl.embedding(INDEX, table, padding_idx=index))  # noqa: B023
        np.testing.assert_array_equal(found[:, 0], [1.0, 0.0, 1.0, 0.0, 1.0])
    np.testing.assert_array_equal(tl.embedding(INDEX, TABLE, padding_idx=1), TABLE[INDEX])


def test_gradients_divided_by_frequency():
    found = gradient(lambda table: tl.embedding(INDEX, table, scale_grad_by_freq=True))
    np.testing.assert_allclose(found[:, 0], [1.0, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_array_equal(tl.embedding(INDEX, TABLE, scale_grad_by_freq=True), TABLE[INDEX])


def test_max_norm_leaves_the_table_alone():
    table = TABLE.copy()
    rows = tl.embedding(INDEX, table, max_norm=0.5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=-1), np.minimum(np.linalg.norm(TABLE[INDEX], axis=-1), 0.5))
    np.testing.assert_array_equal(table, TABLE)


def test_messages():
    assert message(ShapeError, tl.embedding, INDEX, np.ones(3)) == (
        "embedding: weight is (3,); it must be (rows, features)."
    )
    assert message(DTypeError, tl.embedding, TABLE, TABLE) == "embedding: x is float64; integers are required."
    assert message(ShapeError, tl.embedding, INDEX, TABLE, padding_idx=5) == (
        "embedding: padding_idx is 5; it must be a row of weight, which is (5, 3)."
    )
    assert "index 5 is out of range" in message(IndexError, tl.embedding, np.array([5]), TABLE)
    assert message(ShapeError, tl.embedding_bag, INDEX, TABLE, np.array([0])) == (
        "embedding_bag: x is (2, 3), one bag per row; offsets must be None."
    )
    assert message(ShapeError, tl.embedding_bag, INDEX[0], TABLE) == (
        "embedding_bag: x is (3,); it must be (bags, k), or (n,) with offsets."
    )
    assert message(DTypeError, tl.embedding_bag, INDEX[0], TABLE, np.zeros(1)) == (
        "embedding_bag: offsets are float64; integers are required."
    )
    for offsets in ([1], [0, 2, 1], [0, 4]):
        assert f"embedding_bag: offsets are {offsets} and x is (3,); they must begin with 0, not decrease" in message(
            ShapeError, tl.embedding_bag, INDEX[0], TABLE, np.array(offsets)
        )
    assert message(ShapeError, tl.embedding_bag, INDEX, TABLE, mode="min") == (
        "embedding_bag: mode is 'min'; it must be 'mean', 'sum' or 'max'."
    )
    assert message(ShapeError, tl.embedding_bag, INDEX, TABLE, None, np.ones((2, 3))) == (
        "embedding_bag: per_sample_weights is (2, 3), x is (2, 3) and mode is 'mean'; they must have the shape of x, "
        "and the mode must be 'sum'."
    )


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
@pytest.mark.parametrize("padding_idx", [None, 1])
@pytest.mark.parametrize("offsets", [None, [0, 2, 2, 5]])
def test_bags_against_torch(mode, padding_idx, offsets):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    index = INDEX if offsets is None else INDEX.reshape(-1)
    options = {"mode": mode, "padding_idx": padding_idx}
    mine, other = tl.tensor(TABLE, requires_grad=True), torch.tensor(TABLE, requires_grad=True)
    out = tl.embedding_bag(index, mine, None if offsets is None else np.array(offsets), **options)
    expected = torch.nn.functional.embedding_bag(
        torch.tensor(index), other, None if offsets is None else torch.tensor(offsets), **options
    )
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    tl.sum(out * out).backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-12)


def test_scaled_gradients_against_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    other = torch.tensor(TABLE, requires_grad=True)
    rows = torch.nn.functional.embedding(torch.tensor(INDEX), other, padding_idx=2, scale_grad_by_freq=True)
    (rows * rows).sum().backward()
    found = gradient(lambda table: tl.embedding(INDEX, table, padding_idx=2, scale_grad_by_freq=True) ** 2)
    np.testing.assert_allclose(found, other.grad.numpy(), rtol=1e-12)
