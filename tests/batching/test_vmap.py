"""`vmap`: nesting, derivatives through it and inside it, what it refuses, and where it loops."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn
from tinygrad_lite.batching import batched_class
from tinygrad_lite.core.backend import BACKENDS
from tinygrad_lite.core.errors import LoopWarning

X = np.arange(6.0).reshape(3, 2)


@pytest.fixture(autouse=True)
def no_loops():
    """Nothing loops, except where a test expects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", LoopWarning)
        yield


def test_axes_of_arguments_and_results():
    scaled = tl.vmap(lambda x, y: x * y, in_axes=(1, None), out_axes=1)
    np.testing.assert_array_equal(scaled(X, np.array([1.0, 2.0, 3.0])), X * np.array([[1.0], [2.0], [3.0]]))
    both = tl.vmap(lambda x: (x, x.sum()), out_axes=(-1, 0))(X)
    np.testing.assert_array_equal(both[0], X.T)
    np.testing.assert_array_equal(both[1], X.sum(1))
    np.testing.assert_array_equal(tl.vmap(lambda x: x + 1, in_axes=-1)(X), X.T + 1)


def test_structures_of_arrays_and_keywords():
    out = tl.vmap(lambda tree, *, shift: {"a": tree["x"] + shift, "b": [tree["y"]]})({"x": X, "y": X[:, 0]}, shift=1.0)
    np.testing.assert_array_equal(out["a"], X + 1)
    np.testing.assert_array_equal(out["b"][0], X[:, 0])


def test_arrays_give_arrays_and_tensors_tensors():
    assert isinstance(tl.vmap(tl.exp)(X), np.ndarray)
    assert isinstance(tl.vmap(tl.exp)(tl.Tensor(X)), tl.Tensor)
    assert tl.vmap(tl.exp)(X.astype("float32")).dtype == np.float32


@pytest.mark.numpy_only("a text that names no device")
def test_inside_there_is_no_axis_of_examples():
    seen = []

    def f(x):
        seen.append((x.shape, x.ndim, x.size, x.dtype, x.device, len(x), repr(x)))
        return x

    tl.vmap(f)(X)
    shown = "Tensor(<one of 3 arrays, (2,) float64>, dtype=float64)"
    assert seen == [((2,), 1, 2, np.dtype("float64"), "cpu", 2, shown)]


def test_one_in_another():
    gram = tl.vmap(lambda a: tl.vmap(lambda b: a @ b)(X))(X)
    np.testing.assert_array_equal(gram, X @ X.T)
    cubes = tl.vmap(lambda a: tl.vmap(lambda b: tl.vmap(lambda c: a * b + c)(X[:, 0]))(X[:, 0]))(X[:, 0])
    v = X[:, 0]
    np.testing.assert_array_equal(cubes, v[:, None, None] * v[None, :, None] + v[None, None, :])


def test_what_all_examples_share_receives_the_sum_of_their_gradients():
    w = tl.Tensor(np.array([2.0, 3.0]), requires_grad=True)
    tl.vmap(lambda x: (tl.sin(w) * x).sum())(X).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), np.cos([2.0, 3.0]) * X.sum(0))


def test_what_is_made_inside_has_gradients_for_each_example():
    inside = tl.vmap(lambda x: tl.grad(lambda w: (w * w * x).sum())(np.array([1.0, 2.0])))(X)
    np.testing.assert_allclose(inside, 2 * np.array([1.0, 2.0]) * X)


def test_derivatives_of_it_and_in_it_to_second_order():
    f = lambda x: (tl.sin(x) * x[0]).sum()
    np.testing.assert_allclose(tl.vmap(tl.grad(f))(X), np.stack([tl.grad(f)(x) for x in X]))
    np.testing.assert_allclose(tl.vmap(tl.hessian(f))(X), np.stack([tl.hessian(f)(x) for x in X]))
    whole = lambda x: (tl.vmap(f)(x) ** 2).sum()
    looped = lambda x: sum(f(x[i]) ** 2 for i in range(3))
    np.testing.assert_allclose(tl.grad(whole)(X), tl.grad(looped)(X))
    np.testing.assert_allclose(tl.hessian(whole)(X), tl.hessian(looped)(X), atol=1e-12)
    np.testing.assert_allclose(tl.jvp(whole, (X,), (X,))[1], tl.jvp(looped, (X,), (X,))[1])


def test_a_shared_argument_in_second_derivatives():
    f = lambda w: tl.vmap(lambda x: tl.sin(w * x).sum())(X).sum()
    np.testing.assert_allclose(tl.hessian(f)(np.ones(2)), np.diag(-(X**2 * np.sin(X)).sum(0)), atol=1e-12)


