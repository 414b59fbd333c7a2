"""Functions on lanes: errors in units of the last place, special values, and warnings that are NumPy's."""

import warnings

import numpy as np
import pytest

from tests.machine.making import needs_machine_code, same, ufunc_of
from tinygrad_lite.fusion.expressions import Expressions
from tinygrad_lite.fusion.programs import Program
from tinygrad_lite.machine import MachineCode, functions

pytestmark = needs_machine_code

DTYPES = ["float32", "float64"]
BOUNDS = {
    "exp": 1, "expm1": 2, "quiet_exp": 1, "log": 1, "log1p": 2, "log2": 2, "log10": 3, "tanh": 3, "sinh": 2,
    "cosh": 2, "asinh": 3, "acosh": 3, "atanh": 3, "atan": 2,
}  # fmt: skip
"""Units in the last place that functions may be wrong by."""

NAMES = {"quiet_exp": "exp", "acosh": "arccosh", "asinh": "arcsinh", "atan": "arctan", "atanh": "arctanh"}
INSIDE = {"log": (0, np.inf), "log2": (0, np.inf), "log10": (0, np.inf), "log1p": (-1, np.inf), "acosh": (1, np.inf),
          "atanh": (-1, 1)}  # fmt: skip
EXPONENTS = {3: 1.5, 4: 2, -1: 0.5, -2: 2, 0.5: 0.5, 1.5: 1.5, -0.5: 1.5}


def unary(name, dtype):
    return ufunc_of(dtype, getattr(functions, name), name=name), getattr(np, NAMES.get(name, name))


def numbers(dtype, count=20_000, seed=0):
    """Finite numbers of all magnitudes, more of those around 1, and the ends of what is representable."""
    rng = np.random.default_rng(seed)
    size, info = np.dtype(dtype).itemsize, np.finfo(dtype)
    bits = rng.integers(0, 2 ** (8 * size), count, dtype=f"u{size}").view(dtype)
    sets = [
        np.where(np.isfinite(bits), bits, 1),
        rng.normal(size=count),
        rng.normal(size=count) * 30,
        1 + rng.normal(size=count) * 0.1,
    ]
    sets += [rng.normal(size=count) * 300, 2.0 ** np.arange(-30, 30), np.arange(-50, 50) / 4]
    ends = [
        info.max,
        info.smallest_normal,
        info.smallest_subnormal,
        info.eps,
        0.0,
        1.0,
        np.nextafter(info.dtype.type(1), 0),
    ]
    return np.concatenate([np.asarray(x).astype(dtype) for x in (*sets, ends, np.negative(ends))])


def wrong_by(got, exact):
    """The error in units of the last place of the exact value."""
    with np.errstate(all="ignore"):
        nearest = exact.astype(got.dtype)
    finite = np.isfinite(nearest)
    # What rounds to infinity by less than an error of the function may be finite, and the other way round.
    assert (np.isfinite(got) == finite)[np.abs(exact) < np.finfo(got.dtype).max * (1 - np.finfo(got.dtype).eps)].all()
    finite &= np.isfinite(got)
    unit = np.spacing(np.abs(nearest[finite])).astype(np.longdouble)
    return np.abs(got[finite].astype(np.longdouble) - exact[finite]) / unit


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BOUNDS)
def test_errors_at_all_magnitudes(name, dtype):
    x = numbers(dtype)
    first, last = INSIDE.get(name, (-np.inf, np.inf))
    x = x[(x > first) & (x < last)]
    fn, reference = unary(name, dtype)
    with np.errstate(all="ignore"):
        got, exact = fn(x), reference(x.astype(np.longdouble))
    assert np.max(wrong_by(got, exact)) <= BOUNDS[name]
    np.testing.assert_array_equal(np.signbit(got), np.signbit(exact))
    with np.errstate(all="ignore"):
        same(fn(np.repeat(x, 2)[::2]), got)  # one element at a time


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_errors_of_powers(exponent, dtype):
    x = numbers(dtype)
    if exponent % 1:
        x = np.abs(x)
    fn = ufunc_of(dtype, lambda lanes, x: functions.power(lanes, x, exponent))
    with np.errstate(all="ignore"):
        got, exact = fn(x), np.power(x.astype(np.longdouble), np.longdouble(exponent))
    normal = np.abs(exact) >= np.finfo(dtype).smallest_normal
    assert np.max(wrong_by(got[normal], exact[normal])) <= EXPONENTS[exponent]


