"""The carried digits."""

import hashlib
from importlib.resources import files

import numpy as np
import pytest

from tinygrad_lite import data


def test_digits_are_what_the_docstring_says():
    images, labels = data.digits()
    assert images.shape == (1797, 8, 8) and images.dtype == np.float32
    assert labels.shape == (1797,) and labels.dtype == np.int64
    assert images.min() == 0 and images.max() == 1
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_unchanged():
    images, labels = data.digits()
    raw = (images * 16).astype(np.uint8).tobytes() + labels.astype(np.uint8).tobytes()
    assert hashlib.sha256(raw).hexdigest() == "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def test_digits_equal_scikit_learns():
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = datasets.load_digits()
    images, labels = data.digits()
    assert np.array_equal(images * 16, theirs.images)
    assert np.array_equal(labels, theirs.target)


def test_digits_come_with_their_attribution():
    text = files("tinygrad_lite.data").joinpath("files/digits.txt").read_text()
    assert "Alpaydin" in text and "CC BY 4.0" in text and "10.24432/C50P49" in text


def test_each_call_returns_new_arrays():
    data.digits()[0][:] = 7
    assert data.digits()[0].max() == 1
