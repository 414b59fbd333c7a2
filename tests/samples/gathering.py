"""Samples of putting and adding values at indices, and of masks."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, axis, integer_arrays, sample, shapes, st
from tests.samples.indexing import along_axis


def along(draw):
    """x, indices along an axis, that axis, and the shape of the places."""
    shape, chosen, indices = along_axis(draw)
    places = list(shape)
    places[chosen] = indices.shape[chosen]
    return draw(arrays(shape)), indices, chosen, tuple(places)


def values_for(draw, places):
    return draw(arrays(tuple(1 if draw(st.booleans()) else n for n in places)))


def put(x, indices, values, axis):
    out = np.array(x)
    np.put_along_axis(out, indices, values, axis)
    return out


@sample("put_along_axis", reference=put)
def _(draw):
    x, indices, chosen, places = along(draw)
    return (x, indices, values_for(draw, places)), {"axis": chosen}


def added(x, indices, values, axis):
    out = np.array(x)
    axis %= x.ndim
    places = [*x.shape[:axis], indices.shape[axis], *x.shape[axis + 1 :]]
    indices, values = np.broadcast_to(indices, places), np.broadcast_to(values, places)
    for i in np.ndindex(*places):
        target = (*i[:axis], indices[i], *i[axis + 1 :])
        out[target] += values[i]
    return out


@sample("scatter_add", reference=added)
def _(draw):
    x, indices, chosen, places = along(draw)
    return (x, indices, values_for(draw, places)), {"axis": chosen}


def index_added(x, indices, values, axis):
    out = np.moveaxis(np.array(x), axis, 0)
    places = list(x.shape)
    places[axis] = indices.size
    for i, value in zip(indices, np.moveaxis(np.broadcast_to(values, places), axis, 0), strict=True):
        out[i] += value
    return np.moveaxis(out, 0, axis)


@sample("index_add", reference=index_added)
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    chosen = draw(axis(x.ndim))
    n = x.shape[chosen]
    indices = draw(integer_arrays((draw(st.integers(1, 5)),), -n, n))
    places = list(x.shape)
    places[chosen] = indices.size
    return (x, indices, values_for(draw, tuple(places))), {"axis": chosen}


def segmented(reduce):
    def reference(x, segments, num_segments, axis):
        count = segments.max() + 1 if num_segments is None else num_segments
        x = np.moveaxis(x, axis, 0)
        out = np.zeros((count, *x.shape[1:]))
        for i in set(segments):
            out[i] = reduce(x[segments == i], axis=0)
        return np.moveaxis(out, 0, axis)

    return reference


for name, reduce in (("segment_sum", np.sum), ("segment_mean", np.mean)):

    @sample(name, reference=segmented(reduce))
    def _(draw):
        x = draw(arrays(shapes(min_dims=1)))
        chosen = draw(axis(x.ndim))
        segments = draw(integer_arrays((x.shape[chosen],), 0, 4))
        return (x, segments), {"axis": chosen, "num_segments": draw(st.sampled_from([None, 4, 5]))}


@sample("bincount")
def _(draw):
    x = draw(integer_arrays((draw(st.integers(1, 6)),), 0, 4))
    return (x, draw(arrays(x.shape))), {"minlength": draw(st.sampled_from([0, 2, 6]))}


@sample("bincount", order=0)
def _(draw):
    return (draw(integer_arrays((draw(st.integers(0, 6)),), 0, 4)), None), {"minlength": draw(st.sampled_from([0, 6]))}


def fitting_mask(draw, shape):
    kept = shape[draw(st.integers(0, len(shape))) :]
    return np.asarray(draw(arrays(tuple(1 if draw(st.booleans()) else n for n in kept))) > 0)


@sample("masked_fill", reference=lambda x, mask, value: np.where(mask, value, x))
def _(draw):
    x = draw(arrays(shapes()))
    value = draw(arrays(x.shape[draw(st.integers(0, x.ndim)) :]))
    return (x, fitting_mask(draw, x.shape), value), {}


def selected(x, mask):
    x, mask = np.broadcast_arrays(x, mask)
    return x[mask]


@sample("masked_select", reference=selected)
def _(draw):
    shape = draw(shapes())
    mask = fitting_mask(draw, shape)
    if draw(st.booleans()):
        return (draw(arrays(shape)), mask), {}
    return (draw(arrays(mask.shape)), np.asarray(draw(arrays(shape)) > 0)), {}


@sample("one_hot_codes", reference=lambda x, num_classes, dtype: np.eye(num_classes)[x].astype(dtype), order=0)
def _(draw):
    dtype = np.dtype(draw(st.sampled_from(["int64", "float32"])))
    return (draw(integer_arrays(shapes(min_side=0), 0, 4)),), {"num_classes": 5, "dtype": dtype}


def coded(x, num_classes, dtype):
    return np.eye(x.max() + 1 if num_classes == -1 else num_classes)[x].astype(dtype)


@sample("one_hot", reference=coded, order=0)
def _(draw):
    x = draw(integer_arrays(shapes(), 0, 4))
    return (x,), {"num_classes": draw(st.sampled_from([-1, 5])), "dtype": draw(st.sampled_from(["int64", "float32"]))}
