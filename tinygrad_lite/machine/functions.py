"""Functions that processors have no instruction for, from arithmetic on lanes.

Their series end where the next term is below half a unit in the last place. Results are wrong by at most 1 unit in the
last place for exp and log, 2 for expm1, log1p, log2, sinh, cosh, atan, hypot and powers, and 3 for log10, tanh, asinh,
acosh and atanh; logaddexp by 3 units of the largest of its terms and its result. What NumPy warns of raises the
processor's flags here too, which NumPy looks at: overflow, division by zero, invalid values; nothing else does.
"""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from functools import cache

import numpy

from .lanes import Lanes, Value

__all__ = [
    "acosh", "asinh", "atan", "atanh", "cosh", "exp", "exp_of_negative", "expm1", "hypot", "log", "log1p", "log2",
    "log10", "logaddexp", "power", "quiet_exp", "sinh", "tanh",
]  # fmt: skip


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


def _largest(lanes: Lanes, halved: bool = False) -> float:
    """The largest x of which exp(x), or half of it, is not infinite."""
    kind = lanes.dtype.type
    limit = math.log(float(numpy.finfo(kind).max)) + halved * math.log(2)
    most = kind(limit)
    return float(most if float(most) <= limit else numpy.nextafter(most, kind(0)))


def _exp(lanes: Lanes, x: Value, halved: bool = False) -> Value:
    """exp(x), or half of it, for x that are not too large.

    exp(x) = 2^n exp(r) by Taylor's series; 2^n in two factors, since it may be below the least normal number.
    """
    least = -750.0 if lanes.double else -110.0
    shifted, r = _reduced(lanes, lanes.greatest(least, lanes.least(_largest(lanes, halved), x)))
    p = lanes.polynomial(r, [1 / math.factorial(k) for k in range(14 if lanes.double else 8)])
    n = lanes.subtract(shifted, _shifter(lanes) + halved)
    half = lanes.multiply_add(n, 0.5, _shifter(lanes))
    rest = lanes.add(lanes.subtract(n, lanes.subtract(half, _shifter(lanes))), _shifter(lanes))
    return lanes.multiply(lanes.multiply(p, _power_of_2(lanes, half)), _power_of_2(lanes, rest))


def exp_of_negative(lanes: Lanes, x: Value) -> Value:
    """exp(x) for x <= 0; zero where it is below the least normal number. 0.6 of the instructions of `quiet_exp`."""
    least = math.log(float(numpy.finfo(lanes.dtype).smallest_normal))
    vanishing = lanes.compare(x, "<", least)
    shifted, r = _reduced(lanes, lanes.without(vanishing, x))
    p = lanes.polynomial(r, [1 / math.factorial(k) for k in range(14 if lanes.double else 8)])
    return lanes.without(vanishing, lanes.multiply(p, _power_of_2(lanes, shifted)))


def quiet_exp(lanes: Lanes, x: Value) -> Value:
    """exp(x); infinite where it is too large, without a flag."""
    return lanes.select(lanes.compare(x, ">", _largest(lanes)), math.inf, _exp(lanes, x))


def _with_overflow(lanes: Lanes, x: Value, made: Value, halved: bool = False) -> Value:
    """`made`, but infinite where x is above the largest exponent: with a flag where x is finite."""
    above = lanes.compare(x, ">", _largest(lanes, halved))
    huge = float(numpy.finfo(lanes.dtype).max)
    return lanes.select(above, lanes.multiply(lanes.both(above, x), huge), made)


def exp(lanes: Lanes, x: Value) -> Value:
    """exp(x)"""
    return _with_overflow(lanes, x, _exp(lanes, x))


def cosh(lanes: Lanes, x: Value) -> Value:
    """cosh(x) = h + 1 / (4 h), h = exp(|x|) / 2"""
    a = lanes.absolute(x)
    h = _exp(lanes, a, halved=True)
    return _with_overflow(lanes, a, lanes.add(h, lanes.divide(0.25, h)), halved=True)


