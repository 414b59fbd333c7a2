"""Samples of the operations in `ops/adaptive_pooling.py`, by a loop over the windows."""

import numpy as np

from tests.samples import arrays, sample, st
from tests.samples.convolution import transpose


def windows(x, sizes):
    """For each place of the result, and the elements of x there: (n, c, *elements)."""
    for place in np.ndindex(*sizes):
        parts = [
            slice(i * n // m, int(np.ceil((i + 1) * n / m))) for i, n, m in zip(place, x.shape[2:], sizes, strict=True)
        ]
        yield place, x[:, :, *parts]


def unfold(x, output_size, value=0.0):
    longest = np.max([part.shape[2:] for _, part in windows(x, output_size)], axis=0)
    out = np.full((*x.shape[:2], *longest, *output_size), value)
    for place, part in windows(x, output_size):
        out[:, :, *map(slice, part.shape[2:]), *place] = part
    return out


def pool(reduce):
    def pooled(x, output_size):
        given = (output_size,) * (x.ndim - 2) if isinstance(output_size, int) else output_size
        sizes = [n if m is None else m for n, m in zip(x.shape[2:], given, strict=True)]
        out = np.empty((*x.shape[:2], *sizes))
        for place, part in windows(x, sizes):
            out[:, :, *place] = reduce(part, axis=tuple(range(2, x.ndim)))
        return out

    return pooled


def image(draw, axes):
    lengths = [draw(st.integers(1, 5 if axes < 3 else 3)) for _ in range(axes)]
    return draw(arrays((draw(st.integers(0, 2)), draw(st.integers(1, 2)), *lengths)))


def size(draw, axes):
    return tuple(draw(st.integers(1, 4 if axes < 3 else 2)) for _ in range(axes))


@sample("adaptive_unfold_nd", reference=unfold)
def _(draw):
    axes = draw(st.integers(1, 3))
    return (image(draw, axes),), {"output_size": size(draw, axes), "value": draw(st.sampled_from([0.0, 2.0]))}


@sample(
    "adaptive_fold_nd",
    reference=lambda y, image, output_size: transpose(lambda x: unfold(x, output_size), (*y.shape[:2], *image), y),
)
def _(draw):
    axes = draw(st.integers(1, 3))
    x, output_size = image(draw, axes), size(draw, axes)
    return (draw(arrays(unfold(x, output_size).shape)),), {"image": x.shape[2:], "output_size": output_size}


def add_samples(axes):
    def drawn(draw):
        sizes = size(draw, axes)
        some = (*sizes[:-1], None)
        return (image(draw, axes),), {"output_size": draw(st.sampled_from([sizes, some, 1, 2]))}

    sample(f"adaptive_max_pool{axes}d", reference=pool(np.max))(drawn)
    sample(f"adaptive_avg_pool{axes}d", reference=pool(np.mean))(drawn)


for _axes in (1, 2, 3):
    add_samples(_axes)
