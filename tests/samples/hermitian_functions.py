"""Samples of the operations in `ops/hermitian_functions.py`, at repeated values too."""

from itertools import permutations
from math import factorial

import numpy as np

import tinygrad_lite as tl
from tests.samples import generators, sample, shapes, st
from tests.samples.solving import matrices

FUNCTIONS = [tl.log, tl.exp, lambda w: w**3, lambda w: 1 / w]


@st.composite
def positive(draw, values=(2.0, 2.0, 5.0)):
    """Symmetric matrices with the first few of these eigenvalues."""
    n = draw(st.integers(0, len(values)))
    front = draw(shapes(max_dims=1, min_side=0, max_side=2))
    turn = np.linalg.qr(draw(generators()).standard_normal((*front, n, n)))[0]
    return (turn * np.array(values[:n])) @ turn.swapaxes(-1, -2)


def hermitian(x):
    return (x + x.conj().swapaxes(-1, -2)) / 2


def of_eigenvalues(x, function):
    w, v = np.linalg.eigh(hermitian(x))
    return (v * function(w)[..., None, :]) @ v.conj().swapaxes(-1, -2)


@sample("hermitian_function", reference=of_eigenvalues)
def _(draw):
    return (draw(positive()),), {"function": draw(st.sampled_from(FUNCTIONS))}


def of_cubes(arrays, function):
    """The derivatives of x @ x @ x: the products of the directions with as many x as make three, in every order."""
    x, *directions = map(hermitian, arrays)
    left = 3 - len(directions)
    orders = permutations([*directions, *[x] * left])
    return np.sum([a @ b @ c for a, b, c in orders], axis=0) / factorial(left)


@sample("hermitian_derivative", reference=of_cubes, order=1)
def _(draw):
    x, rng = draw(positive()), draw(generators())
    return ([x, *(rng.standard_normal(x.shape) for _ in range(draw(st.integers(0, 1))))],), {"function": lambda w: w**3}


ODD = [tl.atan, lambda s: s, lambda s: s**3]


def of_singular_values(x, function):
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return (u * function(s)[..., None, :]) @ vh


@sample("singular_value_function", reference=of_singular_values)
def _(draw):
    x = draw(matrices(draw(st.integers(0, 3)), draw(st.integers(0, 3))))
    return (x * draw(st.sampled_from([1.0, 0.0])),), {"function": draw(st.sampled_from(ODD))}
