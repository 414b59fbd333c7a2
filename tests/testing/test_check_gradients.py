"""`check_gradients` accepts right derivatives, rejects wrong ones, and says what it could not compare."""

import numpy as np
import pytest

import tinygrad_lite as tl
from tests.laws.test_planted_bugs import temporary
from tinygrad_lite import DTypeError, GradientError, Tensor, TinygradLiteError, primitive
from tinygrad_lite.testing import GradientCheckError, GradientReport, check_gradients

X = np.array([0.5, -1.5, 2.0])


@pytest.fixture(autouse=True)
def forget_operations():
    with temporary():
        yield


def sine_with(rule):
    @primitive(x=rule)
    def planted_sine(xp, x):
        return xp.sin(x)

    return planted_sine


def failure(f, *inputs, **options):
    with pytest.raises(GradientCheckError) as caught:
        check_gradients(f, *inputs, **options)
    return caught.value


def test_right_derivatives_of_several_inputs_and_orders():
    report = check_gradients(lambda x, y: tl.sin(x) * tl.exp(y) / (1 + x * x), X, np.array([0.3]), order=4)
    assert report.ok and len(report.rows) == 4 * 3 * 2
    assert max(row.error / row.tolerance for row in report.rows) < 1e-3


def test_rows_cover_inputs_jointly_and_alone_modes_and_directions():
    report = check_gradients(tl.multiply, X, X + 1, directions=2, modes=("forward",), order=1)
    assert [(r.input, r.direction, r.mode) for r in report.rows] == [
        (name, k, "forward") for name in ("x", "y", "all") for k in range(2)
    ]


def test_wrong_first_derivative_is_reported_with_numbers():
    error = failure(sine_with(lambda g, x: -g * tl.cos(x)), X, order=1)
    assert isinstance(error, AssertionError) and isinstance(error, TinygradLiteError)
    row = error.report.rows[0]
    assert row.got == pytest.approx(-row.expected) and row.verdict == "wrong"
    assert row.error == pytest.approx(2 * abs(row.expected)) and row.tolerance < 1e-5
    head = "input  direction  order  mode     expected"
    assert head in str(error) and "wrong: the derivative differs from the finite difference." in str(error)
    assert str(error).startswith("planted_sine: 2 of 2 directional derivatives failed.")
    assert error.report.worst in error.report.failures


def test_wrong_second_derivative_is_found_in_order_2_only():
    cut = sine_with(lambda g, x: g * tl.cos(x.data if isinstance(x, Tensor) else x))
    assert check_gradients(cut, X, order=1).ok
    assert {row.order for row in failure(cut, X).report.failures} == {2}


def test_the_wrong_input_is_named():
    @primitive(first=lambda g, second: g * second, second=lambda g, first: 2.0 * g * first)
    def planted_product(xp, first, second):
        return first * second

    failed = failure(planted_product, X, X + 3, order=1).report.failures
    assert {row.input for row in failed} == {"second", "all"}


def test_small_errors_in_one_element_are_found():
    f = sine_with(lambda g, x: g * tl.cos(x) * (1 + 1e-4 * (x > 1.5)))
    assert failure(f, X, order=1)


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1e6, 1e20])
def test_tolerances_follow_the_functions_and_the_inputs_size(scale):
    assert check_gradients(lambda x: scale * tl.sum(x**3), X / scale ** (1 / 3)).ok
    assert failure(lambda x: scale * sine_with(lambda g, x: 1.001 * g * tl.cos(x))(x), X, order=1)


def test_float32_is_checked_with_float32_tolerances():
    report = check_gradients(lambda x: tl.sum(tl.exp(x)) ** 2, X.astype("float32"))
    assert report.ok and all(1e-7 < row.tolerance / abs(row.expected) < 1e-1 for row in report.rows)
    assert failure(sine_with(lambda g, x: 1.05 * g * tl.cos(x)), X.astype("float32"), order=1)


def test_a_function_that_computes_in_float32_inside():
    assert check_gradients(lambda x: tl.exp(tl.astype(x, dtype="float32")), X).ok


