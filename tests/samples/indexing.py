"""Samples of picking elements and putting them back."""

from __future__ import annotations

import math

import numpy as np

from tests.samples import arrays, axis, integer_arrays, sample, shapes, st


def basic_part(draw, n):
    """An integer or a slice for an axis of length n."""
    if n and draw(st.booleans()):
        return draw(st.integers(-n, n - 1))
    bound = st.one_of(st.none(), st.integers(-n - 1, n + 1))
    return slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -2])))


def basic(draw, shape):
    parts = [basic_part(draw, n) for n in shape[: draw(st.integers(0, len(shape)))]]
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    if draw(st.booleans()):
        # Parts after the dots are for the last axes.
        i = draw(st.integers(0, len(parts)))
        after = [part for part in parts[i:] if part is None]
        parts = [*parts[:i], Ellipsis, *after]
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def masked(draw, shape):
    """A mask over some leading axes, alone or after a new axis."""
    mask = draw(arrays(shape[: draw(st.integers(1, len(shape)))])) > 0
    return draw(st.sampled_from([mask, (mask,), (None, mask)]))


def arrayed(draw, shape):
    """Arrays of integers that broadcast together, slices and integers; positions may repeat."""
    parts = []
    common = draw(shapes(max_dims=2, max_side=3))
    for n in shape:
        own = common[draw(st.integers(0, len(common))) :]
        kind = draw(st.sampled_from(["array", "slice", "integer"]))
        if kind == "array":
            parts.append(draw(integer_arrays(own, -n, n)))
        else:
            parts.append(slice(None, None, -1) if kind == "slice" else draw(st.integers(-n, n - 1)))
    return tuple(parts)


def index(draw, shape):
    return draw(st.sampled_from([basic, masked, arrayed]))(draw, shape)


@sample("getitem", reference=lambda x, index: x[index])
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    return (x,), {"index": index(draw, x.shape)}


@sample("getitem", reference=lambda x, index: x[index])
def _(draw):
    x = draw(arrays(shapes(min_side=0)))
    return (x,), {"index": basic(draw, x.shape)}


def scattered(x, index, shape):
    out = np.zeros(shape)
    np.add.at(out, index, x)
    return out


@sample("scatter", reference=scattered)
def _(draw):
    shape = draw(shapes(min_dims=1))
    where = index(draw, shape)
    return (draw(arrays(np.zeros(shape)[where].shape)),), {"index": where, "shape": shape}


def with_item(x, v, index):
    out = np.array(x)
    out[index] = v
    return out


@sample("set_item", reference=with_item)
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    where = index(draw, x.shape)
    target = x[where].shape
    own = tuple(1 if draw(st.booleans()) else n for n in target[draw(st.integers(0, len(target))) :])
    return (x, draw(arrays(own))), {"index": where}


def surviving(x, index, shape):
    """Assign one value after the other, and look which are still there."""
    flat = np.full(shape, -1)
    positions = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape)[index], x.shape)
    for i, position in enumerate(positions.ravel()):
        flat.reshape(-1)[position] = i
    return np.isin(np.arange(x.size), flat).reshape(x.shape)


@sample("survives", reference=surviving, order=0)
def _(draw):
    shape = draw(shapes(min_dims=1))
    where = index(draw, shape)
    return (draw(arrays(np.zeros(shape)[where].shape)),), {"index": where, "shape": shape}


@sample("take", reference=np.take)
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    along = draw(st.one_of(st.none(), axis(x.ndim)))
    n = x.size if along is None else x.shape[along]
    return (x, draw(integer_arrays(shapes(max_dims=2), -n, n))), {"axis": along}


def along_axis(draw):
    shape = draw(shapes(min_dims=1))
    along = draw(axis(len(shape)))
    own = [1 if draw(st.booleans()) else n for n in shape]
    own[along] = draw(st.integers(1, 4))
    return shape, along, draw(integer_arrays(tuple(own), -shape[along], shape[along]))


@sample("take_along_axis", reference=np.take_along_axis)
def _(draw):
    shape, along, indices = along_axis(draw)
    return (draw(arrays(shape)), indices), {"axis": along}


def scattered_along_axis(x, indices, axis, shape):
    out = np.zeros(shape)
    indices = np.broadcast_to(indices, x.shape)
    for i in np.ndindex(*x.shape):
        target = list(i)
        target[axis] = indices[i]
        out[tuple(target)] += x[i]
    return out


@sample("scatter_along_axis", reference=scattered_along_axis)
def _(draw):
    shape, along, indices = along_axis(draw)
    own = list(shape)
    own[along] = indices.shape[along]
    return (draw(arrays(tuple(own))), indices), {"axis": along, "shape": shape}
