"""Samples of the operations in `ops/pooling.py`, by a loop over the windows."""

import numpy as np

from tests.samples import arrays, sample, st


def places(n, k, s, p, d, ceil_mode):
    """Where the windows of an axis begin, padding counted as negative."""
    room = n + 2 * p - d * (k - 1) - 1
    starts = [start - p for start in range(0, room + 1, s)]
    following = (starts[-1] + s) if starts else -p
    if ceil_mode and (room < 0 or room % s) and following < n:
        starts.append(following)
    return starts


def windows(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """For each place of the result: its index, the elements of x (n, c, elements), and how many there are with pad."""
    axes = x.ndim - 2
    kernel = np.broadcast_to(kernel_size, axes)
    stride = kernel if stride is None else np.broadcast_to(stride, axes)
    border, gaps = np.broadcast_to(padding, axes), np.broadcast_to(dilation, axes)
    starts = [
        places(n, k, s, p, d, ceil_mode)
        for n, k, s, p, d in zip(x.shape[2:], kernel, stride, border, gaps, strict=True)
    ]
    shape = tuple(map(len, starts))
    for place in np.ndindex(*shape):
        inside, counted = [], 1
        for a, i in enumerate(place):
            at = starts[a][i] + gaps[a] * np.arange(kernel[a])
            counted *= np.sum(at < x.shape[2 + a] + border[a])
            inside.append(at[(at >= 0) & (at < x.shape[2 + a])])
        elements = x[:, :, *np.ix_(*inside)]
        yield shape, place, elements.reshape(*x.shape[:2], int(np.prod(elements.shape[2:]))), counted


def pool(reduce, x, **options):
    out = None
    for shape, place, elements, counted in windows(x, **options):
        out = np.empty((*x.shape[:2], *shape)) if out is None else out
        out[:, :, *place] = reduce(elements, counted)
    return out


def maximum(x, **options):
    return pool(lambda elements, _: elements.max(axis=2, initial=-np.inf), x, **options)


def mean(x, count_include_pad=True, divisor_override=None, **options):
    def divided(elements, counted):
        return elements.sum(axis=2) / (divisor_override or (counted if count_include_pad else elements.shape[2]))

    return pool(divided, x, **options)


def norm(x, norm_type, kernel_size, **options):
    if norm_type == np.inf:
        return pool(lambda elements, _: abs(elements).max(axis=2), x, kernel_size=kernel_size, **options)
    size = np.prod(np.broadcast_to(kernel_size, x.ndim - 2))
    means = pool(lambda elements, _: (elements**norm_type).mean(axis=2), x, kernel_size=kernel_size, **options)
    return (means * size) ** (1 / norm_type)


def image(draw, axes):
    sizes = {1: (5,), 2: (4, 5), 3: (3, 4, 3)}[axes]
    lengths = [draw(st.integers(3, size + (axes < 3))) for size in sizes]
    return draw(arrays((draw(st.integers(0, 2)), 2, *lengths)))


def options(draw, axes):
    """kernel_size, stride and ceil_mode."""
    kernel = draw(st.sampled_from([1, 2, 3, (2, 1, 2)[:axes]]))
    stride = draw(st.sampled_from([None, None, 1, 2, (1, 2, 1)[:axes]]))
    return {"kernel_size": kernel, "stride": stride, "ceil_mode": draw(st.booleans())}


def padding(draw, chosen, axes):
    """A padding that the kernel allows."""
    half = np.broadcast_to(chosen["kernel_size"], axes) // 2
    return draw(st.sampled_from([0, tuple(map(int, half))]))


def add_samples(axes):
    @sample(f"max_pool{axes}d", reference=maximum)
    def _(draw):
        chosen = options(draw, axes)
        dilation = draw(st.sampled_from([1, 1, 2])) if np.max(chosen["kernel_size"]) < 3 else 1
        return (image(draw, axes),), {**chosen, "padding": padding(draw, chosen, axes), "dilation": dilation}

    @sample(f"avg_pool{axes}d", reference=mean)
    def _(draw):
        chosen = options(draw, axes)
        chosen |= {"padding": padding(draw, chosen, axes), "count_include_pad": draw(st.booleans())}
        if axes > 1:
            chosen["divisor_override"] = draw(st.sampled_from([None, 3]))
        return (image(draw, axes),), chosen

    @sample(f"lp_pool{axes}d", reference=norm)
    def _(draw):
        power = draw(st.sampled_from([1, 2, 4.0, np.inf]))
        return (image(draw, axes),), {**options(draw, axes), "norm_type": power}


for _axes in (1, 2, 3):
    add_samples(_axes)
