"""Samples of the operations in `ops/unpooling.py`."""

import numpy as np

import tests.samples.adaptive_pooling as adaptive
import tests.samples.pooling as pooling
from tests.samples import arrays, sample, st


def numbered(x):
    """The image whose elements are their own places."""
    return np.arange(int(np.prod(x.shape[2:]))).reshape(1, 1, *x.shape[2:])


def first_largest(parts, numbers):
    """From the windows' elements by place, and their numbers: the largest, and the number of the first such."""
    size = tuple(n + 1 for n in max(place for place, _ in parts))
    front = parts[0][1].shape[:2]
    values, indices = np.empty((*front, *size)), np.empty((*front, *size), int)
    for (place, part), (_, number) in zip(parts, numbers, strict=True):
        flat = part.reshape(*front, -1)
        values[:, :, *place] = flat.max(axis=2)
        indices[:, :, *place] = number.reshape(-1)[flat.argmax(axis=2)]
    return values, indices


def pooled(x, **options):
    return first_largest(*([w[1:3] for w in pooling.windows(image, **options)] for image in (x, numbered(x))))


def adapted(x, output_size):
    return first_largest(*(list(adaptive.windows(image, output_size)) for image in (x, numbered(x))))


OPTIONS = st.sampled_from([
    {"kernel_size": 2}, {"kernel_size": 2, "stride": 1}, {"kernel_size": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": 2, "dilation": 2, "stride": 1},
])  # fmt: skip

for axes in (1, 2, 3):

    @sample(f"max_pool{axes}d_with_indices", reference=pooled)
    def _(draw, axes=axes):
        image = tuple(draw(st.integers(3, 4 if axes < 3 else 3)) for _ in range(axes))
        return (draw(arrays((draw(st.integers(1, 2)), 1, *image))),), draw(OPTIONS)

    @sample(f"adaptive_max_pool{axes}d_with_indices", reference=adapted)
    def _(draw, axes=axes):
        image = tuple(draw(st.integers(2, 4 if axes < 3 else 3)) for _ in range(axes))
        size = tuple(draw(st.integers(1, 3)) for _ in range(axes))
        return (draw(arrays((draw(st.integers(1, 2)), 1, *image))),), {"output_size": size}

    def unpooled(x, indices, kernel_size, output_size=None):
        size = output_size or tuple(n * kernel_size for n in x.shape[2:])
        out = np.zeros((*x.shape[:2], int(np.prod(size))))
        for place in np.ndindex(*x.shape):
            out[(*place[:2], indices[place])] = x[place]
        return out.reshape(*x.shape[:2], *size)

    @sample(f"max_unpool{axes}d", reference=unpooled)
    def _(draw, axes=axes):
        shape = (draw(st.integers(1, 2)), 1, *(draw(st.integers(1, 2)) for _ in range(axes)))
        x, count = draw(arrays(shape)), 2**axes * int(np.prod(shape[2:]))
        rng = draw(st.integers(0, 2**16).map(np.random.default_rng))
        indices = np.stack([rng.permutation(count)[: x[0].size] for _ in x]).reshape(shape)
        size = {"output_size": tuple(2 * n + 1 for n in shape[2:])} if draw(st.booleans()) else {}
        return (x, indices), {"kernel_size": 2, **size}
