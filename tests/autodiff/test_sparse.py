"""Sparse Jacobians and Hessians: equal to the dense ones, from few products, and patterns that are wrong noticed."""

import sys

import numpy as np
import pytest
import scipy.sparse

import tinygrad_lite as tl
from tests.backends import fake_cupy
from tinygrad_lite import BackendError, GradientError, ShapeError
from tinygrad_lite.autodiff import sparse


def band(x):
    """A tridiagonal Jacobian."""
    return tl.sin(x[1:-1]) * x[2:] + tl.exp(x[:-2]) * x[1:-1]


def with_a_dense_row(x):
    return tl.concat([x * x, tl.reshape(tl.sum(x**3), (1,))])


def with_a_dense_column(x):
    return x * x * x[0]


def point(n, seed=0):
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize(
    ("f", "mode", "products"), [(band, None, 3), (with_a_dense_row, "reverse", 2), (with_a_dense_column, "forward", 2)]
)
def test_structured_jacobians_are_the_dense_ones_in_the_mode_that_is_cheaper(f, mode, products):
    x = point(30)
    jacobian = tl.sparse_jacobian(f)
    assert repr(jacobian) == "<sparse Jacobian of unknown pattern>" and jacobian.products is None
    found = jacobian(x)
    assert isinstance(found, scipy.sparse.csr_array) and found.dtype == np.float64
    np.testing.assert_allclose(found.toarray(), tl.jacobian(f)(x), rtol=1e-14)
    assert jacobian.products == products and (mode is None or jacobian.mode == mode)
    assert jacobian.pattern.nnz == found.nnz == np.count_nonzero(tl.jacobian(f)(x))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mode", [None, "forward", "reverse"])
def test_random_patterns(seed, mode):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 15, 2)
    pattern = rng.random((m, n)) < 0.25
    weights = pattern * rng.normal(size=(m, n))

    def f(x):
        return tl.tanh(weights @ tl.reshape(x, (-1,))) * 2.0

    x = rng.normal(size=(1, n))
    expected = np.reshape(tl.jacobian(f)(x), (m, n))
    given = tl.sparse_jacobian(f, pattern, mode=mode)
    assert mode is None or given.mode == mode
    np.testing.assert_allclose(given(x).toarray(), expected, rtol=1e-13, atol=1e-15)
    assert given(x).nnz == pattern.sum()
    np.testing.assert_allclose(tl.sparse_jacobian(f, mode=mode)(x).toarray(), expected, rtol=1e-13, atol=1e-15)
    least = min(pattern.sum(axis=0).max(initial=0), pattern.sum(axis=1).max(initial=0))
    assert mode or given.products >= least


@pytest.mark.parametrize(("batch", "rows"), [(1, [1, 1, 1]), (70, [2, 1]), (65536, [3])])
@pytest.mark.parametrize("check", [False, True])
def test_a_call_takes_as_many_products_as_there_are_colors(monkeypatch, check, batch, rows):
    taken, multiplied = [], sparse._Products._multiplied

    def counted(self, linear, vectors, like):
        taken.append(1 if vectors.ndim == 1 else len(vectors))
        return multiplied(self, linear, vectors, like)

    monkeypatch.setattr(sparse._Products, "_multiplied", counted)
    monkeypatch.setattr(sparse, "BATCH", batch)
    pattern = abs(np.subtract.outer(np.arange(1, 29), range(30))) < 2
    found = tl.sparse_jacobian(band, pattern, check=check)(point(30))
    np.testing.assert_allclose(found.toarray(), tl.jacobian(band)(point(30)), rtol=1e-14)
    assert taken == rows + [1] * check


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_rules_that_look_at_values_are_applied_to_one_vector_after_another(declared):
    @tl.primitive(x=lambda g: g if bool(tl.any(g != 0.0)) else g * 0.0)
    def looked_at(xp, x):
        return xp.asarray(x, copy=True)

    x = point(7)
    found = tl.sparse_jacobian(lambda x: band(looked_at(x)))(x)
    np.testing.assert_allclose(found.toarray(), tl.jacobian(band)(x), rtol=1e-14)


