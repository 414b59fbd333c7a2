"""What NumPy's functions do not take from Tensors: the error names the function, and no gradient is lost silently."""

import array
import math

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import DTypeError, GradientError


@pytest.fixture
def x():
    return tl.tensor(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 7.0]]), requires_grad=True)


CALLS = {
    r"numpy.histogram2d: Tensors have no differentiable counterpart.*x.detach\(\).numpy\(\)": lambda x: np.histogram2d(
        x[0], x[1]
    ),
    r"numpy.bitwise_count: .* The nearest in tinygrad_lite is \w+\.": lambda x: np.bitwise_count(x),
    r"numpy.poly: got the argument seq_of_zeros \(other than a vector\)": lambda x: np.poly(x),
    "numpy.linalg.matrix_rank: got the argument tol": lambda x: np.linalg.matrix_rank(x, tol=0.1),
    "numpy.spacing: ": lambda x: np.spacing(x),
    "numpy.add.reduceat: .* is add": lambda x: np.add.reduceat(x, [0, 1]),
    "numpy.subtract.reduce: .* is subtract": lambda x: np.subtract.reduce(x),
    "numpy.divide.accumulate: ": lambda x: np.divide.accumulate(x),
    "numpy.sum: got out=; an array that is overwritten": lambda x: np.sum(x, out=np.zeros(())),
    "numpy.concatenate: got out=": lambda x: np.concatenate([x, x], out=np.zeros((4, 3))),
    "numpy.add: got out=": lambda x: np.add(x, 1, out=np.zeros((2, 3))),
    "numpy.add.reduce: got out=": lambda x: np.add.reduce(x, out=np.zeros(3)),
    r"numpy.max: got the argument where \(without initial\)": lambda x: np.max(x, where=x > 1),
    "numpy.sum: got dtype=int32 and a Tensor": lambda x: np.sum(x, dtype=np.int32, initial=1.0),
    "numpy.exp: got dtype=int64 and a Tensor": lambda x: np.exp(x, dtype=np.int64),
    "numpy.isposinf: got out=": lambda x: np.isposinf(x, np.zeros((2, 3), bool)),
    "numpy.cumsum: got out=": lambda x: np.cumsum(x, 0, None, np.zeros((2, 3))),
    "numpy.copyto: the array is NumPy's": lambda x: np.copyto(np.zeros((2, 3)), x),
    "numpy.gradient: got the argument edge_order=3": lambda x: np.gradient(x, edge_order=3),
    "numpy.gradient: got the argument varargs": lambda x: np.gradient(x, 1.0, 2.0, axis=0),
    "numpy.unique: got the argument ar with NaN": lambda x: np.unique(x * np.nan),
    r"numpy.polyfit: got the argument deg \(other": lambda x: np.polyfit(x[0], x[1], [0, 2]),
    "numpy.exp: got where=": lambda x: np.exp(x, where=np.ones((2, 3), bool)),
    "numpy.add.reduce: got the argument initial=1": lambda x: np.add.reduce(x, initial=1),
    "numpy.take: got the argument mode='clip'": lambda x: np.take(x, [9], mode="clip"),
    "numpy.mean: got dtype=int64 and a Tensor that requires a gradient": lambda x: np.mean(x, dtype=np.int64),
    "numpy.cumsum: got dtype=int32": lambda x: np.cumsum(x, dtype=np.int32),
    "numpy.add.accumulate: got dtype=int32": lambda x: np.add.accumulate(x, dtype=np.int32),
    "numpy.pad: got the argument mode='mean'": lambda x: np.pad(x, 1, mode="mean"),
    "numpy.reshape: got the argument order='X'": lambda x: np.reshape(x, -1, order="X"),
    "numpy.concatenate: got the argument casting='unsafe'": lambda x: np.concatenate([x], casting="unsafe"),
    "numpy.add.at: the array is NumPy's": lambda x: np.add.at(np.zeros(2), 0, x[0, 0]),
    "numpy.convolve: got the argument mode='outer'": lambda x: np.convolve(x[0], x[1], "outer"),
    "numpy.percentile: got the argument weights": lambda x: np.percentile(x, 5, weights=x, method="inverted_cdf"),
    "numpy.multiply.at: ": lambda x: np.multiply.at(x, 0, 1.0),
}


@pytest.mark.parametrize("message", CALLS)
def test_refused(x, message):
    with pytest.raises(DTypeError, match=message):
        CALLS[message](x)


