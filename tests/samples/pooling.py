"""Samples of the operations in `ops/pooling.py`."""

import numpy as np

from tests.samples import arrays, sample, st
from tests.samples.convolution import transpose, windows

PLAIN = {"padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


def pool(reduce, x, kernel_size, stride=None, padding=0, fill=0.0):
    kernel, border = np.broadcast_to(kernel_size, 2), np.broadcast_to(padding, 2)
    stride = kernel if stride is None else np.broadcast_to(stride, 2)
    x = np.pad(x, ((0, 0), (0, 0), *[(p, p) for p in border]), constant_values=fill)
    return reduce(windows(x, kernel, stride, **PLAIN), axis=(2, 3))


def mean(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    fill = 0.0 if count_include_pad else np.nan
    return pool(np.mean if count_include_pad else np.nanmean, x, kernel_size, stride, padding, fill)


def window_arguments(draw):
    kernel, stride = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    image = tuple(k + draw(st.integers(0, 3)) for k in kernel)
    return draw(arrays((draw(st.integers(0, 2)), draw(st.integers(1, 2)), *image))), kernel, stride


@sample("unfold2d", reference=lambda x, kernel_size, stride: windows(x, kernel_size, stride, **PLAIN))
def _(draw):
    x, kernel, stride = window_arguments(draw)
    return (x,), {"kernel_size": kernel, "stride": stride}


@sample(
    "fold2d",
    reference=lambda y, image, stride: transpose(
        lambda x: windows(x, y.shape[2:4], stride, **PLAIN), (*y.shape[:2], *image), y
    ),
)
def _(draw):
    x, kernel, stride = window_arguments(draw)
    y = draw(arrays(windows(x, kernel, stride, **PLAIN).shape))
    return (y,), {"image": x.shape[2:], "stride": stride}


OPTIONS = st.sampled_from([
    {"kernel_size": 2}, {"kernel_size": (2, 1)}, {"kernel_size": 2, "stride": 1}, {"kernel_size": 3, "stride": (1, 2)},
    {"kernel_size": 2, "padding": 1}, {"kernel_size": (3, 2), "stride": 2, "padding": (1, 0)}, {"kernel_size": 1},
])  # fmt: skip


def image(draw):
    return draw(arrays((draw(st.integers(0, 2)), 2, draw(st.integers(3, 5)), draw(st.integers(3, 6)))))


@sample("max_pool2d", reference=lambda x, **options: pool(np.max, x, **options, fill=-np.inf))
def _(draw):
    return (image(draw),), draw(OPTIONS)


@sample("avg_pool2d", reference=mean)
def _(draw):
    return (image(draw),), draw(OPTIONS) | {"count_include_pad": draw(st.booleans())}
