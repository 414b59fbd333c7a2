"""The strategies draw what they promise, edge cases included."""

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from tinygrad_lite import Interval, Tensor
from tinygrad_lite.testing import strategies
from tinygrad_lite.testing.strategies import LAYOUTS, laid_out
from tinygrad_lite.testing.values import separated_arrays


@given(st.data())
def test_arrays_lie_in_the_domain_away_from_kinks_and_from_each_other(data):
    array = data.draw(strategies.arrays(domain=Interval(0, np.inf), kinks=(1.0, 6.0)))
    assert array.dtype == "float64" and (array > 0.1).all() and (array < 9.0).all()
    for kink in (1.0, 6.0):
        assert (np.abs(array - kink) > 0.1).all()
    ordered = np.sort(array.ravel())
    assert (np.diff(ordered) > 0.01).all()


@pytest.mark.parametrize(
    ("domain", "kinks"),
    [
        (Interval(), ()),
        (Interval(-1, 1), (0.0,)),
        (Interval(-np.inf, 2), (-5.0,)),
        (Interval(0, 1e-3), ()),
        (Interval(), (0.0, 0.1, 7.0)),
        (Interval(-1, np.inf), (-1.0, 2.0)),
    ],
)
def test_separated_values(domain, kinks):
    arrays = separated_arrays([(3, 4), (), (0,), (5,)], np.random.default_rng(0), domain=domain, kinks=kinks)
    assert [a.shape for a in arrays] == [(3, 4), (), (0,), (5,)]
    values = np.sort(np.concatenate([a.ravel() for a in arrays]))
    span = values[-1] - values[0]
    assert all(domain.low < value < domain.high for value in values)
    assert np.diff(values).min() > span / 100
    assert all(np.abs(values - kink).min() > 0.02 for kink in kinks)


@given(strategies.broadcastable_shapes(3, min_side=0))
def test_shapes_broadcast(found):
    np.broadcast_shapes(*found)


@given(st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), strategies.axes(n))))
def test_axes_are_what_reductions_take(drawn):
    ndim, axis = drawn
    np.sum(np.ones((2,) * ndim), axis=axis)


@pytest.mark.parametrize(
    "case",
    [
        lambda s: s == (),
        lambda s: 0 in s,
        lambda s: len(s) == 3,
        lambda s: s == (4, 1, 2),
    ],
)
def test_edge_shapes_occur(case):
    find(strategies.shapes(min_side=0), case, settings=settings(max_examples=5000))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 1), (2, 0, 2)])
def test_layouts_have_equal_values(layout, shape):
    array = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape)
    moved = laid_out(array, layout)
    assert isinstance(moved, np.ndarray) and not np.shares_memory(moved, array) and moved.dtype == array.dtype
    np.testing.assert_array_equal(moved, array)


def test_layouts_are_what_they_say():
    array = np.ones((2, 3))
    assert laid_out(array, "contiguous").flags.c_contiguous and laid_out(array, "transposed").flags.f_contiguous
    assert laid_out(array, "strided").strides == (96, 16) and min(laid_out(array, "reversed").strides) == -24
    with pytest.raises(ValueError, match="laid_out: layout is 'upside'; it must be one of contiguous, strided"):
        laid_out(array, "upside")


@given(st.data())
def test_layout_option_dtype_and_tensors(data):
    array = data.draw(strategies.arrays((2, 3), layouts=("reversed",), dtype="float32"))
    assert array.dtype == "float32" and min(array.strides) < 0
    tensor = data.draw(strategies.tensors((2,)))
    assert isinstance(tensor, Tensor) and tensor.requires_grad and tensor.shape == (2,)


@given(st.data())
def test_broadcastable_arrays_and_integers(data):
    x, y = data.draw(strategies.broadcastable_arrays(2))
    assert np.abs(x - y).min() > 0.01
    found = data.draw(strategies.integer_arrays((3,), 2, 6, unique=True))
    assert found.dtype == "int64" and len(set(found.tolist())) == 3 and found.min() >= 2 and found.max() <= 5
