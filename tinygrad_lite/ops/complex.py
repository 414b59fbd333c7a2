"""The parts of complex numbers. How derivatives treat them is said in `core/conjugate.py`."""

from __future__ import annotations

from ..core.dtypes import is_complex
from ..core.op import Array, primitive

__all__ = ["conj", "imag", "real"]


@primitive(x=lambda g: conj(g), holomorphic=False)
def conj(xp, x: Array) -> Array:
    """Complex conjugate; a real array as it is.

    >>> conj(np.array([1 + 2j]))
    array([1.-2.j])
    """
    return xp.conj(x) if is_complex(xp.asarray(x).dtype) else x


@primitive(x=lambda g: g)
def real(xp, x: Array) -> Array:
    """Real part; a real array as it is.

    >>> real(np.array([1 + 2j]))
    array([1.])
    """
    # A copy of its own: the real part that NumPy gives is a view with gaps.
    return +xp.real(x) if is_complex(xp.asarray(x).dtype) else x


@primitive(x=lambda g, x_dtype: g * 1j if is_complex(x_dtype) else g * 0.0)
def imag(xp, x: Array) -> Array:
    """Imaginary part; zeros for a real array.

    >>> imag(np.array([1 + 2j]))
    array([2.])
    """
    x = xp.asarray(x)
    return +xp.imag(x) if is_complex(x.dtype) else xp.zeros_like(x)
