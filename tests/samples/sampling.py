"""Samples of reading images at positions."""

from __future__ import annotations

import math

import numpy as np

from tests.samples import arrays, sample, st


def placed(position, size, padding_mode, align_corners):
    position = (position + 1) * (size - 1) / 2 if align_corners else (position + 1) * size / 2 - 0.5
    if padding_mode == "reflection":
        low, high = (0, size - 1) if align_corners else (-0.5, size - 0.5)
        while low < high and not low <= position <= high:
            position = 2 * low - position if position < low else 2 * high - position
        position = low if low == high else position
    return position if padding_mode == "zeros" else min(max(position, 0), size - 1)


def sampled(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    n, c, h, w = x.shape
    out = np.zeros((n, c, *grid.shape[1:3]))
    for b, i, j in np.ndindex(*grid.shape[:3]):
        column, row = (placed(p, s, padding_mode, align_corners) for p, s in zip(grid[b, i, j], (w, h), strict=True))
        for r in (math.floor(row), math.floor(row) + 1) if mode == "bilinear" else (round(row),):
            for k in (math.floor(column), math.floor(column) + 1) if mode == "bilinear" else (round(column),):
                if 0 <= r < h and 0 <= k < w:
                    weight = (1 - abs(row - r)) * (1 - abs(column - k)) if mode == "bilinear" else 1
                    out[b, :, i, j] += weight * x[b, :, r, k]
    return out


def smooth_positions(draw, shape, sizes, align_corners):
    """Positions that keep away from the middles and centres of elements, and so from edges and reflections."""
    parts = []
    for size in sizes:
        quarter = draw(st.integers(0, 2**16).map(np.random.default_rng)).integers(-4, 4 * size + 4, size=shape)
        elements = quarter / 2 + 0.17 + draw(arrays(shape)) * 0.02
        scale = max(size - 1, 1) if align_corners else size
        parts.append((elements if align_corners else elements + 0.5) * 2 / scale - 1)
    return np.stack(parts, axis=-1)


for mode in ("bilinear", "nearest"):

    @sample("grid_sample", reference=sampled)
    def _(draw, mode=mode):
        n, c, h, w = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 4)), draw(st.integers(2, 4))
        x = draw(arrays((n, c, h, w)))
        align_corners = draw(st.booleans())
        places = (n, draw(st.integers(1, 2)), draw(st.integers(1, 3)))
        grid = smooth_positions(draw, places, (w, h), align_corners)
        padding = draw(st.sampled_from(["zeros", "border", "reflection"]))
        return (x, grid), {"mode": mode, "padding_mode": padding, "align_corners": align_corners}


def affine(theta, size, align_corners=False):
    n, _, *lengths = size
    out = np.zeros((n, *lengths, len(lengths)))
    for b, *place in np.ndindex(n, *lengths):
        if align_corners:
            position = [2 * i / (m - 1) - 1 if m > 1 else 0.0 for i, m in zip(place, lengths, strict=True)]
        else:
            position = [(2 * i + 1) / m - 1 for i, m in zip(place, lengths, strict=True)]
        out[(b, *place)] = theta[b] @ np.array([*position[::-1], 1.0])
    return out


@sample("affine_grid", reference=affine)
def _(draw):
    n, spatial = draw(st.integers(1, 2)), draw(st.integers(2, 3))
    size = (n, 1, *(draw(st.integers(1, 3)) for _ in range(spatial)))
    return (draw(arrays((n, spatial, spatial + 1))),), {"size": size, "align_corners": draw(st.booleans())}