def test_kinds_of_patterns_arguments_and_shapes():
    pattern = scipy.sparse.csr_matrix(np.eye(6))

    def f(scale, x, power=2):
        return tl.reshape(x, (2, 3)) ** power * scale

    x = np.arange(1.0, 7.0).astype("float32").reshape(3, 2)
    for given in (pattern, pattern.tocoo(), pattern.toarray(), np.eye(6, dtype=bool), None):
        for argnum in (1, -1):
            jacobian = tl.sparse_jacobian(f, given, argnum=argnum)
            found = jacobian(np.float32(2.0), x, power=3)
            assert found.dtype == np.float32 and jacobian.products == 1
            np.testing.assert_allclose(found.toarray(), np.diag(6 * x.ravel() ** 2), rtol=1e-6)
    found = tl.sparse_jacobian(f, argnum=1)(2.0, tl.tensor(x, requires_grad=True))
    np.testing.assert_allclose(found.toarray(), np.diag(4 * x.ravel()), rtol=1e-6)


def test_zero_and_empty_jacobians():
    found = tl.sparse_jacobian(lambda x: tl.floor(x))(np.ones(4))
    assert found.shape == (4, 4) and found.nnz == 0
    assert tl.sparse_jacobian(lambda x: x * 2.0)(np.ones(0)).shape == (0, 0)
    found = tl.sparse_jacobian(lambda x: x[:0])(np.ones(3))
    assert found.shape == (0, 3) and found.nnz == 0


def test_a_pattern_that_lacks_a_nonzero_is_noticed():
    x = point(12)
    right = np.asarray(tl.jacobian(band)(x)) != 0
    for mode, line in (("forward", "row 4"), ("reverse", "column 5")):
        wrong = right.copy()
        wrong[4, 5] = False
        with pytest.raises(GradientError) as caught:
            tl.sparse_jacobian(band, wrong, mode=mode)(x)
        message = str(caught.value)
        assert message.startswith("sparse_jacobian: the pattern lacks nonzeros: the Jacobian differs from its product")
        assert f"first in {line}. Give a pattern" in message
        silent = tl.sparse_jacobian(band, wrong, mode=mode, check=False)(x).toarray()
        assert not np.allclose(silent, tl.jacobian(band)(x))
    too_much = right | (np.random.default_rng(0).random(right.shape) < 0.3)
    np.testing.assert_allclose(tl.sparse_jacobian(band, too_much)(x).toarray(), tl.jacobian(band)(x), rtol=1e-14)


def test_a_branch_that_appears_later_is_noticed():
    def f(x):
        return tl.where(x > 0.0, x * x, x * tl.flip(x))

    jacobian = tl.sparse_jacobian(f)
    x = point(6) ** 2 + 1.0
    np.testing.assert_allclose(jacobian(x).toarray(), np.diag(2 * x))
    with pytest.raises(GradientError, match="sparse_jacobian: the pattern lacks nonzeros"):
        jacobian(-x)
    both = tl.jacobian_pattern(f, x) + tl.jacobian_pattern(f, -x)
    np.testing.assert_allclose(tl.sparse_jacobian(f, both)(-x).toarray(), tl.jacobian(f)(-x))


def test_detection_looks_beside_the_argument_and_at_nan():
    np.testing.assert_array_equal(tl.jacobian_pattern(lambda x: x**3, np.zeros(3)).toarray(), np.eye(3, dtype=bool))
    with np.errstate(all="ignore"):
        found = tl.jacobian_pattern(lambda x: tl.sqrt(x), np.array([-1.0, 4.0]))
    assert found[0, 0] and found[1, 1] and not found[0, 1]
    many = tl.jacobian_pattern(
        lambda x, y: tl.relu(y[:, None] - x), np.zeros(3), np.zeros(2), argnum=1, points=8, seed=3
    )
    np.testing.assert_array_equal(many.toarray(), np.repeat(np.eye(2, dtype=bool), 3, axis=0))


def chain(x):
    return tl.sum((x[1:] - x[:-1] ** 2) ** 2) + tl.sum(tl.cos(x))


def with_an_arrow(x):
    return x[-1] * tl.sum(x**2) + tl.sum(tl.exp(x))