def sinh(lanes: Lanes, x: Value) -> Value:
    """sinh(x) = h - 1 / (4 h), h = exp(|x|) / 2, above 1, and by Taylor's series below, with the sign of x."""
    a = lanes.absolute(x)
    h = _exp(lanes, a, halved=True)
    b = lanes.least(1.0, a)
    z = lanes.multiply(b, b)
    p = lanes.polynomial(z, [1 / math.factorial(k) for k in range(3, 21 if lanes.double else 13, 2)])
    low = lanes.multiply_add(lanes.multiply(b, z), p, b)
    made = lanes.select(lanes.compare(a, ">", 1.0), lanes.subtract(h, lanes.divide(0.25, h)), low)
    return lanes.with_sign_of(_with_overflow(lanes, a, made, halved=True), x)


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


def _parts_of_log(lanes: Lanes, x: Value) -> tuple[Value, Value, Value, Value, Value]:
    """k, f, h, s, t of normal numbers x > 0: x = 2^k (1 + f), log(1 + f) = f - (h - s t), h = f^2 / 2.

    log(1 + f) = 2 artanh(s) by its series, s = f / (2 + f), in the arrangement of fdlibm's `e_log.c`; 1 + f is between
    sqrt(1/2) and sqrt(2).
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
    return k, f, half, s, lanes.add(half, r)


def _log(lanes: Lanes, x: Value, more: Value | None = None) -> Value:
    """log(x), or log(2^more x), for normal numbers x > 0."""
    k, f, half, s, t = _parts_of_log(lanes, x)
    k = lanes.add(k, more) if more else k
    high, low = _ln2(lanes.double)
    small = lanes.multiply_add(s, t, lanes.multiply(k, low))
    return lanes.multiply_add(k, high, lanes.subtract(f, lanes.subtract(half, small)))


def _outside(lanes: Lanes, x: Value, y: Value, made: Value) -> Value:
    """`made` for log(y): with flags -inf where y is 0 and NaN below, and x where it is infinite or NaN."""
    wrong = lanes.compare(y, "<=", 0.0)
    signalled = lanes.divide(-1.0, lanes.sqrt(lanes.add(lanes.select(wrong, y, 1.0), 0.0)))
    return lanes.select(lanes.compare(x, "<", math.inf), lanes.select(wrong, signalled, made), x)


def _normal(lanes: Lanes, x: Value) -> tuple[Value, Value]:
    """y and k of x = 2^k y, where y is not below the normal numbers if x > 0."""
    tiny = lanes.compare(lanes.absolute(x), "<", float(numpy.finfo(lanes.dtype).smallest_normal))
    y = lanes.select(tiny, lanes.multiply(lanes.both(tiny, x), 2.0 ** (lanes.digits + 1)), x)
    return y, lanes.both(tiny, -(lanes.digits + 1.0))


def log(lanes: Lanes, x: Value) -> Value:
    """log(x)"""
    return _outside(lanes, x, x, _log(lanes, *_normal(lanes, x)))


def log2(lanes: Lanes, x: Value) -> Value:
    """log(x) / log(2); exact for powers of 2."""
    y, more = _normal(lanes, x)
    k, f, half, s, t = _parts_of_log(lanes, y)
    rest = lanes.subtract(f, lanes.subtract_product(half, s, t))
    return _outside(lanes, x, x, lanes.multiply_add(rest, 1 / math.log(2), lanes.add(k, more)))


def log10(lanes: Lanes, x: Value) -> Value:
    """log(x) / log(10)"""
    with localcontext() as context:
        context.prec = 50
        two = Decimal(2).log10()
    high = float(lanes.dtype.type(float(two)))
    y, more = _normal(lanes, x)
    k, f, half, s, t = _parts_of_log(lanes, y)
    rest = lanes.subtract(f, lanes.subtract_product(half, s, t))
    k = lanes.add(k, more)
    small = lanes.multiply_add(rest, 1 / math.log(10), lanes.multiply(k, float(two - Decimal(high))))
    return _outside(lanes, x, x, lanes.multiply_add(k, high, small))


def log1p(lanes: Lanes, x: Value) -> Value:
    """log(1 + x), also where x is small: log(u) + (x - (u - 1)) / u for u = 1 + x as it was rounded."""
    y = lanes.add(x, 1.0)
    inside = lanes.both(lanes.compare(y, ">", 0.0), lanes.compare(x, "<", math.inf))
    made = _log1p(lanes, lanes.both(inside, x))
    return _outside(lanes, x, y, lanes.with_sign_of(made, x))


def _log1p(lanes: Lanes, z: Value) -> Value:
    """log(1 + z) for finite z > -1."""
    u = lanes.add(z, 1.0)
    return lanes.add(_log(lanes, u), lanes.divide(lanes.subtract(z, lanes.subtract(u, 1.0)), u))


def logaddexp(lanes: Lanes, x: Value, y: Value) -> Value:
    """log(exp(x) + exp(y)) = m + log(1 + exp(-|x - y|)), m the larger; the difference of equals is 0, also of infinite
    ones."""
    apart = lanes.compare(x, "!=", y)
    difference = lanes.absolute(lanes.subtract(lanes.both(apart, x), lanes.both(apart, y)))
    return lanes.add(lanes.greatest(x, y), _log1p(lanes, _exp(lanes, lanes.negative(difference))))


def _log_of_large(lanes: Lanes, x: Value, large: Value, z: Value) -> Value:
    """log(2 x) where x is large, else log(1 + z)."""
    u = lanes.add(z, 1.0)
    made = _log(lanes, lanes.select(large, x, u), lanes.both(large, 1.0))
    missing = lanes.divide(lanes.subtract(z, lanes.subtract(u, 1.0)), u)
    return lanes.select(lanes.compare(x, "<", math.inf), lanes.add(made, lanes.without(large, missing)), x)


def _from_where_on_large(lanes: Lanes) -> float:
    """From here on x^2 + 1 and x^2 - 1 differ from x^2 by less than its digits."""
    return 2.0 ** (lanes.digits // 2 + 2)


def asinh(lanes: Lanes, x: Value) -> Value:
    """arsinh(x) = log(1 + z), z = a + a^2 / (1 + sqrt(a^2 + 1)), a = |x|, with the sign of x."""
    a, most = lanes.absolute(x), _from_where_on_large(lanes)
    b = lanes.least(most, a)
    square = lanes.multiply(b, b)
    z = lanes.add(b, lanes.divide(square, lanes.add(lanes.sqrt(lanes.add(square, 1.0)), 1.0)))
    return lanes.with_sign_of(_log_of_large(lanes, a, lanes.compare(a, ">", most), z), x)


def acosh(lanes: Lanes, x: Value) -> Value:
    """arcosh(x) = log(1 + t + sqrt(t (t + 2))), t = x - 1; NaN with a flag below 1."""
    most, wrong = _from_where_on_large(lanes), lanes.compare(x, "<", 1.0)
    a = lanes.select(wrong, 1.0, x)
    t = lanes.subtract(lanes.least(most, a), 1.0)
    z = lanes.add(t, lanes.sqrt(lanes.multiply(t, lanes.add(t, 2.0))))
    made = _log_of_large(lanes, a, lanes.compare(a, ">", most), z)
    return lanes.select(wrong, lanes.sqrt(lanes.select(wrong, -1.0, 1.0)), made)


def atanh(lanes: Lanes, x: Value) -> Value:
    """artanh(x) = log(1 + 2 a / (1 - a)) / 2, a = |x|, with the sign of x; with flags infinite at 1 and NaN above."""
    a = lanes.absolute(x)
    wrong = lanes.compare(a, ">=", 1.0)
    b = lanes.without(wrong, a)
    made = lanes.multiply(0.5, _log1p(lanes, lanes.divide(lanes.add(b, b), lanes.subtract(1.0, b))))
    signalled = lanes.divide(1.0, lanes.sqrt(lanes.select(wrong, lanes.subtract(1.0, a), 1.0)))
    return lanes.with_sign_of(lanes.select(wrong, signalled, made), x)


def atan(lanes: Lanes, x: Value) -> Value:
    """arctan(x), by its series for |t| <= tan(pi / 8): of t = |x|, or pi / 4 and t = (|x| - 1) / (|x| + 1), or pi / 2
    and t = -1 / |x|."""
    a, tangent = lanes.absolute(x), math.sqrt(2) - 1
    middle, high = lanes.compare(a, ">", tangent), lanes.compare(a, ">", 1 / tangent)
    over = lanes.select(high, -1.0, lanes.select(middle, lanes.subtract(a, 1.0), a))
    t = lanes.divide(over, lanes.select(high, a, lanes.select(middle, lanes.add(a, 1.0), 1.0)))
    z = lanes.multiply(t, t)
    p = lanes.polynomial(z, [(-1) ** k / (2 * k + 1) for k in range(1, 22 if lanes.double else 10)])
    pi = float(lanes.dtype.type(math.pi))
    missing = math.pi - pi + math.sin(math.pi)  # the sine is what a float64 is short of pi

    def angle(number: float) -> Value:
        return lanes.select(high, number / 2, lanes.both(middle, number / 4))

    low = lanes.multiply_add(lanes.multiply(t, z), p, angle(missing))
    return lanes.with_sign_of(lanes.add(angle(pi), lanes.add(t, low)), x)


def hypot(lanes: Lanes, x: Value, y: Value) -> Value:
    """sqrt(x^2 + y^2), scaled by a power of 2 where squares are too large or small; infinite if x or y is."""
    a, b = lanes.absolute(x), lanes.absolute(y)
    nan = lanes.compare(a, "unordered", b)  # all bits, which are those of a NaN
    larger, smaller = lanes.either(lanes.greatest(a, b), nan), lanes.either(lanes.least(a, b), nan)
    infinite = lanes.either(lanes.compare(a, "==", math.inf), lanes.compare(b, "==", math.inf))
    e = lanes.bias * 5 // 8
    large = lanes.compare(larger, ">", 2.0 ** (lanes.bias // 2 - 2))
    small = lanes.compare(larger, "<", 2.0 ** (lanes.digits + 2 - lanes.bias // 2))

    def scale(sign: int) -> Value:
        return lanes.select(large, 2.0 ** (-sign * e), lanes.select(small, 2.0 ** (sign * e), 1.0))

    p, q = (lanes.multiply(v, scale(1)) for v in (larger, smaller))
    made = lanes.multiply(lanes.sqrt(lanes.multiply_add(p, p, lanes.multiply(q, q))), scale(-1))
    return lanes.select(infinite, math.inf, made)


def power(lanes: Lanes, x: Value, exponent: float) -> Value | None:
    """x^exponent by products and roots, where their errors come to less than 2 units in the last place; else None."""
    if exponent == 3:
        return lanes.multiply(lanes.multiply(x, x), x)
    if exponent == 4:
        square = lanes.multiply(x, x)
        return lanes.multiply(square, square)
    if exponent == -1:
        return lanes.divide(1.0, x)
    if exponent == -2:  # not the inverse of the square, which may be too large where the result is not
        inverse = lanes.divide(1.0, x)
        return lanes.multiply(inverse, inverse)
    if exponent == 0.5:  # as NumPy's for such an exponent, also of -inf and -0
        return lanes.sqrt(x)
    if exponent not in (1.5, -0.5):
        return None
    y = lanes.select(lanes.compare(x, "==", -math.inf), math.inf, lanes.add(x, 0.0))  # neither -inf nor -0 is negative
    root = lanes.sqrt(y)
    return lanes.multiply(y, root) if exponent == 1.5 else lanes.divide(1.0, root)
