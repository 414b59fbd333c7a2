"""Steps of recurrent layers: what does not fit."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.core.errors import ShapeError


def zeros(*shapes):
    return [np.zeros(shape) for shape in shapes]


@pytest.mark.parametrize(
    ("name", "shapes", "message"),
    [
        ("rnn_scan", [(3, 2), (2, 3), (2, 2)], r"weight is \(2, 3\) .* must be \(rows, k\), \(k, k\) and \(n, k\)"),
        ("lstm_scan", [(3, 7), (8, 2), (2, 2), (2, 2)], r"x is \(3, 7\).* must be \(rows, 4 k\), \(4 k, k\) and"),
        ("lstm_scan", [(3, 8), (8, 2), (2, 2), (2, 3)], r"the states are \(2, 2\), \(2, 3\)"),
        ("gru_scan", [(3, 6), (6, 2), (2,)], r"the states are \(2,\)"),
        ("gru_scan", [(3, 6), (), (2, 2)], r"weight is \(\)"),
    ],
)
def test_shapes_that_do_not_fit(name, shapes, message):
    with pytest.raises(ShapeError, match=f"{name}: .*{message}"):
        getattr(tl, name)(*zeros(*shapes), batch_sizes=(2, 1))


@pytest.mark.parametrize("sizes", [(), (1, 2), (2, 2), (2, 0, 1), (1, 1, 1), (3,)])
def test_batch_sizes_that_do_not_fit(sizes):
    with pytest.raises(ShapeError, match=r"batch_sizes is \(.* never grow, begin with 2 and have the sum 3"):
        tl.rnn_scan(*zeros((3, 2), (2, 2), (2, 2)), batch_sizes=sizes)


def test_an_unknown_nonlinearity():
    with pytest.raises(ShapeError, match=r"rnn_scan: nonlinearity is 'gelu'; it must be 'tanh' or 'relu'"):
        tl.rnn_scan(*zeros((3, 2), (2, 2), (2, 2)), batch_sizes=(2, 1), nonlinearity="gelu")
