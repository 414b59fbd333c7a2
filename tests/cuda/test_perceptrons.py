"""Multilayer perceptrons of CuPy's arrays: activations and biases within the products, forward and backward."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.cuda.test_products import TOLERANCES, blas, draw, on_device
from tinygrad_lite.cuda.cublaslt import Epilogue

__all__ = ["blas"]


def arrays(dtype="float32", widths=(6, 130, 8, 3), front=(2, 5), biases=True):
    shapes = [shape for n, m in itertools.pairwise(widths) for shape in ((m, n), (m,))]
    layers = [draw(shape, dtype, seed=i) for i, shape in enumerate(shapes)]
    layers = [a if a.ndim == 2 or biases else None for a in layers]
    return [draw((*front, widths[0]), dtype, seed=99), *layers]


def results(given, activation, needs, place):
    """The output and the gradients, as float64 arrays."""
    tensors = [
        None if a is None else tl.Tensor(place(a), requires_grad=wanted) for a, wanted in zip(given, needs, strict=True)
    ]
    out = tl.mlp(*tensors, activation=activation)
    if any(needs):
        weights = np.cos(np.arange(out.size)).reshape(out.shape).astype(given[0].dtype)
        tl.sum(out * tl.Tensor(place(weights))).backward()
    grads = [t.grad for t, wanted in zip(tensors, needs, strict=True) if wanted and t is not None]
    return [np.asarray(getattr(t.data, "_host", t.data), "float64") for t in (out, *grads)]


def check(blas, given, activation="relu", needs=None):
    needs = [a is not None for a in given] if needs is None else needs
    mine = results(given, activation, needs, on_device)
    wide = [None if a is None else a.astype("float64") for a in given]
    theirs = results(wide, activation, needs, lambda a: a)
    tolerance = TOLERANCES[given[0].dtype.name] * 3
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())
    return [call["name"] for call in blas.calls]


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("activation", ["relu", "gelu_tanh"])
def test_values_gradients_and_the_products_that_there_are(blas, dtype, activation):
    name = activation.removesuffix("_tanh")
    assert check(blas, arrays(dtype), activation) == [
        f"bias {name} aux", f"bias {name} aux", "bias",
        "bgradb", f"d{name} bgrad", "", f"d{name} bgrad", "", "",
    ]  # fmt: skip
    assert blas.failures == []


def test_without_biases(blas):
    assert check(blas, arrays(biases=False)) == ["relu aux", "relu aux", "", "", "drelu", "", "drelu", "", ""]


def test_without_gradients_nothing_is_kept(blas):
    given = arrays()
    assert check(blas, given, needs=[False] * len(given)) == ["bias relu", "bias relu", "bias"]


def test_only_what_is_wanted_is_computed(blas):
    given = arrays()
    last = [False] * 5 + [True, True]
    assert check(blas, given, needs=last) == ["bias relu", "bias relu", "bias", "bgradb"]
    blas.calls.clear()
    of_data = [True] + [False] * 6
    assert check(blas, given, needs=of_data)[3:] == ["drelu", "drelu", ""]
    blas.calls.clear()
    one_bias = [False, False, True, False, False, False, False]
    assert check(blas, given, needs=one_bias)[3:] == ["drelu", "drelu bgrad"]


@pytest.mark.parametrize("activation", ["relu", "gelu_tanh"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("missing", ["forward", "backward", "all"])
def test_epilogues_that_there_are_not(blas, activation, dtype, missing):
    parts = {"forward": ("aux",), "backward": ("drelu", "dgelu", "bgradb"), "all": ("aux", "d", "b")}[missing]
    blas.refuse = lambda product: any(part in product["name"] for part in parts)
    names = check(blas, arrays(dtype), activation)
    assert not any(part in name for name in names for part in parts)


def test_double_precision_has_no_epilogues_here(blas):
    assert set(check(blas, arrays("float64"))) == {""}


def test_one_row(blas):
    assert "bgradb" not in check(blas, arrays(front=()))


@pytest.mark.parametrize("front", [(), (4,), (1, 1)])
def test_axes_in_front(blas, front):
    check(blas, arrays(front=front))


def test_no_rows(blas):
    assert tl.mlp(*(on_device(a) for a in arrays(front=(0,)))).shape == (0, 3) and blas.calls == []


def test_second_derivatives_are_those_of_the_definition(blas):
    given = arrays("float64", widths=(3, 4, 2), front=(2,))

    def twice(place):
        tensors = [tl.Tensor(place(a), requires_grad=True) for a in given]
        out = tl.mlp(*tensors, activation="gelu_tanh")
        (first,) = tl.autograd.grad(tl.sum(out * out), [tensors[0]], create_graph=True)
        (second,) = tl.autograd.grad(tl.sum(first * first), [tensors[1]])
        return np.asarray(getattr(second.data, "_host", second.data))

    np.testing.assert_allclose(twice(on_device), twice(lambda a: a), rtol=1e-10)


def test_other_activations_and_layers_that_do_not_fit_go_one_by_one(blas):
    check(blas, arrays(), "gelu")
    assert not any("gelu" in call["name"] for call in blas.calls)
    x, w, b, _v, c = map(on_device, arrays(widths=(6, 4, 3)))
    with pytest.raises(tl.ShapeError, match="linear: x is"):
        tl.mlp(x, w, b, on_device(draw((3, 5))), c)
    mixed = tl.mlp(x, w, b, on_device(draw((3, 4), "float64")), c)
    assert mixed.dtype == np.float64


def test_the_names_of_epilogues_are_made_right():
    for name in ("RELU", "GELU"):
        for keep, bias in itertools.product((True, False), (True, False)):
            assert Epilogue[name + "_AUX" * keep + "_BIAS" * bias].has_bias == bias
