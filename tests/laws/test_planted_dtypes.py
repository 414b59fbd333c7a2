"""Each law of dtypes and of kinks fails on an operation that breaks it, and passes on the same one without the bug."""

import numpy as np
import pytest

from tests.laws.planting import Plants, check
from tests.samples import arrays, shapes
from tinygrad_lite import abs, composite, maximum, multiply, primitive, real, sign, where
from tinygrad_lite.testing import laws

pytestmark = pytest.mark.numpy_only("bugs of NumPy's dtypes are planted")

PLANTS = Plants()
planted = PLANTS.planted


@planted(laws.float32_kept)
def value_in_float64(bug):
    factor = np.asarray([2.0]) if bug else 2.0

    @primitive(x=lambda g: g * 2.0)
    def planted_double(xp, x):
        return x * factor

    return planted_double


@planted(laws.rules_keep_dtype)
def rule_in_float64(bug):
    factor = np.float64(2.0) if bug else 2.0

    @primitive(x=lambda g, x: g * (factor * x))
    def planted_square(xp, x):
        return xp.square(x)

    return planted_square


@planted(laws.rules_keep_dtype)
def boolean_times_number(bug):
    def rule(g, x):
        return g * (2.0 * (x > 0)) if bug else where(x > 0, g * 2.0, 0.0)

    @primitive(x=rule, kinks=(0.0,))
    def planted_relu(xp, x):
        return xp.where(x > 0, 2 * x, xp.zeros_like(x))

    return planted_relu


@planted(laws.gradients_fit)
def broadcasting_not_undone(bug):
    @primitive(x=lambda g, y: g * y, y=lambda g, x: g * x)
    def planted_multiply(xp, x, y):
        return xp.multiply(x, y)

    def pull(node, g, grads):
        y, x = node.saved[::-1]
        for parent, gradient in zip(node.parents, (g * y, g * x), strict=True):
            grads[parent] = gradient

    if bug:
        planted_multiply.op.pull = pull
    return planted_multiply


@planted(laws.least_norm)
def tie_counted_twice(bug):
    def share(g, mine, other):
        return where(mine >= other, g, 0.0) if bug else where(mine > other, g, where(mine == other, g * 0.5, 0.0))

    @primitive(x=lambda g, x, y: share(g, x, y), y=lambda g, x, y: share(g, y, x))
    def planted_maximum(xp, x, y):
        return xp.maximum(x, y)

    return planted_maximum


@planted(laws.least_norm)
def kink_taken_from_one_side(bug):
    @primitive(x=(lambda g, x: where(x >= 0, g, 0.0)) if bug else (lambda g, x: where(x > 0, g, 0.0)), kinks=(0.0,))
    def planted_relu(xp, x):
        return xp.maximum(x, xp.zeros_like(x))

    return planted_relu


@planted(laws.dtypes_right_or_refused, reference=lambda x: x / 3)
def integers_truncated(bug):
    @primitive(x=lambda g: g * (1 / 3))
    def planted_third(xp, x):
        return xp.astype(x / 3, x.dtype) if bug else x / 3

    return planted_third


@planted(laws.dtypes_right_or_refused, reference=np.abs)
def imaginary_part_dropped(bug):
    @primitive(x=lambda g, x: g * sign(x), kinks=(0.0,))
    def planted_abs(xp, x):
        return xp.abs(xp.real(x)) if bug else xp.abs(x)

    return planted_abs


@planted(laws.dtypes_right_or_refused, reference=np.exp)
def half_precision_without_its_range(bug):
    @primitive(x=lambda g, out: g * out)
    def planted_exp(xp, x):
        return xp.exp(x * 9) ** (1 / 9) if bug else xp.exp(x)

    return planted_exp


@planted(laws.complex_derivatives, reference=np.square)
def conjugate_forgotten(bug):
    @primitive(x=lambda g, x: g * (2.0 * x), holomorphic=not bug)
    def planted_square(xp, x):
        return xp.square(x)

    return planted_square


@planted(laws.complex_derivatives, reference=lambda x: np.real(x) ** 2)
def second_complex_derivative_wrong(bug):
    # The first derivative is right for real numbers, and for complex ones the wrong part is kept.
    @primitive(x=lambda g, x: g * (2.0 * (x if bug else real(x))))
    def planted_real_square(xp, x):
        return xp.real(x) ** 2

    return planted_real_square


@planted(laws.float16_kept, reference=np.tanh)
def half_precision_widened(bug):
    @primitive(x=lambda g, out: g * (1.0 - out * out))
    def planted_tanh(xp, x):
        return xp.tanh(xp.astype(x, xp.promote_types(x.dtype, xp.float32)) if bug else x)

    return planted_tanh


@planted(laws.bfloat16_kept)
def bfloat16_widened(bug):
    @composite()
    def planted_double(x):
        return multiply(x, np.full(1, 2.0, "float32") if bug else 2.0)

    return planted_double


@planted(laws.complex64_kept, reference=np.square)
def complex_numbers_widened(bug):
    factor = np.asarray([2.0 + 0j]) if bug else 2.0

    @primitive(x=lambda g, x: g * (2.0 * x))
    def planted_square(xp, x):
        return (x * factor) * x / 2.0 if x.dtype.kind == "c" else x * x

    return planted_square


def some_equal(draw):
    return (draw(arrays(shapes(min_dims=1, max_dims=1, min_side=2))),), {}


@planted(laws.least_norm, draw=some_equal)
def ties_go_to_the_first(bug):
    def rule(g, x, out):
        first = maximum(0.0, 1.0 - abs(np.argmax(x) - np.arange(x.size)))
        mask = where(x == out, 1.0, 0.0)
        return g * (first if bug else mask / np.sum(x == out))

    @primitive(x=rule, shapes="any")
    def planted_max(xp, x):
        return xp.max(x)

    return planted_max


@pytest.mark.parametrize(("law", "case"), PLANTS.cases)
def test_the_law_fails_on_the_bug_only(law, case):
    check(law, case)
