"""Operations with several outputs: named, recorded once, pulled once, differentiable again."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_lite import OPS, Tensor, autograd, grad, jvp, primitive, tensor
from tinygrad_lite.ops import take_along_axis
from tinygrad_lite.testing import check_gradients

pulls = []


def _rule(g, out):
    pulls.append(1)
    return g[0] * out.cosine - g[1] * out.sine if hasattr(out, "cosine") else g[0] * out[1] - g[1] * out[0]


@pytest.fixture
def sine_and_cosine():
    @primitive(outputs=("sine", "cosine"), x=_rule)
    def sine_and_cosine(xp, x):
        """Both."""
        return xp.sin(x), xp.cos(x)

    pulls.clear()
    yield sine_and_cosine
    del OPS["sine_and_cosine"]


@pytest.fixture
def largest():
    @primitive(outputs=("value", "index"), shapes="any", x=lambda g, x_shape, out: _put(g, x_shape, out))
    def largest(xp, x):
        """The largest of each row, and where it is."""
        index = xp.expand_dims(xp.argmax(x, axis=-1), axis=-1)
        return xp.take_along_axis(x, index, axis=-1), index

    yield largest
    del OPS["largest"]


def _put(g, shape, out):
    columns = np.arange(shape[-1])
    return (columns == (out[1].data if isinstance(out[1], Tensor) else out[1])) * g[0]


X = np.array([0.3, 1.2])


def test_the_result_is_a_named_tuple_of_arrays_or_tensors(sine_and_cosine):
    plain, recorded = sine_and_cosine(X), sine_and_cosine(tensor(X, requires_grad=True))
    np.testing.assert_array_equal(plain.cosine, np.cos(X))
    assert type(plain.sine) is np.ndarray and isinstance(recorded.sine, Tensor) and recorded.cosine.requires_grad
    assert not sine_and_cosine(tensor(X)).sine.requires_grad


def test_one_pull_for_all_outputs(sine_and_cosine):
    x = tensor(X, requires_grad=True)
    sine, cosine = sine_and_cosine(x)
    (sine * cosine + sine).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(2 * X) + np.cos(X))
    assert len(pulls) == 1


def test_outputs_without_a_cotangent_count_as_zero(sine_and_cosine):
    assert grad(lambda x: sine_and_cosine(x).sine)(0.3) == pytest.approx(np.cos(0.3))
    assert grad(lambda x: sine_and_cosine(x).cosine)(0.3) == pytest.approx(-np.sin(0.3))


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_any_order_and_both_modes(sine_and_cosine):
    assert grad(grad(grad(lambda x: sine_and_cosine(x)[0])))(0.3) == pytest.approx(-np.cos(0.3))
    assert jvp(lambda x: sine_and_cosine(x)[1], (0.3,), (2.0,))[1] == pytest.approx(-2 * np.sin(0.3))
    check_gradients(lambda x: sine_and_cosine(x), X, order=3)


@pytest.mark.numpy_only("its functions or kernels are NumPy's")
def test_integer_outputs_are_constants(largest):
    x = tensor([[1.0, 5.0, 2.0]], dtype="float64", requires_grad=True)
    value, index = largest(x)
    assert value.requires_grad and not index.requires_grad and index.data.dtype.kind == "i"
    first = autograd.grad((value * value).sum(), x, create_graph=True)
    second = autograd.grad(first.sum(), x)
    np.testing.assert_array_equal(first.detach().numpy(), [[0.0, 10.0, 0.0]])
    np.testing.assert_array_equal(second.numpy(), [[0.0, 2.0, 0.0]])
    assert take_along_axis(x, index).shape == (1, 1)


def test_hooks_and_freed_graphs(sine_and_cosine):
    x = tensor(X, requires_grad=True)
    sine, cosine = sine_and_cosine(x)
    sine.register_hook(lambda g: g * 10.0)
    sine.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 10 * np.cos(X))
    with pytest.raises(RuntimeError, match=r"sine_and_cosine: .*freed.*sine, cosine = sine_and_cosine\(x\)"):
        cosine.sum().backward()
