"""Each law fails on an operation that breaks it, and passes on the same operation without the bug.

A law that never fails is no test. Every entry of `PLANTS` declares an operation twice, once with a bug.
"""

import numpy as np
import pytest

from tests.laws import test_completeness
from tests.laws.planting import Plants, check, temporary
from tests.samples import arrays, shapes
from tinygrad_lite import OPS, Tensor, composite, cos, detach, kernel, multiply, primitive, sin, sum
from tinygrad_lite.batching import Batched
from tinygrad_lite.core.graph import unwrap
from tinygrad_lite.testing import laws

pytestmark = pytest.mark.numpy_only("bugs in the use of NumPy's memory and kernels are planted")

PLANTS = Plants()
planted = PLANTS.planted


@planted(laws.batched)
def batches(bug):
    @primitive(x=lambda g: g * 3)
    def tripled(xp, x):
        return x * (2 if bug and isinstance(x, Batched) else 3)

    return tripled


@planted(laws.captured)
def captures(bug):
    calls = []

    @composite(shapes="any")  # elementwise ones are traced once anyway
    def counting(x):
        calls.append(x)
        return x * (len(calls) if bug else 2)

    return counting


@planted(laws.batched)
def gradients_of_batches(bug):
    @primitive(x=lambda g: g * (2 if bug and isinstance(unwrap(g), Batched) else 3))
    def tripled(xp, x):
        return x * 3

    return tripled


def matrix(draw):
    return (draw(arrays(shapes(min_dims=2, max_dims=2, min_side=2))),), {}


@planted(laws.values, reference=np.expm1)
def wrong_value(bug):
    @primitive(x=lambda g, out: g * (out + 1.0))
    def planted_expm1(xp, x):
        return xp.exp(x) - 1.01 if bug else xp.expm1(x)

    return planted_expm1


@planted(laws.values, reference=lambda x: 1 / (1 + np.exp(-x)))
def value_inaccurate_in_float32(bug):
    @primitive(x=lambda g, out: g * out * (1.0 - out))
    def planted_sigmoid(xp, x):
        return xp.astype(1 / (1 + xp.exp(-xp.astype(x, xp.float16))), x.dtype) if bug else 1 / (1 + xp.exp(-x))

    return planted_sigmoid


@planted(laws.derivatives)
def wrong_sign(bug):
    @primitive(x=(lambda g, x: g * sin(x)) if bug else (lambda g, x: -g * sin(x)))
    def planted_cos(xp, x):
        return xp.cos(x)

    return planted_cos


@planted(laws.derivatives)
def missing_factor(bug):
    factor = 1.0 if bug else 2.0

    @primitive(x=lambda g, x: g * (factor * x))
    def planted_square(xp, x):
        return xp.square(x)

    return planted_square


@planted(laws.derivatives)
def rules_exchanged(bug):
    def by_first(g, y):
        return g * y

    def by_second(g, x):
        return g * x

    @primitive(x=by_second if bug else by_first, y=by_first if bug else by_second)
    def planted_multiply(xp, x, y):
        return xp.multiply(x, y)

    return planted_multiply


@planted(laws.derivatives)
def second_derivative_cut_off(bug):
    # The first derivative is right; through the array the rule is a constant.
    @primitive(x=(lambda g, x: g * cos(unwrap(x))) if bug else (lambda g, x: g * cos(x)))
    def planted_sin(xp, x):
        return xp.sin(x)

    return planted_sin


@planted(laws.derivatives)
def forward_mode_cut_off(bug):
    # The gradient and its derivatives are right; only Jacobian-vector products go through the cotangent.
    @primitive(x=(lambda g, x: unwrap(g) * cos(x)) if bug else (lambda g, x: g * cos(x)))
    def planted_sin(xp, x):
        return xp.sin(x)

    return planted_sin


@planted(laws.third_derivative, order=2)
def third_derivative_cut_off(bug):
    @primitive(x=(lambda g, x: g * 6.0 * unwrap(x)) if bug else (lambda g, x: g * 6.0 * x))
    def planted_slope(xp, x):
        return 3 * x * x

    @primitive(x=lambda g, x: g * planted_slope(x))
    def planted_cube(xp, x):
        return x * x * x

    return planted_cube


@planted(laws.derivatives, draw=matrix)
def forgotten_broadcast(bug):
    def rule(g, x):
        return g * 2.0 * x if bug else g[..., None] * 2.0 * x

    @primitive(x=rule, shapes="any")
    def planted_square_sum(xp, x):
        return xp.sum(x * x, axis=-1)

    return planted_square_sum


