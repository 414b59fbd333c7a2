"""Samples of the operations in `ops/convolution.py`."""

import numpy as np

from tests.samples import arrays, sample, st


def windows(x, kernel, stride, padding, dilation):
    """x at (n, channel, *element, *place), by indices: the elements of the windows at all places."""
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    axes, where = len(kernel), []
    for axis, (length, k, s, d) in enumerate(zip(padded.shape[2:], kernel, stride, dilation, strict=True)):
        count = (length - (k - 1) * d - 1) // s + 1
        shape = np.ones(2 * axes, int)
        shape[[axis, axes + axis]] = k, count
        where.append((d * np.arange(k)[:, None] + s * np.arange(count)).reshape(shape))
    return padded[:, :, *where]


def convolve(x, w, stride, padding, dilation, groups):
    kernel = w.shape[2:]
    columns = windows(x, kernel, stride, padding, dilation)
    out = columns.shape[2 + len(kernel) :]
    flat = columns.reshape(*x.shape[:2], int(np.prod(kernel)), int(np.prod(out)))
    filters = w.reshape(*w.shape[:2], int(np.prod(kernel)))
    parts = zip(np.split(flat, groups, 1), np.split(filters, groups, 0), strict=True)
    return np.concatenate([np.einsum("ncip,oci->nop", a, b) for a, b in parts], axis=1).reshape(-1, w.shape[0], *out)


def transpose(linear, shape, cotangent):
    """The adjoint of a linear function of arrays of `shape`, one unit vector after another."""
    size = int(np.prod(shape))
    units = np.eye(size).reshape(size, *shape)
    return np.array([np.sum(linear(unit) * cotangent) for unit in units]).reshape(shape)


def biased(out, bias):
    return out if bias is None else out + bias.reshape(-1, *[1] * (out.ndim - 2))


