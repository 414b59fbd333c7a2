"""What `where` did not take has no part in the gradient, whatever the derivative is there."""

import warnings

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import OPS
from tinygrad_lite.core.graph import Node, Selecting
from tinygrad_lite.core.selection import pull_selected

EDGES = [-np.inf, -2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 2.0, 800.0, np.inf, np.nan]
"""Ends of domains, poles, kinks, overflow, and no numbers."""

ELEMENTWISE = [
    name
    for name, op in OPS.items()
    if op.shapes == "elementwise" and (op.rules or not op.primitive) and name not in ("where", "threshold")
]


def inside(op, name):
    """A number inside the domain of an array argument."""
    low, high = op.domain_of(name)
    return (low + high) / 2 if high - low < np.inf else low + 1.3 if low > -np.inf else 0.4


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the forward pass computes what is not taken
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_element_that_is_not_taken_has_gradient_0_at_every_edge(name):
    op = OPS[name]
    for first in EDGES:
        for second in EDGES if len(op.arrays) == 2 else [None]:
            edges = [edge for edge in (first, second) if edge is not None]
            middles = [inside(op, array) for array in op.arrays]
            given = [np.array(pair) for pair in zip(edges + middles[len(edges) :], middles, strict=True)]
            check(op, given, orders=1 if name == "digamma" else 2)  # polygamma, its derivative, is not elementwise


def check(op, given, orders):
    """Derivatives by each argument: 0 at the edge, and as without `where` beside it."""
    taken = np.array([False, True])
    for i in range(len(given)):
        masked, alone = lambda *x: tl.where(taken, op.function(*x), 0.0), op.function
        for _ in range(orders):
            masked, alone = (gradient(f, i) for f in (masked, alone))
            found, expected = masked(*given), alone(*(x[1:] for x in given))
            assert found[0] == 0.0, (given, found)
            np.testing.assert_allclose(found[1:], expected)


def gradient(function, i=0):
    return tl.grad(lambda *x: tl.sum(function(*x)), argnums=i)


def safe_root(x):
    return tl.where(x > 0, tl.sqrt(x), 0.0)


def test_the_root_beside_its_end_without_a_warning():
    x = np.array([0.0, 4.0])
    np.testing.assert_array_equal(gradient(safe_root)(x), [0.0, 0.25])
    np.testing.assert_array_equal(gradient(gradient(safe_root))(x), [0.0, -0.03125])
    np.testing.assert_array_equal(tl.jvp(safe_root, (x,), (np.ones(2),))[1], [0.0, 0.25])


def test_norms_of_rows_one_of_which_is_zero():
    def total(x):
        lengths = tl.sqrt(tl.sum(x * x, axis=1))
        return tl.where(lengths > 0.5, lengths, 1.0)

    found = gradient(total)(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 0.0]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_cotangent_that_happens_to_be_0_hides_nothing():
    assert np.isnan(gradient(lambda x: tl.sqrt(x) ** 2)(np.zeros(1)))
    assert np.isnan(gradient(lambda x: tl.where(x >= 0, tl.sqrt(x) ** 2, 0.0))(np.zeros(1)))
    used = gradient(lambda x: (lambda r: tl.where(x > 0, r, 0.0) + r)(tl.sqrt(x)))
    np.testing.assert_array_equal(used(np.array([0.0, 4.0])), [np.inf, 0.5])
    both = gradient(lambda x: (lambda r: tl.where(x > 0, r, 0.0) + tl.where(x > 1, r, 0.0))(tl.sqrt(x)))
    np.testing.assert_array_equal(both(np.array([0.0, 0.25, 4.0])), [0.0, 1.0, 0.5])
    either = gradient(lambda x: (lambda r: tl.where(x > 0, r, 0.0) + tl.where(x > 0, 0.0, r))(tl.sqrt(x)))
    np.testing.assert_array_equal(either(np.array([0.0, 4.0])), [np.inf, 0.25])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_through_chains_nested_selections_broadcasting_and_complex_numbers():
    x = np.array([0.0, 4.0])
    chain = gradient(lambda x: tl.where(x > 0, tl.exp(3.0 * tl.log(tl.sqrt(1.0 / x))), x))
    np.testing.assert_allclose(chain(x), [1.0, -1.5 * 4.0**-2.5])
    nested = gradient(lambda x: tl.where(x > 0, tl.where(x > 1, tl.log(x), tl.sqrt(x)), -x))
    np.testing.assert_allclose(nested(np.array([0.0, 0.25, 4.0])), [-1.0, 1.0, 0.25])
    over = gradient(lambda y: tl.where(np.array([[True], [False]]), y / np.array([[2.0], [0.0]]), 0.0))
    np.testing.assert_allclose(over(np.array([1.0, 3.0])), [0.5, 0.5])
    z = np.array([0j, 1 + 1j])
    found = gradient(lambda z: tl.real(tl.where(tl.real(z) > 0, tl.sqrt(z), 0.0)))(z)
    np.testing.assert_allclose(found, [0.0, np.conj(0.5 / np.sqrt(1 + 1j))])


def test_a_hook_that_changes_the_cotangent_is_obeyed():
    x = tl.tensor(np.array([0.0, 4.0]), requires_grad=True)
    root = tl.sqrt(x)
    root.register_hook(lambda g: g + 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tl.sum(tl.where(x > 0, root, 0.0)).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [np.inf, 0.5])


def test_find_nan_finds_none():
    x = tl.tensor(np.array([0.0, 4.0]), requires_grad=True)
    assert tl.autograd.find_nan(tl.sum(safe_root(x))) is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_batches_of_examples():
    x = np.array([[0.0, 4.0], [1.0, 0.0]])
    expected = np.array([[0.0, 0.25], [0.5, 0.0]])
    np.testing.assert_array_equal(tl.vmap(gradient(safe_root))(x), expected)
    np.testing.assert_array_equal(tl.jacobian(safe_root)(x[0]), np.diag(expected[0]))
    np.testing.assert_array_equal(gradient(lambda x: tl.vmap(safe_root)(x))(x), expected)
    outside = gradient(lambda y: tl.vmap(lambda c: tl.where(c, tl.sqrt(y), 0.0))(x > 0))
    np.testing.assert_array_equal(outside(np.array([1.0, 4.0])), [0.5, 0.25])
    one = gradient(lambda y: tl.vmap(lambda c: tl.where(c > 0, tl.log(y), 0.0))(x))
    np.testing.assert_array_equal(one(np.array([2.0, 4.0])), [0.5, 0.25])
    shared = gradient(lambda y: (lambda root: tl.vmap(lambda c: tl.where(c > 0, root, 0.0))(x))(tl.sqrt(y)))
    np.testing.assert_array_equal(shared(np.array([1.0, 4.0])), [0.5, 0.25])


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_where_without_an_elementwise_operation_behind_it_is_swept_as_any_other():
    x = tl.tensor(np.ones((2, 2)), requires_grad=True)
    g = np.ones((2, 2))
    for inside, expected in ((x, False), (x @ x, False), (tl.sqrt(x), True)):
        node = tl.where(x > 0, inside, 0.0).node
        assert pull_selected(node, g, {inside.node: None}, {}, False) is expected
    assert type(tl.sqrt(x).node) is Node and type(tl.where(x > 0, x, 0.0).node) is Selecting


def test_a_condition_that_is_one_python_value():
    def f(x):
        return tl.where(True, tl.exp(x), tl.sqrt(x)) + tl.where(False, tl.sqrt(x), x)

    np.testing.assert_array_equal(gradient(f)(np.zeros(2)), [2.0, 2.0])
