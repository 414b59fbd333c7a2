"""Layouts of matrix products: what BLAS is told describes the product, and copies are asked for only where needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite.cuda.layouts import ProductLayout, product_layout


@st.composite
def operands(draw):
    """Two arrays whose product there is, with any strides that slicing, transposing and broadcasting give."""
    m, k, n = (draw(st.integers(1, 4)) for _ in range(3))
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    x, y = (draw(strided((*axes(draw, batch), *matrix))) for matrix in ((m, k), (k, n)))
    if draw(st.booleans()) and x.ndim == 2:
        x = x[0]
    if draw(st.booleans()) and y.ndim == 2:
        y = y[:, 0]
    return x, y


def axes(draw, batch):
    kept = batch[draw(st.integers(0, len(batch))) :]
    return tuple(draw(st.sampled_from((1, n))) for n in kept)


@st.composite
def strided(draw, shape):
    """An array of this shape, a view of one with gaps, other orders of axes, negative strides or stride 0."""
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from((1, 1, 1, 2, -1))) for _ in shape]
    stored = [shape[axis] * abs(steps[axis]) + draw(st.sampled_from((0, 0, 1))) for axis in order]
    x = np.arange(1.0, 1 + np.prod(stored)).reshape(stored).transpose(np.argsort(order))
    x = x[tuple(slice(None, None, step) for step in steps)][tuple(slice(0, n) for n in shape)]
    if draw(st.integers(0, 4)) == 0:
        axis = draw(st.integers(0, len(shape) - 1))
        x = np.broadcast_to(x[(slice(None),) * axis + (slice(0, 1),)], shape)
    return x


def layout_of(x, y):
    return product_layout(x.shape, tuple(s // 8 for s in x.strides), y.shape, tuple(s // 8 for s in y.strides))


def by_columns(x, operand, batch):
    """The matrices that BLAS would read from the memory of x."""
    shape = batch, operand.rows, operand.columns
    strides = [8 * step for step in (operand.stride, 1, operand.leading)]
    read = np.lib.stride_tricks.as_strided(x, shape, strides)
    return read.swapaxes(1, 2) if operand.transposed else read


@settings(max_examples=300)
@given(operands())
def test_a_layout_describes_the_product(pair):
    x, y = pair
    found = layout_of(x, y)
    if not isinstance(found, ProductLayout):
        x, y = (
            a if shape is None else np.ascontiguousarray(np.broadcast_to(a, shape))
            for a, shape in zip(pair, found, strict=True)
        )
        found = layout_of(x, y)
    assert isinstance(found, ProductLayout)
    for operand in (found.a, found.b):
        assert operand.leading >= operand.rows and operand.stride >= 0
    product = by_columns(y, found.a, found.batch) @ by_columns(x, found.b, found.batch)
    assert product.shape == (found.batch, found.rows, found.columns)
    expected = np.matmul(*pair)
    assert found.shape == expected.shape
    # Stored by columns, one matrix after another, it is the row-major result.
    np.testing.assert_array_equal(product.swapaxes(1, 2).reshape(found.shape), expected)


def test_transposed_views_are_not_copied():
    x, y = np.ones((5, 3)).T, np.ones((4, 5)).T
    found = layout_of(x, y)
    assert found.a.transposed and found.b.transposed and (found.a.leading, found.b.leading) == (5, 3)


def test_matrices_with_gaps_between_rows_are_not_copied():
    found = layout_of(np.ones((4, 10))[:, :3], np.ones((3, 20))[:, 5:9])
    assert (found.a.leading, found.b.leading) == (20, 10) and not found.a.transposed


def test_a_batch_and_one_matrix_are_one_product():
    found = layout_of(np.ones((6, 5, 3)), np.ones((3, 4)))
    assert (found.batch, found.columns, found.b.leading) == (1, 30, 3)
    found = layout_of(np.ones((2, 6, 5, 9))[..., :3], np.ones((1, 1, 3, 4)))
    assert (found.batch, found.columns, found.b.leading) == (1, 60, 9)


def test_batches_have_one_stride_which_is_0_where_they_broadcast():
    found = layout_of(np.ones((2, 6, 5, 3)), np.ones((2, 6, 3, 4)))
    assert (found.batch, found.a.stride, found.b.stride) == (12, 12, 15)
    found = layout_of(np.ones((5, 3)), np.ones((6, 3, 4)))
    assert (found.batch, found.a.stride, found.b.stride) == (6, 12, 0)
    transposed = np.ones((6, 3, 5)).swapaxes(1, 2)
    found = layout_of(transposed, np.ones((3, 4)))
    assert (found.batch, found.a.stride, found.b.stride, found.b.transposed) == (6, 0, 15, True)
    found = layout_of(np.broadcast_to(np.ones(3), (6, 1, 3)), np.ones((3, 4)))
    assert (found.batch, found.a.stride, found.b.stride) == (6, 0, 0)


def test_copies():
    heads = np.ones((2, 5, 6, 3)).transpose(0, 2, 1, 3)
    assert layout_of(heads, np.ones((2, 6, 3, 4))) == (heads.shape, None)
    small, large = np.ones((2, 8))[:, ::2], np.ones((4, 20))[:, ::2]
    assert layout_of(small, np.ones((4, 5))) == ((2, 4), None)
    assert layout_of(small, large) == ((2, 4), (4, 10))
    assert layout_of(np.ones((2, 1, 5, 3)), np.ones((1, 6, 3, 4))) == ((2, 6, 5, 3), (2, 6, 3, 4))


def test_batches_that_do_not_broadcast():
    with pytest.raises(tl.BackendError, match=r"\(2,\) and \(3,\), do not broadcast"):
        layout_of(np.ones((2, 5, 3)), np.ones((3, 3, 4)))
