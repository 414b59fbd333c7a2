"""Messages of `ops/linear_maps.py`."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError


def message(function, *arguments, **options):
    with pytest.raises(ShapeError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_messages():
    assert message(tl.linear, np.ones((2, 3)), np.ones((4, 2))) == (
        "linear: x is (2, 3) and weight is (4, 2); they must be (..., n_in) and (n_out, n_in)."
    )
    assert message(tl.linear, np.ones((2, 3)), np.ones((4, 3)), np.ones(3)) == (
        "linear: bias is (3,) and weight is (4, 3); bias must be (4,)."
    )
    assert message(tl.linear, np.ones((2, 3)), np.ones((4, 3)), 1.0).endswith(
        "bias is () and weight is (4, 3); bias must be (4,)."
    )
    for x, weight in (
        (np.array(1.0), np.ones((1, 1))),
        (np.ones((2, 3)), np.ones((1, 4, 3))),
        (np.ones(1), np.array(1.0)),
    ):
        assert message(tl.linear, x, weight).endswith("they must be (..., n_in) and (n_out, n_in).")
    assert message(tl.bilinear, np.ones((2, 3)), np.ones((1, 4)), np.ones((5, 3, 4))) == (
        "bilinear: x is (2, 3), y is (1, 4) and weight is (5, 3, 4); they must be (..., n), (..., m) and (n_out, n, m)."
    )
    assert message(tl.bilinear, np.ones(3), np.ones(4), np.ones((5, 3, 4)), np.ones(1)) == (
        "bilinear: bias is (1,) and weight is (5, 3, 4); bias must be (5,)."
    )


def test_linear_takes_its_bias_by_name_and_leaves_its_arguments_alone():
    x, weight, bias = np.ones((2, 3)), np.full((4, 3), 2.0), np.arange(4.0)
    np.testing.assert_array_equal(tl.linear(x, weight, bias=bias), [[6.0, 7.0, 8.0, 9.0]] * 2)
    np.testing.assert_array_equal(bias, np.arange(4.0))
    mixed = tl.linear(x.astype("float32"), weight.astype("float32"), bias=bias)
    assert mixed.dtype == np.float64


def test_linear_is_one_node_in_the_graph():
    weight, bias = (tl.tensor(np.ones(shape), requires_grad=True) for shape in ((4, 3), (4,)))
    out = tl.linear(np.ones((2, 3)), weight, bias)
    assert out.node.parents == (None, weight.node, bias.node)