def test_steep_functions_and_inputs_near_the_bound_of_a_domain():
    assert check_gradients(lambda x: tl.exp(100 * x), X / 10).ok
    assert check_gradients(tl.log, np.array([1e-4, 2.0])).ok


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: tl.maximum(x, 0.0), [0.0, 1.0]),
        (lambda x: tl.maximum(x, 0.0), [1e-9, 1.0]),
        (tl.abs, [0.0, 1.0]),
        (tl.sign, [0.0, 1.0]),
        (lambda x: tl.max(x), [1.0, 1.0]),
    ],
)
def test_kinks_are_reported_as_kinks(f, x):
    error = failure(f, np.array(x))
    assert {row.verdict for row in error.report.failures} == {"kink"}
    assert "kink: the function has a kink or a jump at these inputs" in str(error)
    assert "wrong" not in str(error)
    report = check_gradients(f, np.array(x), allow_kinks=True)
    assert not report.ok and {row.verdict for row in report.failures} == {"kink"}


def test_a_wrong_derivative_beside_a_distant_kink_is_wrong():
    def f(x):
        return tl.maximum(x, 0.0) * sine_with(lambda g, x: 1.1 * g * tl.cos(x))(x)

    assert {row.verdict for row in failure(f, np.array([0.5, 1.0]), order=1).report.failures} == {"wrong"}


def test_the_bound_of_a_domain_is_undefined():
    error = failure(tl.sqrt, np.array([0.0, 1.0]))
    assert "undefined: the function is not finite around these inputs" in str(error)
    assert check_gradients(tl.log, np.array([1e-6, 2.0]), eps=1e-6).ok


def test_noise_is_rough():
    def f(x):
        noise = 1e-3 * np.sin(1e9 * x.detach().data if isinstance(x, Tensor) else 1e9 * x)
        return tl.sum(x * x + noise)

    assert "rough: the finite differences do not converge" in str(failure(f, X, order=1))


def test_structures_constants_and_several_outputs():
    def f(parameters, index, scale):
        w, b = parameters["w"], parameters["b"]
        return {"first": w[index] * scale, "rest": (tl.tanh(b), np.array([1]))}

    parameters = {"w": X, "b": np.array([0.1])}
    report = check_gradients(f, parameters, np.array([0, 2, 2]), 3.0)
    assert {row.input for row in report.rows} == {"parameters[0]", "parameters[1]", "scale", "all"}


def test_tensors_numbers_empty_and_0d_inputs():
    assert check_gradients(tl.sin, Tensor(X, dtype="float64")).ok
    assert check_gradients(lambda x: x * x, 3.0).ok
    assert check_gradients(tl.sin, np.zeros((0, 2))).ok
    assert check_gradients(lambda x: x**2, np.array(2.0)).ok


def test_inputs_are_not_changed_and_seeds_matter():
    x = X.copy()
    first, same, other = (check_gradients(tl.sin, x, seed=s) for s in (0, 0, 1))
    assert [r.got for r in first.rows] == [r.got for r in same.rows] != [r.got for r in other.rows]
    np.testing.assert_array_equal(x, X)


def test_given_tolerances():
    almost = sine_with(lambda g, x: 1.0001 * g * tl.cos(x))
    assert failure(almost, X, order=1)
    assert check_gradients(almost, X, order=1, rtol=1e-3).ok
    assert check_gradients(almost, X, order=1, atol=1e-2).ok


def test_report_prints():
    report = check_gradients(tl.sin, X, order=1)
    assert isinstance(report, GradientReport)
    assert repr(report) == "<gradient report of sin: 2 comparisons, 0 failures>"
    lines = str(report).splitlines()
    assert lines[0] == "sin: all 2 directional derivatives agree." and len(lines) == 4
    assert lines[2].split()[:4] == ["x", "0", "1", "reverse"]


def test_refusals():
    with pytest.raises(DTypeError, match=r"check_gradients: <lambda> got no floating-point input"):
        check_gradients(lambda x: x, np.array([1, 2]))
    with pytest.raises(DTypeError, match="greater returned no floating-point array"):
        check_gradients(tl.greater, X, X)
    with pytest.raises(GradientError, match="unknown mode 'backward'; modes are 'reverse' and 'forward'"):
        check_gradients(tl.sin, X, modes=("backward",))
    rng = np.random.default_rng(0)
    with pytest.raises(GradientError, match="returned two different results for the same inputs; random numbers"):
        check_gradients(lambda x: x * rng.random(), X)