def test_per_example_gradients_of_a_model():
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3))
    target = np.array([0, 2, 1])

    def loss(x, y):
        return tl.cross_entropy(tl.expand_dims(model(x), axis=0), tl.expand_dims(y, axis=0))

    x = X.astype("float32")
    each = tl.vmap(loss)(x, target)
    np.testing.assert_allclose(each.detach(), [loss(x[i], target[i : i + 1][0]).item() for i in range(3)], rtol=1e-5)
    weight = model[0].weight
    tl.vmap(loss)(x, target).sum().backward()
    summed = weight.grad.numpy().copy()
    weight.grad = None
    for i in range(3):
        loss(x[i], np.asarray(target[i])).backward()
    np.testing.assert_allclose(summed, weight.grad.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "index",
    [
        lambda i: (i,), lambda i: (slice(None), i), lambda i: (i, slice(None), i), lambda i: (0, slice(None), i),
        lambda i: (..., i), lambda i: (None, i, 0), lambda i: (i[:, None], i), lambda i: (slice(1, None), 0, i),
        lambda i: (i, ..., None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("own", ["indices", "arrays", "both"])
def test_indices_that_differ_between_the_examples(index, own):
    rng = np.random.default_rng(0)
    x, i = rng.normal(size=(3, 4, 4, 4)), rng.integers(0, 4, size=(3, 2))
    axes = (0 if own != "indices" else None, 0 if own != "arrays" else None)

    def one(a, k):
        return tl.Tensor(a)[index(k)].data

    def picked(a, k):
        return (a if isinstance(a, tl.Tensor) else tl.Tensor(a))[index(k)].detach()

    given = (x if axes[0] == 0 else x[0], i if axes[1] == 0 else i[0])
    expected = np.stack([one(x[j] if axes[0] == 0 else x[0], i[j] if axes[1] == 0 else i[0]) for j in range(3)])
    np.testing.assert_array_equal(tl.vmap(picked, in_axes=axes)(*given), expected)

    def pulled(a, k):
        return tl.grad(lambda a: (a[index(k)] ** 2).sum())(a)

    expected = np.stack([pulled(x[j] if axes[0] == 0 else x[0], i[j] if axes[1] == 0 else i[0]) for j in range(3)])
    np.testing.assert_allclose(tl.vmap(pulled, in_axes=axes)(*given), expected)


def test_assignment_to_elements():
    def f(x, i):
        y = x * 1.0
        y[i] = x.sum()
        return y

    i = np.array([1, 0, 1])
    np.testing.assert_array_equal(tl.vmap(f)(X, i), [[0.0, 1.0], [5.0, 3.0], [4.0, 9.0]])


def test_a_checkpoint_inside():
    w = tl.Tensor(np.array([2.0, 3.0]), requires_grad=True)
    tl.vmap(tl.checkpoint(lambda x: (tl.sin(w) * x).sum()))(X).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), np.cos([2.0, 3.0]) * X.sum(0))


def test_a_kernels_backward_is_not_given_batches():
    x = np.random.default_rng(0).normal(size=(40, 2000))  # large enough for the kernels of gelu and layer_norm
    for f in (tl.gelu, lambda x: tl.layer_norm(x)):
        reference = np.stack([tl.grad(lambda x, i=i, f=f: f(x)[i, 0])(x) for i in range(2)])
        rows = tl.jacobian(lambda x, f=f: f(x)[:2, 0])(x)
        np.testing.assert_allclose(rows, reference, atol=1e-12)


def test_images_and_pooling():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 2, 2, 6, 6)), rng.normal(size=(3, 2, 3, 3))

    def f(x):
        return tl.max_pool2d(tl.relu(tl.conv2d(x, w)), kernel_size=2)

    np.testing.assert_allclose(tl.vmap(f)(x), np.stack([f(one) for one in x]))
    slope = tl.grad(lambda x: (f(x) ** 2).sum())
    np.testing.assert_allclose(tl.vmap(slope)(x), np.stack([slope(one) for one in x]))


def test_no_examples():
    assert tl.vmap(lambda x: tl.sin(x).sum())(np.zeros((0, 2))).shape == (0,)
    assert tl.vmap(tl.grad(lambda x: tl.sin(x).sum()))(np.zeros((0, 2))).shape == (0, 2)


def test_a_result_that_no_example_enters_is_repeated():
    w = tl.Tensor(2.0, requires_grad=True)
    out = tl.vmap(lambda x: w * 1.0)(X)
    assert out.shape == (3,)
    out.sum().backward()
    assert w.grad.item() == 3.0