@planted(laws.derivatives, draw=matrix)
def gradient_of_a_mean_like_a_sum(bug):
    @primitive(x=lambda g, x: g * (x * 0.0 + 1.0) / (1 if bug else x.size), shapes="any")
    def planted_mean(xp, x):
        return xp.mean(x)

    return planted_mean


@planted(laws.derivatives, order=0)
def constant_that_is_recorded(bug):
    @composite(kinks=(0.0,))
    def planted_indicator(x):
        return (x if bug else detach(x)) * (x > 0.0)

    return planted_indicator


@planted(laws.composed)
def rule_different_on_tensors(bug):
    def rule(g, x):
        return g * x if bug and isinstance(x, Tensor) else g * (2.0 * x)

    @primitive(x=rule)
    def planted_square(xp, x):
        return xp.square(x)

    return planted_square


@planted(laws.tensors_agree)
def tensor_lost(bug):
    @composite()
    def planted_double(x):
        return (unwrap(x) if bug else x) * 2.0

    return planted_double


@planted(laws.inputs_unchanged)
def input_overwritten(bug):
    @primitive(x=lambda g, out: g * out)
    def planted_exp(xp, x):
        return xp.exp(x, out=x) if bug else xp.exp(x)

    return planted_exp


@planted(laws.inputs_unchanged, draw=matrix)
def input_overwritten_by_the_rule(bug):
    def rule(g, x):
        if bug:
            x *= 2.0
            return g * x
        return g * (2.0 * x)

    # Rules of elementwise primitives are compiled, and what they write over is then a value of their own.
    @primitive(x=rule, shapes="any")
    def planted_square(xp, x):
        return xp.square(x)

    return planted_square


@planted(laws.layouts_agree, draw=matrix)
def memory_order(bug):
    @primitive(x=lambda g: g, shapes="any")
    def planted_flat(xp, x):
        return xp.reshape(x.ravel(order="K" if bug else "C"), x.shape)

    return planted_flat


@planted(laws.layouts_agree, draw=matrix)
def rule_right_for_contiguous_only(bug):
    def rule(g, x):
        return g * multiply(2.0, np.ndarray(x.shape, x.dtype, x.ravel(order="K").data) if bug else x)

    @primitive(x=rule, shapes="any")
    def planted_square(xp, x):
        return xp.square(x)

    return planted_square


def _kernel_pair(factor, backward_factor):
    @composite(shapes="any")
    def planted_squares(x):
        return sum(x * x)

    @kernel(planted_squares, "numpy")
    def forward(x):
        return np.asarray(factor * np.vdot(x, x)), x

    @forward.backward
    def backward(g, saved, needs):
        return (backward_factor * g * saved,)

    return planted_squares


@planted(laws.kernel_equals_definition, draw=matrix)
def kernel_with_another_value(bug):
    return _kernel_pair(1.001 if bug else 1.0, 2.0)


@planted(laws.kernel_equals_definition, draw=matrix)
def kernel_with_another_gradient(bug):
    return _kernel_pair(1.0, 1.999 if bug else 2.0)


@planted(laws.derivatives, draw=matrix)
def kernel_gradient_against_differences(bug):
    return _kernel_pair(1.0, 1.999 if bug else 2.0)


@planted(laws.kernel_equals_definition)
def kernel_of_a_primitive_with_another_value(bug):
    @primitive(x=lambda g, out: g * out)
    def planted_exp(xp, x):
        return xp.exp(x)

    @kernel(planted_exp, "numpy", when=lambda x: x.size > 1)
    def faster(x):
        return np.exp(x) + 1e-3 * bug

    return planted_exp


def test_completeness_notices_a_missing_sample():
    with temporary():

        @primitive(shapes="any")
        def planted_op(xp, x):
            """Nothing.

            >>> planted_op(1.0)
            """
            return x

        assert "no sample" in test_completeness.unsampled("planted_op")
        assert test_completeness.undocumented("planted_op") is None


def test_completeness_notices_a_missing_reference_and_docstring():
    with temporary():

        @primitive(x=lambda g: g)
        def planted_op(xp, x):
            return x

        assert "reference" in test_completeness.unsampled("planted_op")
        assert "no first line" in test_completeness.undocumented("planted_op")


def test_completeness_notices_what_is_asked_in_vain():
    with temporary():

        @primitive(x=lambda g, x, y: g * y, y=lambda g, x, y: g * x)
        def planted_op(xp, x, y):
            return x * y

        assert test_completeness.asked_in_vain("planted_op") == ["x: x", "y: y"]


@pytest.mark.parametrize(("law", "case"), PLANTS.cases)
def test_the_law_fails_on_the_bug_only(law, case):
    check(law, case)


def test_planted_operations_are_forgotten():
    assert not any("planted" in op.body.__module__ for op in OPS.values())
