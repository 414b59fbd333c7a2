"""NumPy's functions on Tensors of a GPU, on the stand-in for CuPy: the results stay there."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.backends.fake_cupy import installed

CALLS = {
    "sin": lambda x: np.sin(x),
    "sum": lambda x: np.sum(x, axis=0),
    "concatenate": lambda x: np.concatenate([x, x], axis=1),
    "pad": lambda x: np.pad(x, 1, mode="reflect"),
    "delete": lambda x: np.delete(x, [1], axis=0),
    "compress": lambda x: np.compress([True, False, True], x, axis=0),
    "nonzero": lambda x: np.nonzero(x > 2)[0],
    "argwhere": lambda x: np.argwhere(x > 2),
    "digitize": lambda x: np.digitize(x, [1.5, 2.5]),
    "linspace": lambda x: np.linspace(x, 2 * x, 4),
    "convolve": lambda x: np.convolve(x[0], x[1]),
    "interp": lambda x: np.interp(x / 4, x[0], x[1]),
    "vander": lambda x: np.vander(x[0]),
    "where": lambda x: np.where(x > 2, x, 0.0),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "solve": lambda x: np.linalg.solve(np.matmul(x, np.transpose(x)) + np.diag(x[0]), x),
    "apply_along_axis": lambda x: np.apply_along_axis(np.sort, 0, x),
    "choose": lambda x: np.choose([[0, 1, 0]], [x, 2 * x]),
    "correlate": lambda x: np.correlate(x[0], x[1], "same"),
    "geomspace": lambda x: np.geomspace(x, 2 * x, 3),
    "gradient": lambda x: np.gradient(x, [0.0, 1.0, 3.0], axis=1, edge_order=2),
    "histogram": lambda x: np.histogram(x, 3)[0],
    "insert": lambda x: np.insert(x, 1, x[0], axis=1),
    "mean": lambda x: np.mean(x, where=np.arange(3) > 0),
    "nanargmax": lambda x: np.nanargmax(x, axis=0),
    "nanmedian": lambda x: np.nanmedian(x, axis=0),
    "piecewise": lambda x: np.piecewise(x, [x > 2], [np.sqrt, 0.0]),
    "polyfit": lambda x: np.polyfit(x[0], x[1], 1),
    "polyint": lambda x: np.polyint(x[0]),
    "trim_zeros": lambda x: np.trim_zeros(np.where(x[0] > 1, x[0], 0.0)),
    "union1d": lambda x: np.union1d(x[0], x[1]),
    "unwrap": lambda x: np.unwrap(x * 3),
    "accumulate": lambda x: np.minimum.accumulate(x),
}


@pytest.mark.parametrize("name", CALLS)
def test_results_stay_on_the_device(name):
    a = np.arange(1.0, 10.0).reshape(3, 3)
    a[0, 0] = 0.5
    with installed():
        out = CALLS[name](tl.tensor(a, device="cuda"))
        assert out.device == "cuda:0"
        np.testing.assert_allclose(out.numpy(), CALLS[name](a), rtol=1e-12)


def test_writing_on_the_device():
    with installed():
        x = tl.tensor(np.zeros((3, 3)), device="cuda")
        np.fill_diagonal(x, tl.tensor([1.0, 2.0, 3.0], device="cuda"))
        np.put(x, [1, 5], 7.0)
        np.putmask(x, x > 6, 8.0)
        np.copyto(x, 9.0, where=x == 3)
        assert x.device == "cuda:0"
        assert x.tolist() == [[1.0, 8.0, 0.0], [0.0, 2.0, 8.0], [0.0, 0.0, 9.0]]