def pairs(dtype):
    """Two numbers each, many of them near each other or equal."""
    rng, kind = np.random.default_rng(3), np.dtype(dtype).type
    x, y = numbers(dtype, seed=1), numbers(dtype, seed=2)
    y[::3] = x[::3] * (1 - rng.random(y[::3].size).astype(dtype) * kind(1e-3))
    y[::7] = x[::7]
    return x, y


@pytest.mark.parametrize("dtype", DTYPES)
def test_errors_of_hypot(dtype):
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        got, exact = (
            ufunc_of(dtype, functions.hypot, 2)(x, y),
            np.hypot(x.astype(np.longdouble), y.astype(np.longdouble)),
        )
    assert np.max(wrong_by(got, exact)) <= 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_errors_of_logaddexp(dtype):
    x, y = pairs(dtype)
    with np.errstate(all="ignore"):
        got = ufunc_of(dtype, functions.logaddexp, 2)(x, y)
        exact = np.logaddexp(x.astype(np.longdouble), y.astype(np.longdouble))
    # Where the sum is near 1, the two terms cancel: then their own size counts.
    larger = np.maximum(x, y)
    sizes = np.maximum.reduce([np.abs(larger), np.abs(exact), np.abs(exact - larger)]).astype(dtype)
    unit = np.spacing(sizes.clip(max=np.finfo(dtype).max / 4)).astype(np.longdouble)
    assert np.isfinite(got).all()
    assert np.max(np.abs(got - exact) / unit) <= 3


