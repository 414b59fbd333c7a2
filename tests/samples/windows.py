"""Samples of the operations in `ops/windows.py`."""

import numpy as np

from tests.samples import arrays, sample, st
from tests.samples.convolution import transpose, windows


def plain(x, kernel_size, stride, dilation):
    return windows(x, kernel_size, stride, ((0, 0),) * len(stride), dilation)


def window_arguments(draw):
    axes = draw(st.sampled_from([1, 2, 2, 3]))
    kernel, stride, dilation = (
        tuple(draw(st.integers(1, most)) for _ in range(axes)) for most in (3 if axes < 3 else 2, 3, 2)
    )
    room = [draw(st.integers(0, 3 if axes < 3 else 1)) for _ in range(axes)]
    image = tuple((k - 1) * d + 1 + more for k, d, more in zip(kernel, dilation, room, strict=True))
    x = draw(arrays((draw(st.integers(0, 2)), draw(st.integers(1, 2)), *image)))
    return x, {"kernel_size": kernel, "stride": stride, "dilation": dilation}


@sample("unfold_nd", reference=plain)
def _(draw):
    x, options = window_arguments(draw)
    return (x,), options


@sample(
    "fold_nd",
    reference=lambda y, image, stride, dilation: transpose(
        lambda x: plain(x, y.shape[2 : 2 + len(image)], stride, dilation), (*y.shape[:2], *image), y
    ),
)
def _(draw):
    x, options = window_arguments(draw)
    y = draw(arrays(plain(x, **options).shape))
    return (y,), {"image": x.shape[2:], "stride": options["stride"], "dilation": options["dilation"]}


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    axes = x.ndim - 2
    kernel, gaps, border, steps = (np.broadcast_to(a, axes) for a in (kernel_size, dilation, padding, stride))
    found = windows(x, kernel, steps, [(p, p) for p in border], gaps)
    count = int(np.prod(found.shape[2 + axes :]))
    return found.reshape(x.shape[0], x.shape[1] * int(np.prod(kernel)), count)


OPTIONS = st.sampled_from([
    {"kernel_size": 2}, {"kernel_size": 1, "stride": 2}, {"kernel_size": 2, "padding": 1}, {"kernel_size": 3},
    {"kernel_size": 2, "dilation": 2, "padding": 1, "stride": 2},
])  # fmt: skip


@sample("unfold", reference=unfold)
def _(draw):
    image = draw(st.sampled_from([(4,), (3, 4), (3, 3, 3)]))
    return (draw(arrays((draw(st.integers(0, 2)), 2, *image))),), draw(OPTIONS)


@sample(
    "fold",
    reference=lambda y, output_size, **options: transpose(
        lambda x: unfold(x, **options),
        (y.shape[0], y.shape[1] // options["kernel_size"] ** len(output_size), *output_size),
        y,
    ),
)
def _(draw):
    image, options = draw(st.sampled_from([(4,), (3, 4), (3, 3, 3)])), draw(OPTIONS)
    shape = unfold(np.zeros((draw(st.integers(0, 2)), 1 + (len(image) < 3), *image)), **options).shape
    return (draw(arrays(shape)),), {"output_size": image, **options}
