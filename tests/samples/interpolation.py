"""Samples of changing the size of images."""

from __future__ import annotations

import numpy as np

from tests.samples import arrays, sample, shapes, st

SPATIAL = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}


def kernel(mode, t):
    """The weight of an element at the distance t."""
    t = abs(t)
    if mode != "bicubic":
        return max(0.0, 1.0 - t)
    a = -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def smoothed(n, out, scale, mode, align_corners):
    """The weights of `matrix` with antialiasing: of a kernel as wide as an output."""
    ratio = (n - 1) / (out - 1) if align_corners and out > 1 else 1 / scale if scale else n / out
    ratio = 0.0 if align_corners and out == 1 else ratio
    weights = np.zeros((out, n))
    for i, j in np.ndindex(out, n):
        t = abs(j + 0.5 - ratio * (i + 0.5)) / max(ratio, 1.0)
        near = 1.5 * t**3 - 2.5 * t**2 + 1
        far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
        weights[i, j] = max(0.0, 1.0 - t) if mode == "bilinear" else near if t <= 1 else far if t < 2 else 0.0
    return weights / weights.sum(axis=1, keepdims=True)


def matrix(n, out, scale, mode, align_corners):
    """The weights of n inputs for each of `out` outputs along an axis."""
    weights = np.zeros((out, n))
    for i in range(out):
        ratio = 1 / scale if scale else n / out
        if mode in ("nearest", "nearest-exact"):
            place = (i + (0.5 if mode == "nearest-exact" else 0.0)) * ratio
            weights[i, min(int(place + 1e-9), n - 1)] = 1.0
        elif mode == "area":
            start, stop = int(np.floor(i * n / out + 1e-9)), int(np.ceil((i + 1) * n / out - 1e-9))
            weights[i, start:stop] = 1 / (stop - start)
        else:
            place = i * ((n - 1) / (out - 1) if out > 1 else 0.0) if align_corners else (i + 0.5) * ratio - 0.5
            place = place if mode == "bicubic" else max(place, 0.0)
            for j in range(int(np.floor(place)) - 2, int(np.floor(place)) + 4):
                weights[i, min(max(j, 0), n - 1)] += kernel(mode, place - j)
    return weights


def interpolated(x, size=None, scale_factor=None, mode="nearest", align_corners=False, antialias=False):
    spatial = x.ndim - 2
    for k in range(spatial):
        n = x.shape[2 + k]
        scale = None if scale_factor is None else scale_factor[k] if isinstance(scale_factor, tuple) else scale_factor
        out = int(n * scale) if scale else size[k] if isinstance(size, tuple) else size
        weights = (smoothed if antialias else matrix)(n, out, scale, mode, align_corners)
        x = np.moveaxis(np.moveaxis(x, 2 + k, -1) @ weights.T, -1, 2 + k)
    return x


for mode in ("nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic", "area"):

    @sample("interpolate", reference=interpolated)
    def _(draw, mode=mode):
        spatial = SPATIAL.get(mode) or draw(st.integers(1, 2))
        x = draw(arrays((1, draw(st.integers(1, 2)), *(draw(st.integers(2, 4)) for _ in range(spatial)))))
        statics = {"mode": mode}
        if mode in SPATIAL:
            statics["align_corners"] = draw(st.booleans())
        if mode in ("bilinear", "bicubic"):
            statics["antialias"] = draw(st.booleans())
        if draw(st.booleans()):
            factors = st.sampled_from([0.5, 1.0, 1.25, 2.0]) if mode != "area" else st.sampled_from([0.5, 1.0, 2.0])
            return (x,), {**statics, "scale_factor": tuple(draw(factors) for _ in range(spatial))}
        one = draw(st.booleans())
        size = draw(st.integers(1, 6)) if one else tuple(draw(st.integers(1, 6)) for _ in range(spatial))
        return (x,), {**statics, "size": size}


def shuffled(x, upscale_factor):
    r, (c, h, w) = upscale_factor, x.shape[-3:]
    out = np.zeros((*x.shape[:-3], c // r**2, h * r, w * r))
    for i in range(c):
        out[..., i // r**2, i % r**2 // r :: r, i % r :: r] = x[..., i, :, :]
    return out


@sample("pixel_shuffle", reference=shuffled)
def _(draw):
    front, r = draw(shapes(max_dims=2, max_side=2)), draw(st.integers(1, 2))
    c, h, w = (draw(st.integers(1, 2)) for _ in range(3))
    return (draw(arrays((*front, c * r * r, h, w))),), {"upscale_factor": r}


def unshuffled(x, downscale_factor):
    r = downscale_factor
    parts = [x[..., i // r :: r, i % r :: r] for i in range(r * r)]
    out = np.stack(parts, axis=-3)
    return out.reshape(*x.shape[:-3], -1, *out.shape[-2:])


@sample("pixel_unshuffle", reference=unshuffled)
def _(draw):
    front, r = draw(shapes(max_dims=2, max_side=2)), draw(st.integers(1, 2))
    c, h, w = (draw(st.integers(1, 2)) for _ in range(3))
    return (draw(arrays((*front, c, h * r, w * r))),), {"downscale_factor": r}


def in_turn(x, groups):
    size = x.shape[1] // groups
    return np.stack([x[:, g * size + i] for i in range(size) for g in range(groups)], axis=1)


@sample("channel_shuffle", reference=in_turn)
def _(draw):
    groups, image = draw(st.integers(1, 3)), draw(shapes(max_dims=2, max_side=2))
    return (draw(arrays((draw(st.integers(0, 2)), groups * draw(st.integers(1, 3)), *image))),), {"groups": groups}