def warned(fn, *values):
    """What a call gives, and the kinds of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = fn(*values)
    return value, {str(warning.message).partition(" encountered")[0] for warning in caught}


def special(dtype):
    info = np.finfo(dtype)
    one, tiny = info.dtype.type(1), info.smallest_subnormal
    near = [np.nextafter(one, 0), one, np.nextafter(one, 2)]
    ends = [
        tiny,
        info.smallest_normal,
        info.eps,
        *near,
        1e-3,
        0.5,
        2.0,
        30.0,
        90.0,
        1000.0,
        info.max,
        np.inf,
        np.nan,
        0.0,
    ]
    return np.array([*ends, *np.negative(ends)], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in BOUNDS if name != "quiet_exp"])
def test_special_values_and_warnings_are_numpys(name, dtype):
    fn, reference = unary(name, dtype)
    for x in special(dtype):
        for given in np.full(1, x), np.full(8, x):
            (got, said), (expected, meant) = warned(fn, given), warned(reference, given)
            assert said == meant, x
            info = np.finfo(dtype)
            np.testing.assert_allclose(got, expected, rtol=4 * info.eps, atol=info.smallest_subnormal)
            if not np.isnan(x) and not np.isnan(expected[0]):
                np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["hypot", "logaddexp", *EXPONENTS])
def test_special_values_and_warnings_of_two_operands(name, dtype):
    x = special(dtype)
    if name in EXPONENTS:
        fn = ufunc_of(dtype, lambda lanes, x: functions.power(lanes, x, name))
        cases, reference = [(value,) for value in x], lambda value: np.power(value, np.dtype(dtype).type(name))
    else:
        fn, reference = ufunc_of(dtype, getattr(functions, name), 2), getattr(np, name)
        cases = [(a, b) for a in x for b in x]
    for case in cases:
        given = [np.full(8, value) for value in case]
        (got, said), (expected, meant) = warned(fn, *given), warned(reference, *given)
        if np.isnan(case).any():
            meant -= {"invalid value"}  # that NumPy's logaddexp says of NaN
        assert said == meant, case
        normal = ~(np.abs(expected) < np.finfo(dtype).smallest_normal)  # below, products lose digits
        near = np.finfo(dtype).eps if name == "logaddexp" else 0  # terms cancel
        np.testing.assert_allclose(got[normal], expected[normal], 4 * np.finfo(dtype).eps, near, err_msg=str(case))
        np.testing.assert_allclose(got, expected, rtol=1, atol=np.finfo(dtype).smallest_normal, err_msg=str(case))
        if not np.isnan(expected[0]):
            np.testing.assert_array_equal(np.signbit(got), np.signbit(expected), err_msg=str(case))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_large_exponent_is_infinite_without_a_warning(dtype):
    fn = ufunc_of(dtype, functions.quiet_exp)
    same(fn(np.array([1e4, np.inf, -np.inf, 0.0], dtype)), np.array([np.inf, np.inf, 0, 1], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_logarithms_of_powers_of_two_are_exact(dtype):
    k = np.arange(np.finfo(dtype).minexp - np.finfo(dtype).nmant, np.finfo(dtype).maxexp, dtype=dtype)
    same(ufunc_of(dtype, functions.log2)(np.exp2(k)), k)


def program(monkeypatch, dtype, *recipes):
    """The program of functions by name, one after the other, of the last value or two inputs."""
    monkeypatch.setattr(MachineCode, "wanted", True)
    made = Expressions()
    inputs = [made.input(0, dtype), made.input(1, dtype)]
    roots = [recipe(made, *inputs) for recipe in recipes]
    found = Program(roots, inputs, "tried")
    return found, "in machine code" in found.source


@pytest.mark.parametrize("dtype", DTYPES)
def test_programs_of_truth_values_are_numpys(monkeypatch, dtype):
    x, y = np.random.default_rng(0).normal(size=(2, 103)).astype(dtype)
    x[:4] = 0.0, -0.0, np.nan, np.inf
    for name in "add", "multiply", "maximum", "minimum", "logical_xor", "equal", "less":
        found, in_code = program(
            monkeypatch,
            dtype,
            lambda made, a, b, name=name: made.make(name, made.make("greater", a, 0.0), made.make("greater", b, 0.0)),
        )
        assert in_code
        same(found([x, y])[0], getattr(np, name)(x > 0, y > 0))
    found, in_code = program(monkeypatch, dtype, lambda made, a, b: made.make("signbit", a))
    assert in_code
    same(found([x, y])[0], np.signbit(x))
    found, _ = program(monkeypatch, dtype, lambda made, a, b: made.make("abs", made.make("greater", a, b)))
    same(found([x, y])[0], x > y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_that_a_selection_throws_away_warn_as_in_numpy(monkeypatch, dtype):
    x = np.array([1.0, 2.0, -1.0, 0.0, np.nan] * 5, dtype)

    def chosen(made, a, b):
        safe = made.make("where", made.make("greater", a, 0.0), a, 1.0)
        return made.make("where", made.make("greater", a, 0.0), made.make("log", safe), a)

    found, in_code = program(monkeypatch, dtype, chosen)
    assert in_code
    with np.errstate(all="raise", under="ignore"):
        got = found([x, x])[0]
    np.testing.assert_allclose(got, np.where(x > 0, np.log(np.where(x > 0, x, 1)), x), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("exponent", [*EXPONENTS, 2.5, 0.3, 7])
def test_powers_are_machine_code_where_they_are_products(monkeypatch, dtype, exponent):
    found, in_code = program(monkeypatch, dtype, lambda made, a, b: made.make("pow", made.make("add", a, b), exponent))
    assert in_code == (exponent in EXPONENTS)
    x = np.abs(np.random.default_rng(0).normal(size=100)).astype(dtype)
    np.testing.assert_allclose(
        found([x, x])[0], (x + x) ** np.dtype(dtype).type(exponent), rtol=8 * np.finfo(dtype).eps
    )
