"""Functions that processors have no instruction for, from arithmetic on lanes.

Their series end where the next term is below half a unit in the last place. What NumPy warns of raises the processor's
flags here too, which NumPy looks at: overflow, division by zero, invalid values; nothing else does.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from functools import cache

import numpy

from .lanes import Lanes, Value

__all__ = ["exp", "exp_of_negative", "expm1", "log", "log1p", "quiet_exp", "tanh"]


@cache
def _ln2(double: bool) -> tuple[float, float]:
    """log(2) as a number of the dtype and what is missing from it."""
    with localcontext() as context:
        context.prec = 50
        whole = Decimal(2).ln()
        high = float(whole) if double else float(numpy.float32(whole))
        return high, float(whole - Decimal(high))


def _shifter(lanes: Lanes) -> float:
    """What is so large that adding it rounds a number to an integer, which is then in the sum's lowest bits."""
    return 1.5 * 2.0**lanes.digits


def _power_of_2(lanes: Lanes, shifted: Value) -> Value:
    """2^n for an n in the exponents' range, to which `_shifter` was added."""
    return lanes.add_integers(lanes.shift_left(shifted, lanes.digits), lanes.pattern(lanes.bias << lanes.digits))


def _reduced(lanes: Lanes, x: Value) -> tuple[Value, Value]:
    """n, with `_shifter` added, and r of x = n log(2) + r, |r| <= log(2) / 2."""
    high, low = _ln2(lanes.double)
    shifted = lanes.multiply_add(x, 1 / math.log(2), _shifter(lanes))
    n = lanes.subtract(shifted, _shifter(lanes))
    return shifted, lanes.subtract_product(lanes.subtract_product(x, n, high), n, low)


def _largest(lanes: Lanes) -> float:
    """The largest x of which exp(x) is not infinite."""
    kind = lanes.dtype.type
    most = kind(math.log(float(numpy.finfo(kind).max)))
    return float(most if float(most) <= math.log(float(numpy.finfo(kind).max)) else numpy.nextafter(most, kind(0)))


def quiet_exp(lanes: Lanes, x: Value) -> Value:
    """exp(x); infinite where it is too large, without a flag.

    exp(x) = 2^n exp(r) by Taylor's series; 2^n in two factors, since it may be below the least normal number.
    """
    most = _largest(lanes)
    least = -750.0 if lanes.double else -110.0
    shifted, r = _reduced(lanes, lanes.greatest(least, lanes.least(most, x)))
    p = lanes.polynomial(r, [1 / math.factorial(k) for k in range(14 if lanes.double else 8)])
    n = lanes.subtract(shifted, _shifter(lanes))
    half = lanes.multiply_add(n, 0.5, _shifter(lanes))
    rest = lanes.add(lanes.subtract(n, lanes.subtract(half, _shifter(lanes))), _shifter(lanes))
    made = lanes.multiply(lanes.multiply(p, _power_of_2(lanes, half)), _power_of_2(lanes, rest))
    return lanes.select(lanes.compare(x, ">", most), math.inf, made)


def exp_of_negative(lanes: Lanes, x: Value) -> Value:
    """exp(x) for x <= 0; zero where it is below the least normal number. 0.6 of the instructions of `quiet_exp`."""
    least = math.log(float(numpy.finfo(lanes.dtype).smallest_normal))
    vanishing = lanes.compare(x, "<", least)
    shifted, r = _reduced(lanes, lanes.without(vanishing, x))
    p = lanes.polynomial(r, [1 / math.factorial(k) for k in range(14 if lanes.double else 8)])
    return lanes.without(vanishing, lanes.multiply(p, _power_of_2(lanes, shifted)))


def _with_overflow(lanes: Lanes, x: Value, made: Value) -> Value:
    """`made`, but infinite where x is above the largest exponent: with a flag where x is finite."""
    above = lanes.compare(x, ">", _largest(lanes))
    huge = float(numpy.finfo(lanes.dtype).max)
    return lanes.select(above, lanes.multiply(lanes.both(above, x), huge), made)


def exp(lanes: Lanes, x: Value) -> Value:
    """exp(x)"""
    return _with_overflow(lanes, x, quiet_exp(lanes, x))