def test_functions_that_numpy_does_not_dispatch(x):
    calls = (np.vectorize(abs), np.asarray, lambda x: np.array([x, x]), lambda x: np.array([x[0, 0], 1.0]))
    for call in (*calls, lambda x: np.sum([x, x])):
        with pytest.raises(GradientError, match=r"use .detach\(\).numpy\(\)\. .* a list of them, use np.stack"):
            call(x)


def test_storing_in_an_array_of_numpy(x):
    """NumPy asks for a number there. For arrays of floats it hides our error behind its own, as its cause."""
    t = x[0, 0]
    for target in (np.zeros(3), np.zeros(3, "int64"), np.zeros(3, "complex128"), array.array("d", [0.0])):
        with pytest.raises((GradientError, ValueError)) as caught:
            target[0] = t
        errors = (caught.value, caught.value.__cause__)
        assert any("array[i] = t: t requires a gradient" in str(error) for error in errors)
        assert target[0] == 0
        target[0] = t.item()
        assert target[0] == 1
    for index in (slice(2), ..., [0, 1]):
        with pytest.raises(GradientError, match="requires a gradient"):
            np.zeros(3)[index] = t
    target = np.zeros(1)
    target[0] = t.detach()
    assert target[0] == 1
    held: list = [None]
    held[0] = t
    assert held[0] is t


def test_what_asks_for_a_number_gets_one(x):
    """Calls cannot be told apart from float(t), which everybody writes of a loss."""
    t = x[0, 1]
    assert (float(t), int(t), complex(t), f"{t:.1f}", math.sqrt(t)) == (2.0, 2, 2.0, "2.0", math.sqrt(2))
    target = np.zeros(1)
    target.fill(t)
    assert target[0] == 2


def test_a_static_argument_has_no_derivative(x):
    with pytest.raises(GradientError, match="numpy.full_like: fill_value requires a gradient"):
        np.full_like(x, x[0, 0])
    assert np.full_like(x, tl.tensor(2.0)).tolist() == [[2.0] * 3] * 2


def test_writing_into_an_array(x):
    array = np.ones((2, 3))
    with pytest.raises(DTypeError, match="numpy.add: got out="):
        array += x
    assert array.sum() == 6


def test_a_loss_is_not_mistaken_for_a_function_of_scipy(x):
    special = pytest.importorskip("scipy.special")
    with pytest.raises(DTypeError, match="scipy.special.kl_div: Tensors have no"):
        special.kl_div(x, x)
    np.testing.assert_allclose(special.erf(x).detach().numpy(), special.erf(x.detach().numpy()), rtol=1e-14)


def test_values_without_a_gradient_leave(x):
    assert np.array([x.detach(), x.detach()]).shape == (2, 2, 3)
    assert np.asarray(x.detach()).sum() == 22


def test_add_at():
    x = tl.tensor(np.zeros(3))
    v = tl.tensor(np.array([1.0, 2.0, 4.0]), requires_grad=True)
    np.add.at(x, [0, 0, 2], v)
    np.testing.assert_array_equal(x.detach().numpy(), [3.0, 0.0, 4.0])
    (x * np.array([1.0, 10.0, 100.0])).sum().backward()
    np.testing.assert_array_equal(v.grad.numpy(), [1.0, 1.0, 100.0])
    y = tl.tensor(np.ones(2))
    np.subtract.at(y, 1, 3.0)
    assert y.tolist() == [1.0, -2.0]
    with pytest.raises(GradientError, match="leaf"):
        np.add.at(v, 0, 1.0)


def test_put_along_axis():
    x = tl.tensor(np.zeros((2, 3)))
    v = tl.tensor(np.array([[5.0], [6.0]]), requires_grad=True)
    assert np.put_along_axis(x, np.array([[1], [0]]), v, axis=1) is None
    assert x.tolist() == [[0.0, 5.0, 0.0], [6.0, 0.0, 0.0]]
    (3 * x).sum().backward()
    assert v.grad.tolist() == [[3.0], [3.0]]
    with pytest.raises(DTypeError, match="numpy.put_along_axis: got the argument values"):
        np.put_along_axis(np.zeros((2, 3)), np.array([[1], [0]]), v, axis=1)


def test_repr_and_str(x):
    assert np.array_repr(x) == repr(x)
    assert np.array_str(x) == str(x)


def test_operations_declared_by_users_are_found():
    t = tl.tensor([1.0])
    with pytest.raises(DTypeError, match="numpy.spacing"):
        np.spacing(t)

    @tl.composite()
    def spacing(x):
        return x * 2

    try:
        assert np.spacing(t).tolist() == [2.0]
    finally:
        del tl.OPS["spacing"]
