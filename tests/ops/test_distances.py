"""Exact edges and messages of `ops/distances.py`, and comparison with PyTorch and SciPy."""

import numpy as np
import pytest
import scipy.spatial.distance

import tinygrad_lite as tl
from tinygrad_lite import ShapeError

RNG = np.random.default_rng(0)


def message(function, *arguments, **options):
    with pytest.raises(ShapeError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_equal_vectors_have_distance_and_gradient_0():
    x = np.array([[1.0, 2.0], [1.0, 2.0]])
    for p in (0.5, 1.0, 2.0, 3.0, np.inf):
        for distances in (tl.pdist, lambda x, p: tl.cdist(x, x, p=p)):
            np.testing.assert_array_equal(distances(x, p=p), np.zeros_like(distances(x, p=p)))
            np.testing.assert_array_equal(tl.grad(lambda x: tl.sum(distances(x, p=p)))(x), np.zeros((2, 2)))  # noqa: B023


def test_vectors_of_length_0_have_cosine_0():
    x = np.array([[0.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(tl.cosine_similarity(x, x), [0.0, 1.0])
    assert np.isfinite(tl.grad(lambda x: tl.sum(tl.cosine_similarity(x, x)))(x)).all()


def test_close_vectors_far_from_the_origin_keep_their_digits():
    x = np.array([[1e4, 1e4]], "float32")
    np.testing.assert_array_equal(tl.cdist(x, x + np.float32(0.5)), [[np.float32(np.sqrt(0.5))]])


def test_many_vectors_are_taken_in_blocks():
    x, y = RNG.standard_normal((70, 40)), RNG.standard_normal((90, 40))
    np.testing.assert_allclose(tl.cdist(x, y), scipy.spatial.distance.cdist(x, y), rtol=1e-12)
    mine, other = (tl.grad(lambda x: tl.sum(tl.cos(tl.cdist(x, y, p=p))))(x) for p in (2.0, 2.0 + 1e-12))  # noqa: B023
    np.testing.assert_allclose(mine, other, rtol=1e-7)


def test_gradients_far_from_the_origin_keep_their_digits():
    x, y = (RNG.standard_normal((2, 5, 3)) + 1e4).astype("float32")
    gradient = tl.grad(lambda x, y: tl.sum(tl.cdist(x, y)))
    np.testing.assert_allclose(gradient(x, y), gradient(x.astype("float64"), y.astype("float64")), atol=2e-5)


def test_complex_vectors():
    x = RNG.standard_normal((2, 3)) + 1j
    np.testing.assert_allclose(tl.cdist(x, -x), np.linalg.norm(x[:, None] + x, axis=-1))
    with pytest.raises(tl.DTypeError) as caught:
        tl.OPS["euclidean_cdist"].function(x, x)
    assert str(caught.value) == (
        "euclidean_cdist: x has dtype complex128 and y complex128; only real numbers are supported."
    )


def test_pdist_is_scipys():
    x = RNG.standard_normal((5, 3))
    np.testing.assert_allclose(tl.pdist(x, p=3.0), scipy.spatial.distance.pdist(x, "minkowski", p=3.0))


def test_messages():
    assert message(tl.pairwise_distance, np.ones(2), np.ones(3)) == (
        "pairwise_distance: x is (2,) and y is (3,); both need an axis, and they must broadcast."
    )
    assert message(tl.cosine_similarity, np.ones((2, 3)), np.ones(3), axis=0) == (
        "cosine_similarity: y is (3,); it must have the axis of the vectors."
    )
    assert message(tl.cdist, np.ones((2, 3)), np.ones((2, 2))) == (
        "cdist: x is (2, 3) and y is (2, 2); they must be (..., m, features) and (..., n, features)."
    )
    assert message(tl.pdist, np.ones(3)) == "pdist: x is (3,); it must be (n, features)."


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, np.inf])
def test_against_torch(p):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed, so nothing can be compared with it")
    F = torch.nn.functional
    x, y = RNG.standard_normal((2, 4, 3)), RNG.standard_normal((2, 4, 3))
    pairs = [
        (lambda x, y: tl.pairwise_distance(x, y, p=p), lambda x, y: F.pairwise_distance(x, y, p=p)),
        (lambda x, y: tl.cosine_similarity(x, y, axis=2), lambda x, y: F.cosine_similarity(x, y, dim=2)),
        (lambda x, y: tl.cdist(x, y, p=p), lambda x, y: torch.cdist(x, y, p=p)),
        (lambda x, y: tl.pdist(x[0], p=p) + tl.sum(y), lambda x, y: F.pdist(x[0], p=p) + y.sum()),
    ]
    for ours, theirs in pairs:
        mine = [tl.tensor(v, requires_grad=True) for v in (x, y)]
        other = [torch.tensor(v, requires_grad=True) for v in (x, y)]
        out, expected = ours(*mine), theirs(*other)
        np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
        tl.sum(out * out).backward()
        (expected * expected).sum().backward()
        for one, two in zip(mine, other, strict=True):
            np.testing.assert_allclose(one.grad.numpy(), two.grad.numpy(), rtol=1e-9, atol=1e-12)
