"""Samples of the operations in `ops/fractional_pooling.py`."""

import numpy as np

from tests.samples import arrays, sample, st
from tests.samples.unpooling import first_largest, numbered
from tinygrad_lite import Interval


def windows(image, samples, kernel_size, output_size):
    """For each place of the result the elements (n, c, *kernel) of its window, image by image."""
    for place in np.ndindex(*output_size):
        parts = np.empty((*samples.shape[:2], *(kernel_size,) * len(output_size)), image.dtype)
        for b, c in np.ndindex(*samples.shape[:2]):
            cut = []
            for axis, (i, m) in enumerate(zip(place, output_size, strict=True)):
                last = image.shape[2 + axis] - kernel_size
                ratio, u = last / (m - 1) if m > 1 else 0.0, samples[b, c, axis]
                start = last if i == m - 1 else int((i + u) * ratio) - int(u * ratio)
                cut.append(slice(start, start + kernel_size))
            parts[b, c] = image[(b % len(image), c % image.shape[1], *cut)]
        yield place, parts


def both(x, samples, **options):
    values, numbers = (list(windows(image, samples, **options)) for image in (x, numbered(x)))
    size = options["output_size"]
    found, places = np.empty((*x.shape[:2], *size)), np.empty((*x.shape[:2], *size), int)
    for (place, part), (_, number) in zip(values, numbers, strict=True):
        for b, c in np.ndindex(*x.shape[:2]):
            one = first_largest([((0,), part[b : b + 1, c : c + 1])], [((0,), number[b, c])])
            found[(b, c, *place)], places[(b, c, *place)] = one[0].item(), one[1].item()
    return found, places


for axes in (2, 3):

    def arguments(draw, axes=axes):
        kernel = draw(st.integers(1, 2))
        size = tuple(draw(st.integers(1, 4 - axes // 3)) for _ in range(axes))
        image = tuple(m + kernel - 1 + draw(st.integers(0, 2)) for m in size)
        x = draw(arrays((draw(st.integers(1, 2)), 1, *image)))
        samples = draw(arrays((*x.shape[:2], axes), domain=Interval(0, 1)))
        # Numbers that no rounding to float32 takes to another window.
        samples = np.round(samples * 16) / 16 * 0.9 + 0.031
        return (x, samples), {"kernel_size": kernel, "output_size": size}

    sample(f"fractional_max_pool{axes}d_with_indices", reference=both, constant=("samples",))(arguments)
    sample(
        f"fractional_max_pool{axes}d",
        reference=lambda *args, **options: both(*args, **options)[0],
        constant=("samples",),
    )(arguments)
