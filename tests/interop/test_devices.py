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
