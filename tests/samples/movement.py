"""Samples of the operations that move elements."""

from __future__ import annotations

import math

import numpy as np

from tests.samples import arrays, axes, axis, sample, shapes, st


def some(draw, min_dims=0, max_dims=3, min_side=0):
    return draw(arrays(shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side)))


@sample("reshape", reference=np.reshape)
def _(draw):
    x = some(draw)
    shape = draw(st.permutations(x.shape))
    if x.size:
        i = draw(st.integers(0, len(shape)))
        shape = [*shape[:i], -1, *shape[i + 1 :]]
    return (x,), {"shape": tuple(shape) if len(shape) != 1 or draw(st.booleans()) else shape[0]}


@sample("flatten", reference=lambda x, start_axis: x.reshape((*x.shape[:start_axis], math.prod(x.shape[start_axis:]))))
def _(draw):
    x = some(draw)
    return (x,), {"start_axis": draw(axis(x.ndim)) if x.ndim else 0}


@sample("squeeze", reference=np.squeeze)
def _(draw):
    x = draw(arrays(draw(st.lists(st.sampled_from([1, 1, 3]), max_size=3))))
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    chosen = draw(st.sampled_from([None, *ones, *(i - x.ndim for i in ones), tuple(ones)]))
    return (x,), {"axis": chosen}


@sample("expand_dims", reference=np.expand_dims)
def _(draw):
    x = some(draw)
    return (x,), {"axis": draw(st.one_of(axis(x.ndim + 1), st.sampled_from([(0, -1), (1, 0), ()])))}


@sample("permute_dims", reference=np.transpose)
def _(draw):
    x = some(draw)
    order = [i - x.ndim if draw(st.booleans()) else i for i in draw(st.permutations(range(x.ndim)))]
    return (x,), {"axes": tuple(order)}


@sample("matrix_transpose", reference=lambda x: np.swapaxes(x, -1, -2))
def _(draw):
    return (some(draw, min_dims=2),), {}


@sample("swapaxes", reference=np.swapaxes)
def _(draw):
    x = some(draw, min_dims=1)
    return (x,), {"axis1": draw(axis(x.ndim)), "axis2": draw(axis(x.ndim))}


@sample("moveaxis", reference=np.moveaxis)
def _(draw):
    x = some(draw, min_dims=1)
    if draw(st.booleans()):
        return (x,), {"source": draw(axis(x.ndim)), "destination": draw(axis(x.ndim))}
    n = draw(st.integers(0, x.ndim))
    source, destination = (tuple(draw(st.permutations(range(x.ndim)))[:n]) for _ in range(2))
    return (x,), {"source": source, "destination": destination}


@sample("flip", reference=np.flip)
def _(draw):
    x = some(draw)
    return (x,), {"axis": draw(axes(x.ndim))}


@sample("roll", reference=np.roll)
def _(draw):
    x = some(draw, min_dims=1)
    along = draw(axes(x.ndim))
    shift = st.integers(-5, 5)
    shifts = tuple(draw(shift) for _ in along) if isinstance(along, tuple) else draw(shift)
    return (x,), {"shift": shifts, "axis": along}


@sample("broadcast_to", reference=np.broadcast_to)
def _(draw):
    target = draw(shapes(min_side=0))
    kept = draw(st.integers(0, len(target)))
    own = tuple(1 if draw(st.booleans()) else n for n in target[kept:])
    return (draw(arrays(own)),), {"shape": target}


def summed_to(x, shape):
    """`sum_to` through the definition of an adjoint: <sum_to(x), e> = <x, broadcast(e)> for every unit array e."""
    out = np.zeros(shape)
    for i in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[i] = 1.0
        out[i] = np.sum(x * np.broadcast_to(unit, x.shape))
    return out


@sample("sum_to", reference=summed_to)
def _(draw):
    x = some(draw)
    kept = draw(st.integers(0, x.ndim))
    return (x,), {"shape": tuple(1 if draw(st.booleans()) else n for n in x.shape[kept:])}


for name in ("tril", "triu"):

    @sample(name)
    def _(draw):
        return (some(draw, min_dims=2),), {"k": draw(st.integers(-3, 3))}
