"""Messages of `ops/windows.py`."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import ShapeError


def message(function, *arguments, **options):
    with pytest.raises(ShapeError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_messages():
    assert message(tl.unfold, np.zeros((3, 4)), kernel_size=2) == (
        "unfold: x is (3, 4); it must be (n, c, l), (n, c, h, w) or (n, c, d, h, w)."
    )
    assert message(tl.unfold, np.zeros((1, 1, 3)), kernel_size=4) == (
        "unfold: the image is (3,), padded by ((0, 0),), and the kernel (4,) with dilation (1,); the kernel must not "
        "be empty or larger than the padded image."
    )
    assert message(tl.fold, np.zeros((1, 4, 3)), output_size=(2, 3), kernel_size=2) == (
        "fold: x is (1, 4, 3); for output_size (2, 3) and kernel_size (2, 2) it must be (n, a multiple of 4, 2)."
    )


def test_fold_counts_how_many_windows_meet_an_element():
    ones = np.ones((1, 1, 4, 4))
    options = {"kernel_size": 3, "padding": 1}
    counts = tl.fold(tl.unfold(ones, **options), output_size=4, **options)
    np.testing.assert_array_equal(counts[0, 0], np.outer([2, 3, 3, 2], [2, 3, 3, 2]))
