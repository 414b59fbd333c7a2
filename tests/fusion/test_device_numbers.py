"""Numbers that only the device knows: as Python's numbers, beside numbers and beside arrays."""

import math

import numpy as np
import pytest

from tinygrad_lite.fusion.device_numbers import DeviceNumber, chosen, larger, root, smaller

RULES = {
    "bias": lambda t: root(1 - 0.999**t) * 0.01 / (1 - 0.9**t),
    "sum": lambda t: (t - 2.0) * (3 - t) / (t + t * t) + -t,
    "extremes": lambda t: larger(1, t - 5) + smaller(2.5, t) + larger(t, 4) + smaller(t, t * 0.5),
    "numbers chosen": lambda t: chosen(t > 3, lambda: t * 2, lambda: 0.25),
    "chosen of numbers": lambda t: chosen(t < 3, lambda: 1.0, lambda: 2.0) + chosen(t == 3, lambda: 5, lambda: t),
    "pairs chosen": lambda t: sum(chosen(t != 4, lambda: (t, 1.0), lambda: (7.0, t))),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_rules_are_those_of_numbers(rule, count, dtype):
    got, expected = RULES[rule](DeviceNumber(np.array(float(count)), dtype)), RULES[rule](count)
    assert got.value.dtype == np.float64 and math.isclose(got.value, expected, rel_tol=1e-15)
    x = np.array([0.1, -3.0, 7.5], dtype)
    for with_array in (lambda n: n * x, lambda n: x * n, lambda n: x - n, lambda n: x / n, lambda n: n / x):
        result = with_array(got)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, with_array(float(got.value)))


def test_arrays_are_chosen():
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    for number in (1, DeviceNumber(np.array(1.0), "float64")):
        np.testing.assert_array_equal(chosen(number > 0, lambda: x, lambda: y), x)
        np.testing.assert_array_equal(chosen(number > 1, lambda: x, lambda: y), y)


def test_an_infinity_that_is_not_chosen_is_no_matter():
    number = DeviceNumber(np.array(np.inf), "float32")
    assert chosen(number < 0, lambda: number, lambda: 2.0).value == 2.0


def test_nobody_looks_at_them():
    number = DeviceNumber(np.array(1.0), "float32")
    for look in (lambda: bool(number > 0), lambda: math.sqrt(number), lambda: max(1.0, number)):
        with pytest.raises(
            TypeError, match=r"only the device knows is looked at; in rules .* use `chosen`, `root`, `la"
        ):
            look()
