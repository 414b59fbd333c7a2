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
    assert message(tl.bilinear, np.ones((2, 3)), np.ones((1, 4)), np.ones((5, 3, 4))) == (
        "bilinear: x is (2, 3), y is (1, 4) and weight is (5, 3, 4); they must be (..., n), (..., m) and (n_out, n, m)."
    )
    assert message(tl.bilinear, np.ones(3), np.ones(4), np.ones((5, 3, 4)), np.ones(1)) == (
        "bilinear: bias is (1,) and weight is (5, 3, 4); bias must be (5,)."
    )
