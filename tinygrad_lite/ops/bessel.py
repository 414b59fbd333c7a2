"""Bessel functions, as part of `tinygrad_lite.special`. SciPy computes them, on a GPU CuPy.

Their derivatives hold a quotient by x that has a limit at 0, where it must not be computed as it is written. Divided by
x**n, the function of order n is entire and even, and has the one of order n + 1 in its derivative: that makes two
operations, `bessel_j_ratio` and `bessel_i_ratio`, and every derivative right everywhere.
"""

from __future__ import annotations

import math
from typing import Any

from ..core.op import Array, primitive
from .elementwise import sign
from .special_functions import computed

__all__ = ["bessel_i_ratio", "bessel_j_ratio", "i0", "i0e", "i1", "i1e", "j0", "j1"]


@primitive(x=lambda g, x: g * -j1(x))
def j0(xp, x: Array) -> Array:
    """Bessel function of the first kind of order 0. Needs SciPy on the CPU.

    >>> special.j0(np.array([0.0, 1.0]))
    array([1.        , 0.76519769])
    """
    return computed(xp, "j0", x)


@primitive(x=lambda g, x: g * (j0(x) - bessel_j_ratio(x)))
def j1(xp, x: Array) -> Array:
    """Bessel function of the first kind of order 1. Needs SciPy on the CPU.

    >>> special.j1(np.array([0.0, 1.0]))
    array([0.        , 0.44005059])
    """
    return computed(xp, "j1", x)


@primitive(x=lambda g, x: g * i1(x))
def i0(xp, x: Array) -> Array:
    """Modified Bessel function of the first kind of order 0. Needs SciPy on the CPU.

    >>> special.i0(np.array([0.0, 1.0]))
    array([1.        , 1.26606588])
    """
    return computed(xp, "i0", x)


@primitive(x=lambda g, x: g * (i0(x) - bessel_i_ratio(x)))
def i1(xp, x: Array) -> Array:
    """Modified Bessel function of the first kind of order 1. Needs SciPy on the CPU.

    >>> special.i1(np.array([0.0, 1.0]))
    array([0.       , 0.5651591])
    """
    return computed(xp, "i1", x)


@primitive(x=lambda g, x, out: g * (i1e(x) - sign(x) * out), kinks=(0.0,))
def i0e(xp, x: Array) -> Array:
    """e**-|x| i0(x), without overflow; derivative 0 at 0. Needs SciPy on the CPU.

    >>> special.i0e(np.array([0.0, 1000.0]))
    array([1.        , 0.01261724])
    """
    return computed(xp, "i0e", x)


@primitive(x=lambda g, x, out: g * (i0e(x) - sign(x) * out - bessel_i_ratio(x, scaled=True)), kinks=(0.0,))
def i1e(xp, x: Array) -> Array:
    """e**-|x| i1(x), without overflow; second derivative 0 at 0. Needs SciPy on the CPU.

    >>> special.i1e(np.array([0.0, 1000.0]))
    array([0.        , 0.01261093])
    """
    return computed(xp, "i1e", x)


@primitive(x=lambda g, x, n: g * (-x * bessel_j_ratio(x, n=n + 1)))
def bessel_j_ratio(xp, x: Array, *, n: int = 1) -> Array:
    """The Bessel function of the first kind of integer order n >= 1, divided by x**n: at 0 it is 1 / (2**n n!).

    Needs SciPy on the CPU. Source: NIST Handbook of Mathematical Functions, 10.2.2, 10.6.1 and 10.6.6.

    >>> bessel_j_ratio(np.array([0.0, 2.0]), n=2)
    array([0.125     , 0.08820851])
    """
    x = x if hasattr(x, "dtype") else xp.asarray(x)
    # The series cancels more the farther out, the recurrence more the farther in.
    near = xp.abs(x) < 2 * math.sqrt(n + 1)
    far = xp.where(near, 2 * math.sqrt(n + 1), x)
    outside = _by_recurrence(computed(xp, "j0", far), computed(xp, "j1", far) / far, far, n, -1)
    return xp.where(near, _by_series(xp.where(near, x, 0.0), n, -1, terms=20), outside)


def _slope_of_i_ratio(g: Array, x: Array, out: Array, n: int, scaled: bool) -> Array:
    slope = x * bessel_i_ratio(x, n=n + 1, scaled=scaled)
    return g * (slope - sign(x) * out if scaled else slope)


@primitive(x=lambda g, x, out, n, scaled: _slope_of_i_ratio(g, x, out, n, scaled), kinks=(0.0,))
def bessel_i_ratio(xp, x: Array, *, n: int = 1, scaled: bool = False) -> Array:
    """The modified Bessel function of the first kind of integer order n >= 1, divided by x**n.

    scaled : multiply it by e**-|x|, so that it does not overflow. Then it has a kink at 0.

    Needs SciPy on the CPU. Source: NIST Handbook of Mathematical Functions, 10.25.2, 10.29.1 and 10.29.4.

    >>> bessel_i_ratio(np.array([0.0, 2.0]), n=2)
    array([0.125     , 0.17223711])
    """
    x = x if hasattr(x, "dtype") else xp.asarray(x)
    # All terms of this series are positive: it is accurate anywhere, but long.
    near = xp.abs(x) < 2 * n + 6
    far = xp.where(near, 2.0 * n + 6, x)
    suffix = "e" if scaled else ""
    outside = _by_recurrence(computed(xp, f"i0{suffix}", far), computed(xp, f"i1{suffix}", far) / far, far, n, 1)
    inner = xp.where(near, x, 0.0)
    inside = _by_series(inner, n, 1, terms=3 * n + 30)
    return xp.where(near, inside * xp.exp(-xp.abs(inner)) if scaled else inside, outside)


def _by_recurrence(before: Any, ratio: Any, x: Any, n: int, sign: int) -> Any:
    """The ratio of order n from those of order 0 and 1; for J the sign is -1, for I 1."""
    for k in range(1, n):
        before, ratio = ratio, sign * (before - 2 * k * ratio) / x / x  # x * x may overflow
    return ratio


def _by_series(x: Any, n: int, sign: int, terms: int) -> Any:
    square = x * x * (sign / 4)
    term = 0.0 * x + 1 / (2**n * math.factorial(n))
    total = term
    for k in range(1, terms):
        term = term * square / (k * (n + k))
        total = total + term
    return total
