"""Exact edges and messages of `ops/linalg.py`."""

# ruff: noqa: E501  # messages stand on one line, as they are read

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError


def ones(*shape):
    return np.ones(shape)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (
            (3, 4), (5, 2),
            "matmul: x is (3, 4) and y is (5, 2); the last axis of x (4) must equal the second-last of y (5).",
        ),
        ((3, 4), (5,), "matmul: x is (3, 4) and y is (5,); the last axis of x (4) must equal the axis of y (5)."),
        ((3,), (5, 2), "matmul: x is (3,) and y is (5, 2); the last axis of x (3) must equal the second-last of y (5)."),
        ((), (5, 2), "matmul: x is () and y is (5, 2); both need at least one axis. Use multiply for numbers."),
        (
            (2, 3, 4), (5, 4, 3),
            "matmul: x is (2, 3, 4) and y is (5, 4, 3); the axes before the last two, (2,) and (5,), must broadcast "
            "together.",
        ),
    ],
)  # fmt: skip
def test_matmul_says_which_axes_differ(x, y, message):
    for convert in (lambda a: a, tl.tensor):
        with pytest.raises(ShapeError) as caught:
            tl.matmul(convert(ones(*x)), convert(ones(*y)))
        assert str(caught.value) == message


def test_matmul_of_integers():
    product = tl.matmul(np.arange(3), np.arange(3))
    assert product == 5 and product.dtype == np.int64


def test_matmul_over_no_elements_is_zero():
    x = tl.tensor(ones(2, 0), requires_grad=True)
    out = x @ ones(0, 3)
    np.testing.assert_array_equal(out.detach().numpy(), np.zeros((2, 3)))
    out.sum().backward()
    assert x.grad.shape == (2, 0)


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_matmul_of_a_batch_with_one_matrix_is_a_single_product():
    # The gradient of the matrix sums over the batch within one product, and not over products afterwards.
    w = tl.tensor(ones(3, 4), requires_grad=True)
    out = tl.matmul(ones(5, 2, 3), w)
    made = tl.autograd.grad((out * out).sum(), w, create_graph=True).node
    assert made.op is tl.OPS["matmul"]
    assert [np.shape(x) for x in made.saved if isinstance(x, np.ndarray)] == [(3, 10), (10, 4)]


@pytest.mark.parametrize(
    ("subscripts", "shapes", "message"),
    [
        ("ij,jk", [(2, 3)], "there are 2 terms before '->' for 1 operands; write one for each."),
        ("ij,jk", [(2, 3), (4, 5)], "axis 'j' has lengths 3 and 4; they must be equal."),
        (
            "ijk",
            [(2, 3)],
            "the term 'ijk' names 3 axes of an operand with 2; name each, or write '...' for the others.",
        ),
        ("i", [(2, 3)], "the term 'i' names 1 axes of an operand with 2; name each, or write '...' for the others."),
        ("i1", [(2, 3)], "the term 'i1' may have letters and one '...' only."),
        ("ij->ik", [(2, 3)], "'k' after '->' must occur there once, and in an operand."),
        ("ij->ii", [(2, 3)], "'i' after '->' must occur there once, and in an operand."),
        ("...i,...i", [(2, 3), (4, 3)], "axis '...' has lengths 2 and 4; they must be equal."),
    ],
)
def test_einsum_says_what_is_wrong(subscripts, shapes, message):
    with pytest.raises(ShapeError) as caught:
        tl.einsum(subscripts, *(ones(*shape) for shape in shapes))
    given = ", ".join(map(str, shapes))
    assert str(caught.value) == f"einsum: got {subscripts!r} for operands of shapes {given}; {message}"


def test_einsum_contracts_the_small_products_first():
    # From the left, the chain would cost 1000 * 1000 multiplications for the first product alone.
    from tinygrad_lite.ops.products import _plan

    *_, order = _plan("ij,jk,kl", ((1000, 1), (1, 1000), (1000, 1)))
    assert order[0] == (1, 2)


def test_einsum_of_more_letters_than_einsum_of_numpy_would_sum():
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(tl.einsum("abc->cab", x), x.transpose(2, 0, 1))
    np.testing.assert_array_equal(tl.einsum(" a b c -> b ", x), x.sum((0, 2)))


def test_vecdot_conjugates_the_first_and_keeps_the_dtype():
    x, y = np.array([[1j, 2 - 1j], [3.0, 1.0]]), np.array([1 + 1j, 2j])
    np.testing.assert_allclose(tl.vecdot(x, y), np.vecdot(x, y), rtol=1e-15)
    np.testing.assert_allclose(tl.vecdot(x, y, axis=0), np.vecdot(x, y, axis=0), rtol=1e-15)
    np.testing.assert_allclose(tl.vecdot(x, y[:, None], axis=-2), np.vecdot(x, y, axis=0), rtol=1e-15)
    # Of L = Re(conj(x) . y) the derivative, dL/da + i dL/db for x = a + ib, is y.
    np.testing.assert_allclose(tl.grad(lambda z: tl.real(tl.vecdot(z, y)))(x[0]), y, rtol=1e-15)
    for dtype in ("int8", "uint8", "uint64", "float32"):
        ones = np.ones(3, dtype=dtype)
        assert tl.vecdot(ones, ones).dtype == dtype and tl.vecdot(ones, ones) == 3


def test_lengths_that_differ_are_refused():
    with pytest.raises(ShapeError) as caught:
        tl.vecdot(ones(2, 3), ones(2, 1))
    assert str(caught.value) == "vecdot: x is (2, 3) and y is (2, 1); both need the same length along axis -1."
    with pytest.raises(ShapeError) as caught:
        tl.tensordot(ones(2, 3), ones(4, 5), axes=1)
    assert (
        str(caught.value)
        == "tensordot: x is (2, 3) and y is (4, 5); axes [1] of x must have the lengths of axes [0] of y."
    )
