"""Samples of reading images at positions."""

from __future__ import annotations

import itertools
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


def cubic(t, a=-0.75):
    t = abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a


def sampled(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False):
    n, c, *image = x.shape
    out = np.zeros((n, c, *grid.shape[1:-1]))
    for place in np.ndindex(*grid.shape[:-1]):
        axes = []
        for p, size in zip(grid[place][::-1], image, strict=True):
            if mode == "bicubic":
                free = placed(p, size, "zeros", align_corners)
                near = [(math.floor(free) + i, cubic(free - math.floor(free) - i)) for i in (-1, 0, 1, 2)]
                axes.append([(inside(i, size, padding_mode, align_corners), weight) for i, weight in near])
                continue
            p = placed(p, size, padding_mode, align_corners)
            low = math.floor(p)
            axes.append([(low, low + 1 - p), (low + 1, p - low)] if mode == "bilinear" else [(round(p), 1)])
        for chosen in itertools.product(*axes):
            if all(0 <= i < size for (i, _), size in zip(chosen, image, strict=True)):
                elements = x[(place[0], slice(None), *(int(i) for i, _ in chosen))]
                out[(place[0], slice(None), *place[1:])] += elements * math.prod(weight for _, weight in chosen)
    return out


def inside(i, size, padding_mode, align_corners):
    """Where the element i is read from."""
    position = 2 * i / max(size - 1, 1) - 1 if align_corners else 2 * (i + 0.5) / size - 1
    return i if padding_mode == "zeros" else round(placed(position, size, padding_mode, align_corners))


def smooth_positions(draw, shape, sizes, align_corners):
    """Positions that keep away from the middles and centres of elements, and so from edges and reflections."""
    parts = []
    for size in sizes:
        quarter = draw(st.integers(0, 2**16).map(np.random.default_rng)).integers(-4, 4 * size + 4, size=shape)
        elements = quarter / 2 + 0.17 + draw(arrays(shape)) * 0.02
        scale = max(size - 1, 1) if align_corners else size
        parts.append((elements if align_corners else elements + 0.5) * 2 / scale - 1)
    return np.stack(parts, axis=-1)


for mode, axes in (("bilinear", 2), ("nearest", 2), ("bicubic", 2), ("bilinear", 3), ("nearest", 3)):

    @sample("grid_sample", reference=sampled)
    def _(draw, mode=mode, axes=axes):
        n, c = draw(st.integers(1, 2)), draw(st.integers(1, 2))
        image = [draw(st.integers(2 - (i == 0 and mode != "bicubic"), 4)) for i in range(axes)]
        x = draw(arrays((n, c, *image)))
        align_corners = draw(st.booleans())
        places = (n, *(draw(st.integers(1, 2)) for _ in range(axes)))
        grid = smooth_positions(draw, places, image[::-1], align_corners)
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
