"""Multilayer perceptrons: edges, messages, and gradients as those of the operations one by one."""

import itertools

import numpy as np
import pytest

import tinygrad_lite as tl


def parameters(widths, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [shape for n, m in itertools.pairwise(widths) for shape in ((m, n), (m,))]
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh"])
def test_gradients_are_those_of_the_operations_one_by_one(activation):
    arrays = [np.linspace(-1, 1, 12).reshape(2, 2, 3), *parameters((3, 5, 4, 2))]
    functions = {"relu": tl.relu, "gelu": tl.gelu, "gelu_tanh": lambda x: tl.gelu(x, approximate="tanh")}

    def one_by_one(x, *layers):
        for i in range(0, len(layers), 2):
            x = tl.linear(functions[activation](x) if i else x, *layers[i : i + 2])
        return x

    results = []
    for function in (one_by_one, lambda *arrays: tl.mlp(*arrays, activation=activation)):
        tensors = [tl.tensor(a, requires_grad=True) for a in arrays]
        out = function(*tensors)
        tl.sum(tl.sin(out)).backward()
        results.append([out.detach(), *(t.grad for t in tensors)])
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-12)


def test_one_layer_is_linear():
    x, (w, b) = np.ones((2, 3)), parameters((3, 4))
    np.testing.assert_array_equal(tl.mlp(x, w, b), tl.linear(x, w, b))
    np.testing.assert_array_equal(tl.mlp(x, w, None), tl.linear(x, w))


@pytest.mark.parametrize(
    ("count", "statics", "message"),
    [
        (2, {}, r"^mlp: got 2 arrays; x is required, and then for each layer a weight and a bias, or None\.$"),
        (1, {}, "^mlp: got 1 arrays; "),
        (3, {"activation": "tanh"}, "^mlp: activation is 'tanh'; it must be one of 'relu', 'gelu', 'gelu_tanh'\\.$"),
    ],
)
def test_wrong_calls(count, statics, message):
    arrays = [np.ones((2, 3)), *parameters((3, 4))]
    with pytest.raises(tl.ShapeError, match=message):
        tl.mlp(*arrays[:count], **statics)


def test_shapes_that_do_not_fit_are_explained_by_the_layer():
    x, (w, b) = np.ones((2, 5)), parameters((3, 4))
    with pytest.raises(tl.ShapeError, match=r"^linear: x is \(2, 5\) and weight is \(4, 3\)"):
        tl.mlp(x, w, b)
