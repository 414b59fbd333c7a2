"""NumPy with Tensors in its arrays: programs of which only the import line is another."""

import numpy
import pytest

import tinygrad_lite as tl
import tinygrad_lite.numpy as np
from tinygrad_lite import DTypeError
from tinygrad_lite.testing import check_gradients


def test_everything_else_is_numpys():
    assert np.sin is numpy.sin and np.linalg is numpy.linalg and np.pi == numpy.pi
    assert "concatenate" in dir(np)
    with pytest.raises(AttributeError, match="nonsense"):
        np.nonsense


def test_arrays_without_tensors_are_numpys():
    for made in (np.array([1, 2]), np.asarray([[1.0]]), np.array(3.0, dtype="float32", ndmin=1)):
        assert type(made) is numpy.ndarray


def test_tensors_are_joined_at_any_depth():
    x = tl.tensor(numpy.array([1.0, 2.0]), requires_grad=True)
    made = np.array([[x, 2 * x], [[5.0, 6.0], numpy.zeros(2)]])
    assert made.tolist() == [[[1.0, 2.0], [2.0, 4.0]], [[5.0, 6.0], [0.0, 0.0]]]
    made.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert np.array([x[0], 1], dtype="float32").dtype == numpy.float32
    assert np.array(x) is not x and np.asarray(x) is x
    with pytest.raises(DTypeError, match="numpy.array: got dtype=int64 and a Tensor that requires a gradient"):
        np.array([x[0]], dtype=int)


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def arm(angles):
    """The positions of the joints of an arm."""
    turned, joints = np.eye(2), [np.zeros(2)]
    for angle in angles:
        turned = turned @ rotation(angle)
        joints.append(joints[-1] + turned @ np.array([1.0, 0.0]))
    return np.array(joints[1:])


def lotka_volterra(rates):
    """Hares and lynxes by the Runge-Kutta method of second order."""

    def change(state):
        hares, lynxes = state
        return np.array([rates[0] * hares - rates[1] * hares * lynxes, rates[2] * hares * lynxes - rates[3] * lynxes])

    state, path = np.array([1.0, 0.5]), []
    for _ in range(5):
        state = state + 0.1 * change(state + 0.05 * change(state))
        path.append(state)
    return np.array(path)


@pytest.mark.parametrize(("program", "start"), [(arm, [0.3, -0.4, 0.9]), (lotka_volterra, [1.1, 0.4, 0.1, 0.4])])
def test_programs(program, start):
    start = numpy.array(start)
    out = program(tl.tensor(start, requires_grad=True))
    assert out.requires_grad
    numpy.testing.assert_allclose(out.detach().numpy(), program(start), rtol=1e-14)
    check_gradients(program, start)