def test_values_that_are_looked_at_are_computed_one_by_one():
    with pytest.warns(LoopWarning, match="one example after another, since the value of an array is needed"):
        out = tl.vmap(lambda x: x * 2 if x.sum() > 3 else x)(X)
    np.testing.assert_array_equal(out, np.stack([X[0], 2 * X[1], 2 * X[2]]))
    w = tl.Tensor(1.0, requires_grad=True)
    with pytest.warns(LoopWarning):
        tl.vmap(lambda x: (w * float(x[0].detach()), x), out_axes=(0, 1))(X)[0].sum().backward()
    assert w.grad.item() == X[:, 0].sum()


def test_masks_that_differ_between_the_examples_are_computed_one_by_one():
    with pytest.warns(LoopWarning, match="an index of booleans that differs between the examples"):
        out = tl.vmap(lambda x: x[x > x[0]])(X)
    np.testing.assert_array_equal(out, X[:, 1:])


def test_functions_without_a_rule_loop_over_the_examples():
    with pytest.warns(LoopWarning, match="vmap: unique_values is computed example by example"):
        out = tl.vmap(tl.unique_values)(X[:, ::-1])
    np.testing.assert_array_equal(out, X)


def test_a_jacobian_that_looks_at_values_goes_row_by_row():
    looking = tl.primitive(x=lambda g, x: g * 2 if tl.sum(g) >= 0 else g + g)(_doubled)
    with pytest.warns(LoopWarning, match="jacobian: one row or column after another"):
        jac = tl.jacobian(looking)(np.ones(2))
    del tl.OPS["_doubled"]
    np.testing.assert_array_equal(jac, 2 * np.eye(2))


def _doubled(xp, x):
    return x * 2


def test_wrong_arguments():
    with pytest.raises(tl.ShapeError, match="vmap: the arguments have 2 and 3 examples"):
        tl.vmap(tl.add)(X, X[:2])
    with pytest.raises(tl.ShapeError, match=r"vmap: an argument has shape \(\); it has no axis 0 of examples"):
        tl.vmap(tl.add)(X, 1.0)
    with pytest.raises(tl.ShapeError, match="vmap: no argument has an axis of examples"):
        tl.vmap(tl.add, in_axes=None)(X, X)
    with pytest.raises(tl.ShapeError, match=r"vmap: in_axes is \(0,\) for 2 arguments"):
        tl.vmap(tl.add, in_axes=(0,))(X, X)
    with pytest.raises(tl.ShapeError, match=r"vmap: out_axes is \(0,\) for 2 results"):
        tl.vmap(lambda x: (x, x), out_axes=(0,))(X)
    with pytest.raises(tl.ShapeError, match="vmap: out_axes has None"):
        tl.vmap(lambda x: x, out_axes=None)(X)
    with pytest.raises(tl.ShapeError, match="vmap: axis 2 does not exist"):
        tl.vmap(lambda x: x, out_axes=2)(X)
    with pytest.raises(tl.ShapeError, match=r"add: .*\(2,\).*\(3,\)"):
        tl.vmap(lambda x: x + np.ones(3))(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LoopWarning)
        with pytest.raises(tl.BatchError, match="a batch without examples"):
            tl.vmap(lambda x: float(x))(np.zeros(0))


def test_what_numpy_gets_from_inside():
    with pytest.warns(LoopWarning):
        out = tl.vmap(lambda x: x.numpy() + 1)(X)
    np.testing.assert_array_equal(out, X + 1)
    np.testing.assert_array_equal(tl.vmap(lambda x: np.sin(x) + np.ones(2) * x)(X), np.sin(X) + X)


def test_the_namespace_takes_arrays_of_the_root_too():
    cls = batched_class(BACKENDS["numpy"])
    assert isinstance(cls.backend.xp.add(X, 1.0), np.ndarray)
    assert batched_class(cls.backend) is cls


def test_chunks_of_a_jacobian():
    f = lambda x: tl.sin(x) * x.sum()
    x = np.arange(5.0)
    for size in (1, 2, 5, 7):
        for mode in ("reverse", "forward"):
            np.testing.assert_allclose(tl.jacobian(f, mode=mode, chunk_size=size)(x), tl.jacobian(f)(x), atol=1e-14)
    with pytest.raises(tl.GradientError, match="chunk_size is 0; it must be at least 1"):
        tl.jacobian(f, chunk_size=0)


def test_jacobians_nest_and_connect():
    w = tl.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    jac = tl.jacobian(lambda x: tl.sin(x * w))(np.array([0.5, 0.25]))
    (jac**2).sum().backward()
    slopes = tl.grad(lambda w: ((w * tl.cos(np.array([0.5, 0.25]) * w)) ** 2).sum())(np.array([1.0, 2.0]))
    np.testing.assert_allclose(w.grad.numpy(), slopes)
    third = tl.jacobian(tl.jacobian(tl.grad(lambda x: (x**4).sum())))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(third, [[[24.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 48.0]]])
