"""Samples of the operations that join and cut arrays."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, axis, sample, shapes, st


@sample("concat", reference=np.concatenate)
def _(draw):
    shape = draw(shapes(min_dims=1))
    count = draw(st.integers(1, 3))
    if draw(st.booleans()):
        return ([draw(arrays(draw(shapes()))) for _ in range(count)],), {"axis": None}
    along = draw(axis(len(shape)))
    lengths = [list(shape) for _ in range(count)]
    for own in lengths:
        own[along] = draw(st.integers(0, 3))
    return ([draw(arrays(tuple(own))) for own in lengths],), {"axis": along}


@sample("stack", reference=np.stack)
def _(draw):
    shape = draw(shapes())
    count = draw(st.integers(1, 3))
    return ([draw(arrays(shape)) for _ in range(count)],), {"axis": draw(axis(len(shape) + 1))}


@sample("sections", reference=lambda x, bounds, axis: tuple(np.split(x, bounds[1:-1], axis=axis)))
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=1)))
    along = draw(st.integers(0, x.ndim - 1))
    cuts = sorted(draw(st.lists(st.integers(0, x.shape[along]), max_size=3)))
    return (x,), {"bounds": (0, *cuts, x.shape[along]), "axis": along}


@sample("unstack", reference=lambda x, axis: tuple(np.unstack(x, axis=axis)))
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=1)))
    return (x,), {"axis": draw(axis(x.ndim))}


def pad_widths(draw, ndim, longest):
    """pad_width in one of NumPy's forms."""
    width = st.integers(0, longest)
    pairs = tuple((draw(width), draw(width)) for _ in range(ndim))
    same = (draw(width), draw(width))
    forms = [draw(width), same, (same,), pairs, [list(pair) for pair in pairs]]
    return draw(st.sampled_from(forms if ndim else forms[:3]))


@sample("pad", reference=lambda x, pad_width, value: np.pad(x, pad_width, constant_values=value))
def _(draw):
    x = draw(arrays(shapes(min_dims=1, min_side=0)))
    return (x,), {"pad_width": pad_widths(draw, x.ndim, 2), "value": draw(st.sampled_from([0.0, 1.5, -2.0]))}


@sample("pad", reference=lambda x, pad_width, mode: np.pad(x, pad_width, mode=mode))
def _(draw):
    x = draw(arrays(shapes(min_dims=1)))
    mode = draw(st.sampled_from(["edge", "reflect", "symmetric", "wrap"]))
    return (x,), {"pad_width": pad_widths(draw, x.ndim, 5), "mode": mode}


@sample("crop", reference=lambda x, pad_width: x[tuple(slice(a, x.shape[i] - b) for i, (a, b) in enumerate(pad_width))])
def _(draw):
    x = draw(arrays(shapes(min_side=0)))
    pairs = []
    for n in x.shape:
        before = draw(st.integers(0, n))
        pairs.append((before, draw(st.integers(0, n - before))))
    return (x,), {"pad_width": tuple(pairs)}
