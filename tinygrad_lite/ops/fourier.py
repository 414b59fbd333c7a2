"""Discrete Fourier transforms. Users find them in `tinygrad_lite.fft`, under the Array API's names.

`norm` says where the factor 1/n is: in the inverse (`"backward"`), half in each as 1/sqrt(n) (`"ortho"`), or in the
forward transform (`"forward"`). A length `n` other than the array's crops it or adds zeros at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, Literal

from ..core.axes import axes_of, wrong_axis
from ..core.backend import BACKENDS, device_backend
from ..core.dtypes import default_dtype, is_complex
from ..core.errors import ShapeError
from ..core.graph import wrap
from ..core.op import Array, composite, primitive
from .complex import conj
from .joining import crop, pad
from .movement import roll

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip

Norm = Literal["backward", "ortho", "forward"]

_OPPOSITE: dict[str, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _explain(x: Array, /, *, n: int | None, axis: int, norm: str) -> str | None:
    message = wrong_axis(len(x.shape), axis)
    if message is None and norm not in _OPPOSITE:
        message = f"norm is {norm!r}; it must be one of {', '.join(map(repr, _OPPOSITE))}."
    if message is None and n is not None and n < 1:
        message = f"n is {n}; it must be at least 1."
    if message is None and not x.shape[axis]:
        message = f"axis {axis} has length 0; at least one element is required."
    return message and f"x is {tuple(x.shape)}; {message}"


def _resized(x: Array, length: int, axis: int) -> Array:
    """x cropped, or with zeros added, at the end of an axis."""
    change = length - x.shape[axis]
    if change == 0:
        return x
    place = axes_of(axis, len(x.shape))[0]
    widths = tuple((0, abs(change) if i == place else 0) for i in range(len(x.shape)))
    return pad(x, widths) if change > 0 else crop(x, widths)


def _complex(xp, x: Array) -> Array:
    """x in complex numbers of its precision, which is what the standard's functions take."""
    if is_complex(x.dtype):
        return x
    return xp.astype(x, xp.complex64 if x.dtype == xp.float32 else xp.complex128)


# One axis. The matrix of each transform is symmetric; cropping and adding zeros are each other's transpose.


