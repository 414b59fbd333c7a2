"""Samples of the Fourier transforms. Inputs are real; complex ones are in `tests/ops/test_fourier.py`."""

import numpy as np
from hypothesis import strategies as st

from tests.samples import arrays, sample

NORMS = st.sampled_from(["backward", "ortho", "forward"])


def one_axis(draw):
    x = draw(arrays(st.sampled_from([(1,), (2,), (5,), (2, 3), (3, 4), (2, 3, 2)])))
    n = draw(st.sampled_from([None, 1, 2, 3, 6]))
    return (x,), {"n": n, "axis": draw(st.integers(-x.ndim, x.ndim - 1)), "norm": draw(NORMS)}


def several_axes(draw):
    x = draw(arrays(st.sampled_from([(3,), (2, 3), (3, 2), (2, 3, 2)])))
    axes = draw(st.sampled_from([None, (0,), tuple(range(x.ndim)), tuple(range(x.ndim))[::-1]]))
    count = x.ndim if axes is None else len(axes)
    s = draw(st.sampled_from([None, (2,) * count, (3,) * count]))
    return (x,), {"s": s, "axes": axes, "norm": draw(NORMS)}


def spectrum(draw):
    (x,), statics = one_axis(draw)
    if statics["n"] is None and x.shape[statics["axis"]] == 1:
        statics["n"] = 1  # 2 (m - 1) would be 0
    return (x,), statics


for name, draw in {"fft": one_axis, "ifft": one_axis, "rfft": one_axis, "ihfft": one_axis}.items():
    sample(name, reference=getattr(np.fft, name))(draw)
for name in ("irfft", "hfft"):
    sample(name, reference=getattr(np.fft, name))(spectrum)


def axes_given(reference):
    """NumPy's transform along `axes`, which it wants to be named where `s` is."""
    return lambda x, s, axes, norm: reference(x, s=s, axes=tuple(range(x.ndim)) if axes is None else axes, norm=norm)


for name in ("fftn", "ifftn", "rfftn", "irfftn"):
    sample(name, reference=axes_given(getattr(np.fft, name)))(several_axes)


@sample("fftshift", reference=np.fft.fftshift)
def _(draw):
    x = draw(arrays(st.sampled_from([(4,), (5,), (2, 3), (3, 2, 4)])))
    return (x,), {"axes": draw(st.sampled_from([None, 0, -1, tuple(range(x.ndim))]))}


@sample("ifftshift", reference=np.fft.ifftshift)
def _(draw):
    x = draw(arrays(st.sampled_from([(4,), (5,), (2, 3), (3, 2, 4)])))
    return (x,), {"axes": draw(st.sampled_from([None, 0, -1, tuple(range(x.ndim))]))}
