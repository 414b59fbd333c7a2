"""Samples of the operations in `ops/convolution.py`."""

import numpy as np

from tests.samples import arrays, sample, st


def windows(x, kernel, stride, padding, dilation):
    """x at (n, channel, i, j, row, column), by indices: element (i, j) of the window at (row, column)."""
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    where = []
    for length, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True):
        count = (length - (k - 1) * d - 1) // s + 1
        where.append(d * np.arange(k)[:, None] + s * np.arange(count))
    return padded[:, :, where[0][:, None, :, None], where[1][None, :, None, :]]


def convolve(x, w, stride, padding, dilation, groups):
    columns = windows(x, w.shape[2:], stride, padding, dilation)
    parts = zip(np.split(columns, groups, 1), np.split(w, groups, 0), strict=True)
    return np.concatenate([np.einsum("ncijrq,ocij->norq", a, b) for a, b in parts], axis=1)


def transpose(linear, shape, cotangent):
    """The adjoint of a linear function of arrays of `shape`, one unit vector after another."""
    size = int(np.prod(shape))
    units = np.eye(size).reshape(size, *shape)
    return np.array([np.sum(linear(unit) * cotangent) for unit in units]).reshape(shape)


def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    stride, dilation = np.broadcast_to(stride, 2), np.broadcast_to(dilation, 2)
    if padding == "same":
        total = (np.array(w.shape[2:]) - 1) * dilation
        padding = np.stack([total // 2, total - total // 2], 1)
    else:
        padding = np.broadcast_to(np.reshape(0 if padding == "valid" else padding, (-1, 1)), (2, 2))
    out = convolve(x, w, stride, padding, dilation, groups)
    return out if bias is None else out + bias[:, None, None]


def arguments(draw):
    """Arrays x, w and y = convolve(x, w, **full), and `full`."""
    groups = draw(st.sampled_from([1, 1, 2]))
    pair = st.tuples(st.integers(1, 2), st.integers(1, 2))
    stride, dilation, kernel = draw(pair), draw(pair), draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    border = st.tuples(st.integers(0, 1), st.integers(0, 1))
    padding = draw(st.tuples(border, border))
    image = tuple((k - 1) * d + 1 + draw(st.integers(0, 2)) for k, d in zip(kernel, dilation, strict=True))
    n, channels, outputs = draw(st.integers(0, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    x = draw(arrays((n, groups * channels, *image)))
    w = draw(arrays((groups * outputs, channels, *kernel)))
    full = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return x, w, draw(arrays(convolve(x, w, **full).shape)), full


@sample("convolve2d", reference=convolve)
def _(draw):
    x, w, _, full = arguments(draw)
    return (x, w), full


@sample(
    "convolve2d_input",
    reference=lambda y, w, image, groups, **full: transpose(
        lambda x: convolve(x, w, groups=groups, **full), (y.shape[0], w.shape[1] * groups, *image), y
    ),
)
def _(draw):
    x, w, y, full = arguments(draw)
    return (y, w), {"image": x.shape[2:], **full}


@sample(
    "convolve2d_weight",
    reference=lambda y, x, kernel, groups, **full: transpose(
        lambda w: convolve(x, w, groups=groups, **full), (y.shape[1], x.shape[1] // groups, *kernel), y
    ),
)
def _(draw):
    x, w, y, full = arguments(draw)
    return (y, x), {"kernel": w.shape[2:], **full}


@sample("conv2d", reference=conv2d)
def _(draw):
    groups, outputs = draw(st.sampled_from([1, 2])), draw(st.integers(1, 2))
    x = draw(arrays((2, 2, 4, 5)))
    w = draw(arrays((groups * outputs, 2 // groups, draw(st.integers(1, 2)), draw(st.integers(1, 3)))))
    bias = draw(st.none() | arrays((groups * outputs,)))
    padding = draw(st.sampled_from([0, 1, (1, 0), "same", "valid"]))
    stride = 1 if padding == "same" else draw(st.sampled_from([1, 2, (2, 1)]))
    statics = {"stride": stride, "padding": padding, "dilation": draw(st.sampled_from([1, (2, 1)])), "groups": groups}
    return (x, w, bias), statics