@primitive(
    x=lambda g, x_shape, axis, norm: _resized(fft(g, axis=axis, norm=norm), x_shape[axis], axis),
    shapes="any",
    explain=_explain,
)
def fft(xp, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Fourier transform along an axis, y[k] = sum over j of x[j] exp(-2 pi i j k / n). Complex.

    x : (..., m, ...); the result has the length `n` (default m) along `axis`.

    Raises ShapeError for a wrong axis, norm or length.

    >>> fft(np.array([1.0, 2.0, 3.0, 4.0]))
    array([10.+0.j, -2.+2.j, -2.+0.j, -2.-2.j])
    """
    return xp.fft.fft(_complex(xp, x), n=n, axis=axis, norm=norm)


@primitive(
    x=lambda g, x_shape, axis, norm: _resized(ifft(g, axis=axis, norm=norm), x_shape[axis], axis),
    shapes="any",
    explain=_explain,
)
def ifft(xp, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Inverse Fourier transform along an axis, x[j] = 1/n sum over k of y[k] exp(2 pi i j k / n). Complex.

    >>> ifft(np.array([10.0, -2 + 2j, -2.0, -2 - 2j]))
    array([1.+0.j, 2.+0.j, 3.+0.j, 4.+0.j])
    """
    return xp.fft.ifft(_complex(xp, x), n=n, axis=axis, norm=norm)


def _rfft_rule(g: Array, x_shape: tuple, n: int | None, axis: int, norm: Norm) -> Array:
    # Only the first n // 2 + 1 rows of the matrix are used. The engine keeps the real part, as the input is real.
    full = _resized(g, x_shape[axis] if n is None else n, axis)
    return _resized(fft(full, axis=axis, norm=norm), x_shape[axis], axis)


@primitive(x=_rfft_rule, shapes="any", explain=_explain)
def rfft(xp, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """The first half, n // 2 + 1 values, of the Fourier transform of a real array, whose other half is its mirror.

    x : (..., m, ...) real; the result has the length n // 2 + 1 along `axis`, n being m by default.

    >>> rfft(np.array([1.0, 2.0, 3.0, 4.0]))
    array([10.+0.j, -2.+2.j, -2.+0.j])
    """
    return xp.fft.rfft(x, n=n, axis=axis, norm=norm)


def _irfft_rule(g: Array, x_shape: tuple, axis: int, norm: Norm) -> Array:
    # Each value but the first, and for even n the last, stands for two. The result is real, so the rule is the adjoint.
    half = rfft(g, axis=axis, norm=_OPPOSITE[norm])
    place = axes_of(axis, len(x_shape))[0]
    ends = (1, 1 - g.shape[axis] % 2) if half.shape[axis] > 1 else (1, 0)
    widths = tuple(ends if i == place else (0, 0) for i in range(len(x_shape)))
    return _resized(half + pad(crop(half, widths), widths), x_shape[axis], axis)


@primitive(x=_irfft_rule, shapes="any", explain=_explain)
def irfft(xp, x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Inverse of `rfft`: the real array whose Fourier transform begins with x.

    x : (..., m, ...); the result has the length `n` along `axis`, 2 (m - 1) by default.

    >>> irfft(np.array([10.0, -2 + 2j, -2.0]))
    array([1., 2., 3., 4.])
    """
    return xp.fft.irfft(_complex(xp, x), n=n, axis=axis, norm=norm)


# Several axes, and real spectra


def _lengths(op: str, x: Array, s: Sequence[int] | None, axes: Sequence[int] | None) -> list[tuple[int, int | None]]:
    """Pairs of axis and length to transform."""
    if axes is None:
        axes = range(len(x.shape)) if s is None else range(len(x.shape) - len(s), len(x.shape))
    places = axes_of(tuple(axes), len(x.shape))
    if s is not None and len(s) != len(places):
        raise ShapeError(f"{op}: s is {tuple(s)} for {len(places)} axes; it must have a length for each.")
    return list(zip(places, [None] * len(places) if s is None else s, strict=True))


@composite(shapes="any")
def fftn(
    x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """Fourier transform along several axes, all by default; `s` has their lengths. Complex.

    >>> fftn(np.ones((2, 2)))
    array([[4.+0.j, 0.+0.j],
           [0.+0.j, 0.+0.j]])
    """
    return reduce(lambda y, one: fft(y, n=one[1], axis=one[0], norm=norm), _lengths("fftn", x, s, axes), x)


@composite(shapes="any")
def ifftn(
    x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """Inverse of `fftn`.

    >>> ifftn(np.array([[4.0, 0.0], [0.0, 0.0]]))
    array([[1.+0.j, 1.+0.j],
           [1.+0.j, 1.+0.j]])
    """
    return reduce(lambda y, one: ifft(y, n=one[1], axis=one[0], norm=norm), _lengths("ifftn", x, s, axes), x)


@composite(shapes="any")
def rfftn(
    x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """Fourier transform of a real array along several axes, of which the last is halved as in `rfft`.

    >>> rfftn(np.ones((2, 4))).shape
    (2, 3)
    """
    *others, (axis, n) = _lengths("rfftn", x, s, axes)
    return reduce(lambda y, one: fft(y, n=one[1], axis=one[0], norm=norm), others, rfft(x, n=n, axis=axis, norm=norm))


@composite(shapes="any")
def irfftn(
    x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Array:
    """Inverse of `rfftn`: a real array.

    >>> irfftn(rfftn(np.ones((2, 4))))
    array([[1., 1., 1., 1.],
           [1., 1., 1., 1.]])
    """
    *others, (axis, n) = _lengths("irfftn", x, s, axes)
    before = reduce(lambda y, one: ifft(y, n=one[1], axis=one[0], norm=norm), others, x)
    return irfft(before, n=n, axis=axis, norm=norm)


@composite(shapes="any")
def hfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Fourier transform of an array whose first half is x and whose other half is the conjugate mirror: it is real.

    x : (..., m, ...); the result has the length `n` along `axis`, 2 (m - 1) by default.

    >>> hfft(np.array([1.0, 2.0, 3.0]))
    array([ 8., -2.,  0., -2.])
    """
    return irfft(conj(x), n=n, axis=axis, norm=_opposite("hfft", norm))


@composite(shapes="any")
def ihfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Array:
    """Inverse of `hfft`: the first half, n // 2 + 1 values, of what a real spectrum is the transform of.

    >>> ihfft(np.array([8.0, -2.0, 0.0, -2.0]))
    array([1.-0.j, 2.-0.j, 3.-0.j])
    """
    return conj(rfft(x, n=n, axis=axis, norm=_opposite("ihfft", norm)))


def _opposite(op: str, norm: str) -> Norm:
    if norm not in _OPPOSITE:
        raise ShapeError(f"{op}: norm is {norm!r}; it must be one of {', '.join(map(repr, _OPPOSITE))}.")
    return _OPPOSITE[norm]


# Frequencies and their order


@composite(shapes="any")
def fftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """x with the zero frequency moved to the middle of the given axes, of all by default.

    >>> fftshift(np.array([0.0, 1.0, 2.0, -2.0, -1.0]))
    array([-2., -1.,  0.,  1.,  2.])
    """
    places = axes_of(axes if axes is None or isinstance(axes, int) else tuple(axes), len(x.shape))
    return roll(x, tuple(x.shape[i] // 2 for i in places), axis=places)


@composite(shapes="any")
def ifftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Array:
    """Inverse of `fftshift`.

    >>> ifftshift(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    array([ 0.,  1.,  2., -2., -1.])
    """
    places = axes_of(axes if axes is None or isinstance(axes, int) else tuple(axes), len(x.shape))
    return roll(x, tuple(-(x.shape[i] // 2) for i in places), axis=places)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Any:
    """The frequencies of the n values of `fft`, in cycles per unit of the sample spacing d.

    >>> fftfreq(4, d=0.5)
    Tensor([ 0. ,  0.5, -1. , -0.5], dtype=float32)
    """
    return _frequencies("fftfreq", n, d, dtype, device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Any:
    """The frequencies of the n // 2 + 1 values of `rfft`, in cycles per unit of the sample spacing d.

    >>> rfftfreq(4, d=0.5)
    Tensor([0. , 0.5, 1. ], dtype=float32)
    """
    return _frequencies("rfftfreq", n, d, dtype, device)


def _frequencies(name: str, n: int, d: float, dtype: Any, device: str | None) -> Any:
    if n < 1 or d == 0:
        raise ShapeError(f"{name}: n is {n} and d is {d}; n must be at least 1 and d not 0.")
    backend = device_backend("cpu" if device is None else device)
    host = getattr(BACKENDS["numpy"].xp.fft, name)(n, d=d)
    dtype = backend.dtype(default_dtype() if dtype is None else dtype)
    return wrap(backend.asarray(host, dtype=dtype, device=device), None)