def _expm1(lanes: Lanes, x: Value) -> Value:
    """exp(x) - 1 for x in the exponents' range: 2 (s q + s - 1/2), s = 2^(n-1), q = exp(r) - 1."""
    shifted, r = _reduced(lanes, x)
    p = lanes.polynomial(r, [1 / math.factorial(k) for k in range(2, 15 if lanes.double else 9)])
    q = lanes.multiply_add(lanes.multiply(r, r), p, r)
    s = _power_of_2(lanes, lanes.subtract(shifted, 1.0))
    half = lanes.multiply_add(s, q, lanes.subtract(s, 0.5))
    return lanes.add(half, half)


def expm1(lanes: Lanes, x: Value) -> Value:
    """exp(x) - 1, also where x is small."""
    within = lanes.greatest(-60.0, lanes.least(_largest(lanes), x))
    made = _with_overflow(lanes, x, _expm1(lanes, within))
    return lanes.with_sign_of(made, x)


def tanh(lanes: Lanes, x: Value) -> Value:
    """tanh(x) = e / (e + 2), e = exp(2 |x|) - 1, with the sign of x."""
    a = lanes.least(20.0 if lanes.double else 10.0, lanes.absolute(x))
    e = _expm1(lanes, lanes.add(a, a))
    return lanes.with_sign_of(lanes.divide(e, lanes.add(e, 2.0)), x)


def _log(lanes: Lanes, x: Value) -> Value:
    """log(x) for normal numbers x > 0: x = 2^k (1 + f), log(1 + f) = 2 artanh(s) by its series, s = f / (2 + f).

    1 + f is between sqrt(1/2) and sqrt(2). In the arrangement of fdlibm's `e_log.c`, f - (f^2/2 - s (f^2/2 + R)).
    """
    one, root = lanes.bits_of(1.0), lanes.bits_of(math.sqrt(0.5))
    e = lanes.shift_right(lanes.add_integers(x, lanes.pattern(one - root)), lanes.digits)
    k = lanes.subtract(
        lanes.either(e, lanes.pattern(lanes.bits_of(2.0**lanes.digits))), 2.0**lanes.digits + float(lanes.bias)
    )
    shift = lanes.shift_left(lanes.subtract_integers(e, lanes.pattern(lanes.bias)), lanes.digits)
    f = lanes.subtract(lanes.subtract_integers(x, shift), 1.0)
    s = lanes.divide(f, lanes.add(f, 2.0))
    z = lanes.multiply(s, s)
    r = lanes.multiply(z, lanes.polynomial(z, [2 / (2 * i + 1) for i in range(1, 12 if lanes.double else 6)]))
    half = lanes.multiply(lanes.multiply(f, 0.5), f)
    high, low = _ln2(lanes.double)
    small = lanes.multiply_add(s, lanes.add(half, r), lanes.multiply(k, low))
    return lanes.multiply_add(k, high, lanes.subtract(f, lanes.subtract(half, small)))


def _outside(lanes: Lanes, x: Value, y: Value, made: Value) -> Value:
    """`made` for log(y): with flags -inf where y is 0 and NaN below, and x where it is infinite or NaN."""
    wrong = lanes.compare(y, "<=", 0.0)
    signalled = lanes.divide(-1.0, lanes.sqrt(lanes.add(lanes.select(wrong, y, 1.0), 0.0)))
    return lanes.select(lanes.compare(x, "<", math.inf), lanes.select(wrong, signalled, made), x)


def log(lanes: Lanes, x: Value) -> Value:
    """log(x)"""
    least = float(numpy.finfo(lanes.dtype).smallest_normal)
    scale = 2.0 ** (lanes.digits + 1)
    tiny = lanes.compare(x, "<", least)
    made = _log(lanes, lanes.select(tiny, lanes.multiply(x, scale), x))
    made = lanes.subtract(made, lanes.both(tiny, lanes.constant((lanes.digits + 1) * math.log(2))))
    return _outside(lanes, x, x, made)


def log1p(lanes: Lanes, x: Value) -> Value:
    """log(1 + x), also where x is small: log(u) + (x - (u - 1)) / u for u = 1 + x as it was rounded."""
    y = lanes.add(x, 1.0)
    inside = lanes.both(lanes.compare(y, ">", 0.0), lanes.compare(x, "<", math.inf))
    z = lanes.both(inside, x)
    u = lanes.add(z, 1.0)
    made = lanes.add(_log(lanes, u), lanes.divide(lanes.subtract(z, lanes.subtract(u, 1.0)), u))
    return _outside(lanes, x, y, lanes.with_sign_of(made, x))