def conv(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
    axes = x.ndim - 2
    stride, dilation = np.broadcast_to(stride, axes), np.broadcast_to(dilation, axes)
    if padding == "same":
        total = (np.array(w.shape[2:]) - 1) * dilation
        padding = np.stack([total // 2, total - total // 2], 1)
    else:
        padding = np.broadcast_to(np.reshape(0 if padding == "valid" else padding, (-1, 1)), (axes, 2))
    return biased(convolve(x, w, stride, padding, dilation, groups), bias)


def conv_transpose(x, w, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Each element of x adds its filter to a large result, of which the middle is kept."""
    axes = x.ndim - 2
    stride, padding, more, dilation = (np.broadcast_to(a, axes) for a in (stride, padding, output_padding, dilation))
    kernel, per_group = w.shape[2:], w.shape[1]
    each = zip(x.shape[2:], kernel, stride, dilation, more, strict=True)
    size = [(n - 1) * s + d * (k - 1) + 1 + o for n, k, s, d, o in each]
    out = np.zeros((x.shape[0], per_group * groups, *size))
    inputs = x.shape[1] // groups
    for place in np.ndindex(*x.shape[2:]):
        begin = np.array(place) * stride
        part = tuple(slice(b, b + d * (k - 1) + 1, d) for b, d, k in zip(begin, dilation, kernel, strict=True))
        for c in range(x.shape[1]):
            first = c // inputs * per_group
            for o in range(per_group):
                out[:, first + o, *part] += x[:, c, *place].reshape(-1, *[1] * axes) * w[c, o]
    inside = [slice(p, n - p) for p, n in zip(padding, size, strict=True)]
    return biased(out[:, :, *inside], bias)


def arguments(draw):
    """Arrays x, w and y = convolve(x, w, **full), and `full`, in one to three dimensions."""
    axes = draw(st.sampled_from([1, 2, 2, 3]))
    groups = draw(st.sampled_from([1, 1, 2]))

    def each(values):
        return draw(st.tuples(*[values] * axes))

    stride, dilation = each(st.integers(1, 2)), each(st.integers(1, 2))
    kernel = each(st.integers(1, 3 if axes < 3 else 2))
    padding = each(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    room = each(st.integers(0, 2 if axes < 3 else 1))
    image = tuple((k - 1) * d + 1 + more for k, d, more in zip(kernel, dilation, room, strict=True))
    n, channels, outputs = draw(st.integers(0, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    x = draw(arrays((n, groups * channels, *image)))
    w = draw(arrays((groups * outputs, channels, *kernel)))
    full = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return x, w, draw(arrays(convolve(x, w, **full).shape)), full


@sample("convolve_nd", reference=convolve)
def _(draw):
    x, w, _, full = arguments(draw)
    return (x, w), full


@sample(
    "convolve_nd_input",
    reference=lambda y, w, image, groups, **full: transpose(
        lambda x: convolve(x, w, groups=groups, **full), (y.shape[0], w.shape[1] * groups, *image), y
    ),
)
def _(draw):
    x, w, y, full = arguments(draw)
    return (y, w), {"image": x.shape[2:], **full}


@sample(
    "convolve_nd_weight",
    reference=lambda y, x, kernel, groups, **full: transpose(
        lambda w: convolve(x, w, groups=groups, **full), (y.shape[1], x.shape[1] // groups, *kernel), y
    ),
)
def _(draw):
    x, w, y, full = arguments(draw)
    return (y, x), {"kernel": w.shape[2:], **full}


def draw_convolution(draw, image, kernel, some):
    """Arguments of a convolution of such images; `some` are tuples of one value for each axis."""
    groups, outputs = draw(st.sampled_from([1, 2])), draw(st.integers(1, 2))
    x = draw(arrays((2, 2, *image)))
    w = draw(arrays((groups * outputs, 2 // groups, *[draw(st.integers(1, k)) for k in kernel])))
    bias = draw(st.none() | arrays((groups * outputs,)))
    padding = draw(st.sampled_from([0, 1, tuple(v - 1 for v in some), "same", "valid"]))
    stride = 1 if padding == "same" else draw(st.sampled_from([1, 2, some]))
    return (x, w, bias), {
        "stride": stride,
        "padding": padding,
        "dilation": draw(st.sampled_from([1, some])),
        "groups": groups,
    }


def draw_transposed(draw, image, kernel, some):
    groups, outputs = draw(st.sampled_from([1, 2])), draw(st.integers(1, 2))
    x = draw(arrays((draw(st.integers(0, 2)), 2, *image)))
    w = draw(arrays((2, outputs, *[draw(st.integers(1, k)) for k in kernel])))
    bias = draw(st.none() | arrays((groups * outputs,)))
    stride, dilation = draw(st.sampled_from([1, 2, some])), draw(st.sampled_from([1, 2, some]))
    largest = np.maximum(np.broadcast_to(stride, len(image)), np.broadcast_to(dilation, len(image)))
    return (x, w, bias), {
        "stride": stride,
        "padding": draw(st.sampled_from([0, tuple(v - 1 for v in some)])),
        "output_padding": draw(st.sampled_from([0, tuple(int(v) - 1 for v in largest)])),
        "groups": groups,
        "dilation": dilation,
    }


@sample("conv1d", reference=conv)
def _(draw):
    return draw_convolution(draw, (5,), (3,), (2,))


@sample("conv2d", reference=conv)
def _(draw):
    return draw_convolution(draw, (4, 5), (2, 3), (2, 1))


@sample("conv3d", reference=conv)
def _(draw):
    return draw_convolution(draw, (3, 3, 2), (2, 2, 2), (2, 1, 1))


@sample("conv_transpose1d", reference=conv_transpose)
def _(draw):
    return draw_transposed(draw, (4,), (3,), (2,))


@sample("conv_transpose2d", reference=conv_transpose)
def _(draw):
    return draw_transposed(draw, (3, 2), (2, 2), (2, 1))


@sample("conv_transpose3d", reference=conv_transpose)
def _(draw):
    return draw_transposed(draw, (2, 3, 2), (1, 2, 2), (1, 2, 1))