def with_rows_of_a_grid(x):
    u = tl.reshape(x, (5, 6))
    return tl.sum((u[1:] - u[:-1]) ** 4) + tl.sum((u[:, 1:] - u[:, :-1]) ** 4)


@pytest.mark.parametrize(("f", "most"), [(chain, 3), (with_an_arrow, 2), (with_rows_of_a_grid, 8)])
def test_hessians_are_the_dense_ones_and_use_their_symmetry(f, most):
    x = point(30)
    hessian = tl.sparse_hessian(f)
    found, expected = hessian(x), tl.hessian(f)(x)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-12, atol=1e-13)
    assert (found != found.T).nnz == 0
    assert hessian.products <= most
    triangle = tl.sparse_hessian(f, np.tril(expected != 0))
    np.testing.assert_allclose(triangle(x).toarray(), expected, rtol=1e-12, atol=1e-13)
    assert repr(
        triangle
    ) == f"<sparse Hessian, (30, 30), {np.count_nonzero(expected)} nonzeros, {triangle.products} " + (
        "products in reverse mode>"
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_hessians(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 14))
    weights = (rng.random((n, n)) < 0.2) * rng.normal(size=(n, n))

    def f(x):
        return tl.sum(tl.tanh(x * (weights @ x)))

    x = rng.normal(size=n)
    np.testing.assert_allclose(tl.sparse_hessian(f)(x).toarray(), tl.hessian(f)(x), rtol=1e-11, atol=1e-13)


def test_a_hessian_pattern_that_lacks_a_nonzero_is_noticed():
    pattern = np.eye(8) + np.eye(8, k=1)
    pattern[2, 3] = 0
    with pytest.raises(GradientError, match="sparse_hessian: the pattern lacks nonzeros: the Hessian differs from its"):
        tl.sparse_hessian(chain, pattern)(point(8))


def test_refusals():
    x = np.ones(3)
    with pytest.raises(GradientError, match="sparse_jacobian: mode is 'sideways'; it must be 'forward', 'reverse' or"):
        tl.sparse_jacobian(band, mode="sideways")
    with pytest.raises(ShapeError, match=r"pattern has shape \(3, 3\) and the Jacobian \(1, 3\) \(result, argument\)"):
        tl.sparse_jacobian(band, np.eye(3))(x)
    with pytest.raises(ShapeError, match=r"sparse_jacobian: the pattern has shape \(3,\); it must have two axes"):
        tl.sparse_jacobian(band, np.ones(3))
    with pytest.raises(
        ShapeError, match=r"sparse_hessian: the pattern has shape \(2, 3\); that of a Hessian is square"
    ):
        tl.sparse_hessian(chain, np.ones((2, 3)))
    with pytest.raises(ShapeError, match="sparse_jacobian: argnum 1 with 1 positional arguments"):
        tl.sparse_jacobian(band, argnum=1)(x)
    with pytest.raises(GradientError, match="sparse_jacobian: argument 0 is a list; it must be an array"):
        tl.sparse_jacobian(band)([1.0])
    with pytest.raises(GradientError, match="sparse_jacobian: the function returned a tuple; it must return one array"):
        tl.sparse_jacobian(lambda x: (x, x))(x)
    with pytest.raises(GradientError, match="a gradient needs a scalar"):
        tl.sparse_hessian(band)(x)


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(BackendError) as caught:
        tl.sparse_jacobian(band)(np.ones(4))
    assert str(caught.value).startswith("sparse_jacobian: SciPy, which has the sparse arrays, cannot be imported (")
    assert str(caught.value).endswith("). Install it with pip install 'tinygrad-lite[scipy]'.")


def test_arrays_of_a_device():
    with fake_cupy.installed() as cupy:
        x = point(9)
        there = cupy.asarray(x)
        np.testing.assert_allclose(tl.sparse_jacobian(band)(there).toarray(), tl.jacobian(band)(x), rtol=1e-14)
        np.testing.assert_allclose(
            tl.sparse_hessian(chain)(there).toarray(), tl.hessian(chain)(x), rtol=1e-12, atol=1e-13
        )
